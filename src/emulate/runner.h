// Runs a model on a board: natively on this computer, or as firmware in the emulator. Both take the same input and give
// the same kind of log, so that they can be compared byte for byte.
#pragma once
#include <memory>

#include "core/progress.h"
#include "emulate/run_log.h"
#include "firmware/build.h"

namespace thimble {

class Runner {
 public:
  virtual ~Runner() = default;

  // inputs: samples back to back, each the bytes of all input tensors one after the other. Errors: usage when they do
  // not divide. sequence: the samples follow each other in time, and the model's state goes on from one to the next;
  // else each begins with the first state.
  virtual Result<RunLog> run_tensors(std::span<const uint8_t> inputs, Progress& progress, bool sequence = false) = 0;

  // Recordings as interleaved samples at the signal's rate. Each starts from silence.
  virtual Result<RunLog> run_recordings(std::span<const std::vector<int16_t>> recordings, Progress& progress) = 0;

  // The firmware; null on the host.
  virtual const FirmwareImage* image() const { return nullptr; }
};

// spec.app tells which of the two calls the runner is made for. Builds what has to be built in `folder`.
// Errors: those of build_firmware; tool_missing (the emulator); unsupported (a board that cannot be run).
Result<std::unique_ptr<Runner>> make_runner(const FirmwareSpec& spec, const Board& board, const Path& folder);

// Bytes of all input tensors of one inference. Errors: usage when given_bytes is not a multiple of it.
Result<int64_t> bytes_per_item(const Plan& plan, size_t given_bytes);

Result<std::unique_ptr<Runner>> make_host_runner(const FirmwareSpec& spec);
Result<std::unique_ptr<Runner>> make_qemu_runner(const FirmwareSpec& spec, const Board& board, const Path& folder);

}  // namespace thimble
