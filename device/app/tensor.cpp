// Application: input tensors in, output tensors and the time of each inference out.
#include "app_model.h"
#include "device/app/port_io.h"

using namespace thimble::device;

namespace {

alignas(16) uint8_t thimble_arena[app::kArenaBytes];

struct Model {
  void reset() { app::reset(thimble_arena); }
  void invoke() { app::invoke(thimble_arena); }
};

}  // namespace

int main() {
  SummaryRecord summary = {};
  summary.init_status = port_init();
  PortIo io;
  Model model;
  Status status = static_cast<Status>(app::check());
  if (status == Status::ok) status = run_tensors(io, model, thimble_arena, app::kInputs, app::kOutputs, summary);
  finish(status, summary);
}
