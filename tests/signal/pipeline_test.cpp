// The device's streaming pipeline against compute_features on whole recordings: the same features for everything heard
// so far.
#include "device/runtime/pipeline.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "signal/signal.h"

namespace thimble {
namespace {

// Features by the signal under test; the model itself does nothing.
struct SignalModel {
  const Signal& signal;
  std::vector<int8_t> arena;
  void features(const int16_t* frame, int16_t* out) {
    compute_frame(signal, {frame, static_cast<size_t>(signal.frame_samples * signal.config.channels)},
                  {out, static_cast<size_t>(signal.features)});
  }
  int8_t* input() { return arena.data(); }
  const int8_t* output() { return arena.data(); }
  void reset() {}
  void invoke() { arena.assign(arena.size(), 1); }
};

struct Sink : device::PipelineSink {
  explicit Sink(size_t input_bytes) : bytes(input_bytes) {}
  void before_model(const int8_t* input) { windows.emplace_back(input, input + bytes); }
  void on_inference(const int8_t*, const device::Decision&, int64_t time_ms) { times_ms.push_back(time_ms); }
  size_t bytes;
  std::vector<std::vector<int8_t>> windows;
  std::vector<int64_t> times_ms;
};

TEST(SignalPipeline, EveryWindowIsThatOfTheRecordingSoFar) {
  for (const char* block : {"log_mel", "mfcc", "raw"}) {
    for (int channels : {1, 2}) {
      SignalConfig config{.block = block, .sample_rate_hz = 8000, .channels = channels, .window_ms = 250};
      if (config.block == "raw") config.settings.set("frame_samples", int64_t{80});
      const Signal signal = *make_signal(config);
      const device::PipelineConfig pipeline_config = {.sample_rate_hz = 8000,
                                                      .channels = channels,
                                                      .frame_samples = signal.frame_samples,
                                                      .hop_samples = signal.hop_samples,
                                                      .frames = signal.frames,
                                                      .features = signal.features,
                                                      .stride_samples = signal.hop_samples,
                                                      .warmup_samples = 0,
                                                      .input_multiplier = 1 << 30,
                                                      .input_shift = -5,
                                                      .input_zero_point = -20};
      Rng rng{42};
      std::vector<int16_t> samples;
      for (int i = 0; i < 4000 * channels; ++i) samples.push_back(static_cast<int16_t>(3000 * rng.normal()));

      const size_t bytes = static_cast<size_t>(signal.frames * signal.features);
      SignalModel model{signal, std::vector<int8_t>(bytes)};
      std::vector<int16_t> frame(static_cast<size_t>(signal.frame_samples * channels)),
          features(static_cast<size_t>(signal.features));
      std::vector<int8_t> window(bytes);
      device::Pipeline<SignalModel> pipeline(pipeline_config, nullptr, {frame.data(), features.data(), window.data()},
                                             model);
      Sink sink(bytes);
      for (int at = 0; at < 4000;) {
        const int count = std::min<int>(1 + static_cast<int>(rng.below(300)), 4000 - at);
        pipeline.push(samples.data() + at * channels, count, sink);
        at += count;
      }

      ASSERT_EQ(sink.windows.size(), sink.times_ms.size());
      ASSERT_GT(sink.windows.size(), static_cast<size_t>(signal.frames)) << "some windows are wholly filled";
      for (size_t i = 0; i < sink.windows.size(); ++i) {
        const size_t heard = static_cast<size_t>(sink.times_ms[i]) * 8 * static_cast<size_t>(channels);
        const auto expected = compute_features(signal, std::span(samples).first(heard));
        for (size_t j = 0; j < bytes; ++j)
          ASSERT_EQ(sink.windows[i][j], device::clamp(device::requantize(expected[j], 1 << 30, -5) - 20, -128, 127))
              << block << ", " << channels << " channels, at " << sink.times_ms[i] << " ms, feature " << j;
      }
    }
  }
}

}  // namespace
}  // namespace thimble
