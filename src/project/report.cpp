// The report of a project: what evaluation found and, when the firmware has run, what the board did.
#include <algorithm>
#include <utility>

#include "project/steps.h"
#include "report/html.h"

namespace thimble {

namespace {

std::string percent(double part) { return fmt::format("{:.1f} %", part * 100); }
std::string kib(int64_t bytes) { return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024); }
std::string millions(double count) {
  return count < 1e5 ? fmt::format("{:.0f}", count) : fmt::format("{:.2f} M", count / 1e6);
}

// Names of the actuators, in their order.
std::vector<std::string> actuator_names(const StreamSpec& stream) {
  std::vector<std::string> names;
  for (size_t c = 0; c < stream.actuators.size(); ++c) {
    if (stream.actuators[c] < 0) continue;
    const auto actuator = static_cast<size_t>(stream.actuators[c]);
    names.resize(std::max(names.size(), actuator + 1));
    names[actuator] = stream.classes[c];
  }
  return names;
}

// When each actuator was on, in the time of the recordings played one after the other. Every recording starts with all
// off.
std::vector<PinSpan> pin_spans(const RunLog& log, const StreamSpec& stream) {
  const std::vector<std::string> names = actuator_names(stream);
  const double window_s = static_cast<double>(stream.signal.window_samples()) / stream.signal.config.sample_rate_hz;
  std::vector<PinSpan> spans;
  std::vector<double> since(names.size(), -1);
  const auto update = [&](uint32_t on, double now) {
    for (size_t a = 0; a < names.size(); ++a) {
      const bool is_on = (on >> a & 1) != 0;
      if (is_on && since[a] < 0) since[a] = now;
      if (!is_on && since[a] >= 0) spans.push_back({static_cast<int>(a), names[a], std::exchange(since[a], -1), now});
    }
  };
  double start = 0;
  for (const RecordingRun& recording : log.recordings) {
    for (const InferenceRun& inference : recording.inferences)
      update(inference.actuators, start + static_cast<double>(inference.time_ms) / 1000);
    start += window_s;
    update(0, start);
  }
  return spans;
}

std::vector<svg::Series> regression_curves(const Features& features, const std::vector<size_t>& rows,
                                           const Evaluation& float_test, const Evaluation& int8_test) {
  std::vector<svg::Series> curves = {{"truth", {}}, {"float", {}}, {"int8", {}}};
  const std::vector<float> targets = targets_of(features, rows);
  const auto width = static_cast<size_t>(features.target_count);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double x = features.signal.feature_scale * features.sample(rows[i])[0];
    curves[0].points.emplace_back(x, targets[i * width]);
    curves[1].points.emplace_back(x, float_test.outputs[i * width]);
    curves[2].points.emplace_back(x, int8_test.outputs[i * width]);
  }
  for (svg::Series& curve : curves) std::ranges::sort(curve.points);
  return curves;
}

std::pair<std::string, std::string> quality_tile(const std::string& of, const Evaluation& evaluation) {
  if (evaluation.classification) return {"accuracy, " + of, percent(evaluation.classification->accuracy)};
  return {"mean absolute error, " + of, fmt::format("{:.4f}", evaluation.regression->mae)};
}

void add_board(ReportData& report, const BoardRun& run) {
  auto& tiles = report.headline;
  tiles.push_back(quality_tile(fmt::format("{}, {} recordings", run.board.id, run.rows.size()), run.int8_device));
  tiles.emplace_back(fmt::format("of {} bytes differ from the host", run.compared_bytes),
                     fmt::format("{}", run.differing_bytes));
  auto& facts = report.facts;
  facts.emplace_back("board", run.board.name);
  facts.emplace_back("recordings on the board",
                     fmt::format("{} of the {} in the test split", run.rows.size(), run.test_rows));
  if (report.task == Task::classification)
    facts.emplace_back("decisions", fmt::format("{} of {} recordings ended with the right pins", run.decisions_right,
                                                run.rows.size()));
  facts.emplace_back("features clamped to int8", fmt::format("{}", run.log.clamped_features));
  facts.emplace_back("console of the firmware", run.console.string());
  if (!run.image) return;
  const FirmwareSizes& s = run.image->sizes;
  tiles.emplace_back("instructions, features of a window", millions(run.dsp_instructions));
  tiles.emplace_back("instructions, one inference", millions(run.model_instructions));
  tiles.emplace_back(fmt::format("flash, of {}", kib(run.board.flash.length_bytes)), kib(s.flash));
  tiles.emplace_back(fmt::format("RAM, of {}", kib(run.board.ram.length_bytes)), kib(s.ram));
  facts.emplace_back("pin changes the emulator saw",
                     fmt::format("{}, {}", run.pin_changes, run.pins_as_decided ? "all as decided" : "NOT as decided"));
  facts.emplace_back("flash",
                     fmt::format("{} bytes: code {}, weights {}, tables {}", s.flash, s.code, s.weights, s.tables));
  facts.emplace_back("RAM",
                     fmt::format("{} bytes: arena {}, state {}, stack reserve {}", s.ram, s.arena, s.state, s.stack));
  facts.emplace_back("stack, most used", fmt::format("{} bytes", run.log.stack_used_bytes));
  facts.emplace_back("start-up", run.log.init_status);
  facts.emplace_back("firmware", run.image->elf.string());
}

void add_model(ReportData& report, const Features& features, const QuantizedModel& model) {
  const Signal& signal = features.signal;
  report.facts.emplace_back(
      "signal", fmt::format("{}: {} frames of {} features; a frame is {} samples, every {}", signal.config.block,
                            signal.frames, signal.features, signal.frame_samples, signal.hop_samples));
  report.facts.emplace_back("signal fingerprint", fmt::format("{:08x}", signal.fingerprint));
  report.facts.emplace_back("model", fmt::format("{} parameters, {} MACs, {}", count_parameters(model.float_graph),
                                                 count_macs(model.graph), model.hash));
}

}  // namespace

Result<Path> write_report(Workspace& workspace, const Evaluation& float_test, const Evaluation& int8_test,
                          const BoardRun* run) {
  const Project& project = workspace.project();
  THIMBLE_LET(const Dataset* dataset, workspace.dataset());
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(const TrainedModel* trained, workspace.trained());
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Plan* plan, workspace.plan());
  const std::vector<size_t> test = rows_of(*features, Split::test);
  ReportData report{.title = project.name,
                    .log = trained->log,
                    .task = trained->task,
                    .classes = trained->classes,
                    .float_model = float_test.classification,
                    .int8_model = int8_test.classification,
                    .float_regression = float_test.regression,
                    .int8_regression = int8_test.regression,
                    .plan = *plan};
  report.headline = {quality_tile("float, test split", float_test), quality_tile("int8, test split", int8_test)};
  if (int8_test.classification) {
    for (const Mistake& mistake : int8_test.classification->worst)
      report.mistakes.push_back({dataset->samples[features->sample_of[test[mistake.index]]].path,
                                 trained->classes[static_cast<size_t>(mistake.truth)],
                                 trained->classes[static_cast<size_t>(mistake.predicted)], mistake.confidence});
  } else {
    report.curves = regression_curves(*features, test, float_test, int8_test);
  }
  add_model(report, *features, *model);
  if (run) {
    report.title += ": from recordings to " + run->board.name;
    add_board(report, *run);
    THIMBLE_LET(const FirmwareSpec spec, firmware_spec(workspace));
    if (int8_test.classification) report.pins = pin_spans(run->log, *spec.stream);
  }
  nlohmann::json json = {
      {"project", project.name}, {"float_test", to_json(float_test)}, {"int8_test", to_json(int8_test)}};
  if (run) json["run"] = to_json(*run);
  THIMBLE_TRY(write_text(project.out("report.json"), json.dump(2) + "\n"));
  const Path page = project.out("report.html");
  THIMBLE_TRY(write_text(page, write_report_html(report)));
  return page;
}

}  // namespace thimble
