// Samples as features: a row of a table (no sample rate), or the last window of a sensor.
#include "device/dsp/raw.h"

#include "signal/blocks.h"

namespace thimble::signals {

namespace {

Outcome build(Signal& signal) {
  const SignalConfig& config = signal.config;
  const bool table = config.sample_rate_hz == 0;
  if (config.value_scale <= 0 && table)
    return fail(ErrorCode::usage,
                fmt::format("value_scale is {}, expected the real size of one int16 step", config.value_scale),
                "signal.value_scale");
  signal.frame_samples = table ? 1 : static_cast<int>(config.settings.integer("frame_samples"));
  signal.hop_samples = signal.frame_samples;
  signal.frames = table ? 1 : to_samples(config, config.window_ms) / signal.frame_samples;
  if (signal.frames < 1)
    return fail(ErrorCode::usage,
                fmt::format("a window of {} ms at {} Hz is shorter than one frame of {} samples", config.window_ms,
                            config.sample_rate_hz, signal.frame_samples),
                "signal.window_ms");
  signal.features = signal.frame_samples * config.channels;
  signal.feature_scale = config.value_scale > 0 ? config.value_scale : 1.0 / 32768;
  signal.call = KernelCall::make("raw_s16", device::RawParams{signal.features});
  signal.call.operand(ValueId{0}).operand(ValueId{1});
  return {};
}

}  // namespace

const SignalBlock& raw() {
  static const SignalBlock block = {
      "raw", "Samples as they are.", {{"frame_samples", int64_t{1}, 1, 4096, "moments that make one frame"}}, build};
  return block;
}

}  // namespace thimble::signals
