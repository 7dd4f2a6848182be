#include "core/process.h"
#include "emulate/batches.h"
#include "emulate/runner.h"

namespace thimble {

namespace {

constexpr const char* kEmulator = "qemu-system-arm";
constexpr size_t kLeastItems = 8;
constexpr double kTimeoutSeconds = 120, kTimeoutPerItemSeconds = 10;
constexpr int kFaultStatus = 70;  // of device/port/cortex_m/startup.cpp

class QemuRunner : public Runner {
 public:
  QemuRunner(const FirmwareSpec& spec, const Board& board, Path folder, FirmwareImage image)
      : spec_(spec), board_(board), folder_(std::move(folder)), image_(std::move(image)) {}

  const FirmwareImage* image() const override { return &image_; }

  Result<RunLog> run_tensors(std::span<const uint8_t> inputs, Progress& progress) override {
    THIMBLE_LET(const int64_t item_bytes, bytes_per_item(spec_.plan, inputs.size()));
    const auto size = static_cast<size_t>(item_bytes);
    return run_batches(inputs.size() / size, kLeastItems, title(), progress, [&](const Batch& batch) {
      return emulate(batch, encode_tensors(inputs.subspan(batch.first * size, batch.count * size), item_bytes));
    });
  }

  Result<RunLog> run_recordings(std::span<const std::vector<int16_t>> recordings, Progress& progress) override {
    if (!spec_.stream) return fail(ErrorCode::internal, "recordings need a signal", spec_.plan.model);
    return run_batches(recordings.size(), kLeastItems, title(), progress, [&](const Batch& batch) {
      return emulate(batch,
                     encode_recordings(recordings.subspan(batch.first, batch.count), spec_.stream->pipeline.channels));
    });
  }

 private:
  std::string title() const { return fmt::format("running on emulated {}", board_.id); }

  Command command(const Path& folder, size_t items) const {
    return {.words = {kEmulator, "-M", board_.runner.machine, "-kernel", image_.elf.string(), "-display", "none",
                      "-monitor", "none", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native",
                      "-serial", "file:console.log", "-d", trace_options(board_), "-D", "trace.log"},
            .folder = folder,
            .timeout_s = kTimeoutSeconds + kTimeoutPerItemSeconds * static_cast<double>(items)};
  }

  Result<RunLog> emulate(const Batch& batch, const std::vector<uint8_t>& samples) const {
    const Path folder = folder_ / fmt::format("run-{}", batch.index);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    THIMBLE_TRY(write_bytes(folder / "samples.bin", samples));
    THIMBLE_LET(const CommandResult ended, run_command(command(folder, batch.count)));
    const auto console = read_text(folder / "console.log");
    const auto results = read_bytes(folder / "results.bin");
    if (ended.exit_status == kFaultStatus || !results)
      return fail(ErrorCode::tool_failed, explain(ended), folder.string(),
                  "its console, trace and command are in that folder");
    THIMBLE_LET(RunLog log, decode_results(*results, board_.runner.systick_hz));
    if (console) log.console = *console;
    if (const auto trace = read_text(folder / "trace.log", 1u << 30)) {
      THIMBLE_LET(log.pins, parse_pin_trace(*trace, board_));
    }
    return log;
  }

  static std::string explain(const CommandResult& ended) {
    if (ended.exit_status == kFaultStatus) return "the firmware ran into a processor fault (often a stack overflow)";
    return fmt::format("the emulator ended with status {} and no results: {}", ended.exit_status, ended.errors);
  }

  FirmwareSpec spec_;
  Board board_;
  Path folder_;
  FirmwareImage image_;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_qemu_runner(const FirmwareSpec& spec, const Board& board, const Path& folder) {
  THIMBLE_TRY(find_program(kEmulator));
  const Path absolute = std::filesystem::absolute(folder);
  THIMBLE_LET(FirmwareImage image, build_firmware(spec, board, absolute));
  return std::make_unique<QemuRunner>(spec, board, absolute, std::move(image));
}

}  // namespace thimble
