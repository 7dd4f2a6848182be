#include "firmware/build.h"

#include "core/file_lock.h"
#include "core/resources.h"
#include "firmware/emit_app.h"
#include "firmware/linker_script.h"
#include "firmware/toolchain.h"

namespace thimble {

namespace {

constexpr std::string_view kGenerated = "generated/";

// Files are only touched when their content changes.
Outcome update_text(const Path& path, const std::string& text) {
  if (const auto present = read_text(path); present && *present == text) return {};
  return write_text(path, text);
}

}  // namespace

std::string_view name_of(App app) {
  switch (app) {
    case App::tensor:
      return "tensor";
    case App::stream:
      return "stream";
    case App::bench:
      return "bench";
  }
  return "";
}

Result<std::string> board_config(const Board& board) {
  std::string text = fmt::format("// {}, written by thimble from its board data.\n#pragma once\n", board.name);
  text += fmt::format("#define BOARD_CLOCK_HZ {}\n#define BOARD_UART_BAUD {}\n", board.clock_hz, board.uart_baud);
  if (board.crystal_hz > 0) text += fmt::format("#define BOARD_CRYSTAL_HZ {}\n", board.crystal_hz);
  if (!board.pins.empty()) {
    text += "#define BOARD_PINS {";
    for (size_t i = 0; i < board.pins.size(); ++i) {
      THIMBLE_LET(const PinName pin, parse_pin(board.pins[i]));
      text += fmt::format("{}{{{}, {}}}", i ? ", " : "", pin.port, pin.pin);
    }
    text += "}\n";
  }
  if (!board.pwm_pin.empty()) {
    THIMBLE_LET(const PinName pin, parse_pin(board.pwm_pin));
    text += fmt::format("#define BOARD_PWM_PIN {{{}, {}}}\n", pin.port, pin.pin);
  }
  return text;
}

Result<FirmwareImage> build_firmware(const FirmwareSpec& spec, const Board& board, const Path& folder) {
  if (board.sources.empty())
    return fail(
        ErrorCode::unsupported, "there is no firmware for this board", board.id,
        board.is_host() ? "models run natively there: `thimble run --board host`" : "export the model as a library");
  if (spec.app == App::stream && !spec.stream)
    return fail(ErrorCode::internal, "the stream application needs a signal", spec.plan.model);
  THIMBLE_TRY(check_fit(spec.plan, board, spec.stack_bytes));
  EmitOptions options{.form = spec.form, .classes = {}, .signal = {}};
  if (spec.stream) {
    options.classes = spec.stream->classes;
    options.signal = spec.stream->signal;
  }
  THIMBLE_LET(const EmittedModel model, emit_model(spec.plan, options));
  THIMBLE_LET(const std::string config, board_config(board));
  const Path generated = folder / kGenerated;
  THIMBLE_LET(const FileLock lock, FileLock::take(folder / "build.lock"));
  THIMBLE_TRY(unpack_resources("device/", folder));
  THIMBLE_TRY(update_text(generated / (model.name + ".h"), model.header));
  THIMBLE_TRY(update_text(generated / (model.name + ".cpp"), model.source));
  THIMBLE_TRY(update_text(generated / "app_model.h", app_model_text(model, spec.plan, spec.stream)));
  THIMBLE_TRY(update_text(generated / "board_config.h", config));
  THIMBLE_TRY(update_text(generated / "link.ld", linker_script(board, spec.stack_bytes)));

  Build build{.folder = folder, .sources = board.sources, .script = "generated/link.ld", .output = "firmware.elf"};
  build.sources.push_back(fmt::format("device/app/{}.cpp", name_of(spec.app)));
  build.sources.push_back(fmt::format("{}{}.cpp", kGenerated, model.name));
  THIMBLE_LET(const BuildLog log, compile_and_link(build, board));
  if (log.link_status != 0) {
    if (const auto too_large = explain_overflow(log.link_errors, spec.plan, board))
      return tl::unexpected<Error>(*too_large);
    return fail(ErrorCode::tool_failed, "the linker refused:\n" + log.link_errors, folder.string());
  }
  const Path elf = folder / build.output;
  THIMBLE_TRY(check_symbols(elf));
  THIMBLE_LET(FirmwareImage image, measure_image(elf));
  image.compiled_sources = log.compiled;
  image.sizes.arena -= spec.plan.state_bytes;
  image.sizes.state += spec.plan.state_bytes;
  return image;
}

}  // namespace thimble
