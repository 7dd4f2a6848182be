#include "cli/summary.h"

#include <cmath>

#include "cli/terminal.h"

namespace thimble {

namespace {

std::string row(std::string_view label, const std::string& value) { return fmt::format("  {:<34} {}\n", label, value); }

std::string measure(const Evaluation& e) {
  if (e.classification) return fmt::format("{:.2f} %", e.classification->accuracy * 100);
  return fmt::format("MAE {:.4f}, MSE {:.5f}", e.regression->mae, e.regression->mse);
}

std::string count(double value) {
  return value < 1e5 ? fmt::format("{:.0f}", value) : fmt::format("{:.3f} M", value / 1e6);
}

}  // namespace

std::string run_screen(const BoardRun& run) {
  const bool all = static_cast<int64_t>(run.rows.size()) == run.test_rows;
  std::string text = fmt::format(
      "{}: {} {}\n", run.board.name, run.rows.size(),
      all ? "recordings, the whole test split" : fmt::format("of the {} test recordings, stratified", run.test_rows));
  text += row("float, host", measure(run.float_host));
  text += row("int8, host", measure(run.int8_host));
  text += row(fmt::format("int8, {}", run.board.id), measure(run.int8_device));
  text += row("bytes that differ from the host", fmt::format("{} of {}", run.differing_bytes, run.compared_bytes));
  if (run.int8_device.classification)
    text += row("right pins at the end", fmt::format("{} of {}", run.decisions_right, run.rows.size()));
  if (run.image) {
    if (run.int8_device.classification)
      text += row("pin changes the emulator saw",
                  fmt::format("{}, {}", run.pin_changes, run.pins_as_decided ? "all as decided" : "NOT as decided"));
    text += row("instructions, features of a window", count(run.dsp_instructions));
    text += row("instructions, one inference", count(run.model_instructions));
    text += row("flash", fmt::format("{} of {} bytes", run.image->sizes.flash, run.board.flash.length_bytes));
    text += row("RAM", fmt::format("{} of {} bytes", run.image->sizes.ram, run.board.ram.length_bytes));
    text += row("stack, most used", fmt::format("{} bytes", run.log.stack_used_bytes));
  }
  return text;
}

std::string summary_screen(const AllResult& result) {
  const Conversion& c = result.conversion;
  std::string text = "\nFrom recordings to a decision on a microcontroller\n\n";
  text += "The whole test split, nobody of it heard in training\n";
  text += row("float", measure(c.float_test));
  text += row("int8", fmt::format("{}   ({:+.2f} points)", measure(c.int8_test),
                                  100 * (quality(c.int8_test) - quality(c.float_test))));
  text += '\n';
  text += run_screen(result.run);
  text += '\n';
  text += row("model", fmt::format("{} ({} bytes)", c.tflite.string(), c.tflite_bytes));
  text += row("report", result.report.string());
  text += row("took", human_seconds(result.seconds));
  text.pop_back();
  return text;
}

}  // namespace thimble
