#include "emulate/runner.h"

namespace thimble {

Result<int64_t> bytes_per_item(const Plan& plan, size_t given_bytes) {
  int64_t bytes = 0;
  for (const PlanPort& port : plan.inputs) bytes += port.bytes;
  if (bytes <= 0 || given_bytes == 0 || given_bytes % static_cast<size_t>(bytes) != 0)
    return fail(
        ErrorCode::usage,
        fmt::format("found {} input bytes, expected a multiple of the {} that one inference takes", given_bytes, bytes),
        plan.model, "give the raw bytes of the input tensor, once or several times");
  return bytes;
}

Result<std::unique_ptr<Runner>> make_runner(const FirmwareSpec& spec, const Board& board, const Path& folder) {
  if (board.is_host()) return make_host_runner(spec);
  if (board.runner.kind == "qemu") return make_qemu_runner(spec, board, folder);
  return fail(ErrorCode::unsupported, "this board cannot be run here", board.id,
              "choose one with a runner: `thimble boards`");
}

}  // namespace thimble
