// Application: recordings in; features, outputs, decisions and their times out; decisions drive the pins, or the PWM.
#include "app_model.h"
#include "device/app/port_io.h"

using namespace thimble::device;

namespace {

alignas(16) uint8_t thimble_arena[app::kArenaBytes];
alignas(16) uint8_t scratch[app::kScratchBytes];
int16_t frame[app::kPipeline.frame_samples * app::kPipeline.channels];
int16_t features[app::kPipeline.features];
int8_t window[app::kPipeline.frames * app::kPipeline.features];
int16_t chunk[kChunkSamples];

struct Model {
  void features(const int16_t* samples, int16_t* to) { app::features(samples, to, scratch); }
  int8_t* input() { return reinterpret_cast<int8_t*>(thimble_arena + app::kInputs.ports[0].offset); }
  const int8_t* output() { return reinterpret_cast<const int8_t*>(thimble_arena + app::kOutputs.ports[0].offset); }
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
  if (status == Status::ok)
    status = run_recordings(io, model, app::kPipeline, app::kActuation, {frame, features, window}, chunk, summary);
  finish(status, summary);
}
