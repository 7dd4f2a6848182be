#include "emulate/qemu.h"

#include "core/process.h"

namespace thimble {

namespace {

constexpr int kFaultStatus = 70;  // of device/port/memory_map.h

std::string explain(const CommandResult& ended) {
  if (ended.exit_status == kFaultStatus) return "the firmware ran into a processor fault (often a stack overflow)";
  return fmt::format("the emulator ended with status {} and no results: {}", ended.exit_status, ended.errors);
}

}  // namespace

Result<RunLog> run_in_qemu(const Board& board, const Path& elf, const Path& folder, std::span<const uint8_t> samples,
                           double timeout_s) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  THIMBLE_TRY(write_bytes(folder / "samples.bin", samples));
  Command command{.words = {board.runner.emulator, "-M", board.runner.machine, "-kernel", elf.string(), "-display",
                            "none", "-monitor", "none", "-icount", "shift=0", "-semihosting-config",
                            "enable=on,target=native", "-serial", "file:console.log"},
                  .folder = folder,
                  .timeout_s = timeout_s};
  std::vector<std::string>& words = command.words;
  words.insert(words.end(), board.runner.options.begin(), board.runner.options.end());
  if (!board.runner.pin_trace.empty()) words.insert(words.end(), {"-d", trace_options(board), "-D", "trace.log"});
  THIMBLE_LET(const CommandResult ended, run_command(command));
  const auto results = read_bytes(folder / "results.bin");
  if (ended.exit_status == kFaultStatus || !results)
    return fail(ErrorCode::tool_failed, explain(ended), folder.string(), "its console and trace are in that folder");
  THIMBLE_LET(RunLog log, decode_results(*results, board.runner.systick_hz));
  if (auto console = read_text(folder / "console.log")) log.console = std::move(*console);
  if (const auto trace = read_text(folder / "trace.log", 1u << 30)) {
    THIMBLE_LET(log.pins, parse_pin_trace(*trace, board));
  }
  return log;
}

}  // namespace thimble
