#include "core/file_lock.h"
#include "core/process.h"
#include "emulate/batches.h"
#include "emulate/qemu.h"
#include "emulate/runner.h"

namespace thimble {

namespace {

constexpr size_t kLeastItems = 8;
constexpr double kTimeoutSeconds = 120, kTimeoutPerItemSeconds = 10;

class QemuRunner : public Runner {
 public:
  QemuRunner(const FirmwareSpec& spec, const Board& board, Path folder, FirmwareImage image, FileLock lock)
      : spec_(spec), board_(board), folder_(std::move(folder)), image_(std::move(image)), lock_(std::move(lock)) {}

  const FirmwareImage* image() const override { return &image_; }

  Result<RunLog> run_tensors(std::span<const uint8_t> inputs, Progress& progress, bool sequence) override {
    THIMBLE_LET(const int64_t item_bytes, bytes_per_item(spec_.plan, inputs.size()));
    const auto size = static_cast<size_t>(item_bytes);
    const size_t least = sequence ? inputs.size() / size : kLeastItems;
    return run_batches(inputs.size() / size, least, title(), progress, [&](const Batch& batch) {
      return emulate(batch,
                     encode_tensors(inputs.subspan(batch.first * size, batch.count * size), item_bytes, sequence));
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

  Result<RunLog> emulate(const Batch& batch, const std::vector<uint8_t>& samples) const {
    const double timeout_s = kTimeoutSeconds + kTimeoutPerItemSeconds * static_cast<double>(batch.count);
    return run_in_qemu(board_, image_.elf, folder_ / fmt::format("run-{}", batch.index), samples, timeout_s);
  }

  FirmwareSpec spec_;
  Board board_;
  Path folder_;
  FirmwareImage image_;
  FileLock lock_;  // on the folder's firmware and runs
};

}  // namespace

Result<std::unique_ptr<Runner>> make_qemu_runner(const FirmwareSpec& spec, const Board& board, const Path& folder) {
  THIMBLE_TRY(find_program(board.runner.emulator));
  const Path absolute = std::filesystem::absolute(folder);
  THIMBLE_LET(FileLock lock, FileLock::take(absolute / "run.lock"));
  THIMBLE_LET(FirmwareImage image, build_firmware(spec, board, absolute));
  return std::make_unique<QemuRunner>(spec, board, absolute, std::move(image), std::move(lock));
}

}  // namespace thimble
