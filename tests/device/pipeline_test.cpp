// The pipeline with a small model whose features and outputs can be followed by hand.
#include "device/runtime/pipeline.h"

#include <gtest/gtest.h>

#include <vector>

namespace thimble::device {
namespace {

// Feature = sum of the frame; output 0 = the newest feature. Its input lies in memory that invoke() overwrites, as in
// an arena.
struct SumModel {
  int frame_length;
  std::vector<int8_t> arena;
  int8_t scores[2] = {0, -128};

  void features(const int16_t* frame, int16_t* out) {
    int sum = 0;
    for (int i = 0; i < frame_length; ++i) sum += frame[i];
    out[0] = static_cast<int16_t>(sum);
  }
  int8_t* input() { return arena.data(); }
  const int8_t* output() { return scores; }
  void reset() {}
  void invoke() {
    scores[0] = arena.back();
    arena.assign(arena.size(), 77);
  }
};

struct Seen {
  std::vector<int8_t> input, output;
  Decision decision = {};
  int64_t time_ms = 0;
  bool operator==(const Seen& other) const {
    return input == other.input && output == other.output && time_ms == other.time_ms &&
           decision.winner == other.decision.winner && decision.score == other.decision.score;
  }
};

struct Sink : PipelineSink {
  explicit Sink(int input_bytes) : bytes(input_bytes) {}
  void before_features() { EXPECT_EQ(open++, 0); }
  void after_features(const int16_t* features, int32_t clamped_features) {
    --open;
    frames.push_back(features[0]);
    clamped += clamped_features;
  }
  void before_model(const int8_t* input) {
    EXPECT_EQ(open++, 0);
    seen.push_back({.input = {input, input + bytes}});
  }
  void after_model(const int8_t*) { --open; }
  void on_inference(const int8_t* output, const Decision& decision, int64_t time_ms) {
    seen.back().output = {output, output + 2};
    seen.back().decision = decision;
    seen.back().time_ms = time_ms;
  }
  int bytes, open = 0, clamped = 0;
  std::vector<int16_t> frames;
  std::vector<Seen> seen;
};

constexpr PipelineConfig kConfig = {.sample_rate_hz = 1000,
                                    .channels = 1,
                                    .frame_samples = 4,
                                    .hop_samples = 3,
                                    .frames = 5,
                                    .features = 1,
                                    .stride_samples = 6,
                                    .warmup_samples = 16,
                                    .input_multiplier = 1 << 30,
                                    .input_shift = 1,
                                    .input_zero_point = 0};

// Everything that happens when `samples` arrive in pieces of `chunk` moments (0: all at once).
Sink run(const PipelineConfig& config, const std::vector<int16_t>& samples, int chunk,
         const DecisionConfig* decision = nullptr) {
  SumModel model{config.frame_samples * config.channels, std::vector<int8_t>(static_cast<size_t>(config.frames))};
  std::vector<int16_t> frame(static_cast<size_t>(config.frame_samples * config.channels)), features(1);
  std::vector<int8_t> window(static_cast<size_t>(config.frames));
  Pipeline<SumModel> pipeline(config, decision, {frame.data(), features.data(), window.data()}, model);
  Sink sink(config.frames);
  const int moments = static_cast<int>(samples.size()) / config.channels;
  for (int at = 0; at < moments;) {
    const int count = std::min(chunk > 0 ? chunk : moments, moments - at);
    pipeline.push(samples.data() + at * config.channels, count, sink);
    at += count;
  }
  EXPECT_EQ(pipeline.time_ms(), moments);
  return sink;
}

std::vector<int16_t> counting(int count) {
  std::vector<int16_t> samples;
  for (int i = 1; i <= count; ++i) samples.push_back(static_cast<int16_t>(i));
  return samples;
}

TEST(Pipeline, FramesOverlapAndAreAlignedAsIfSilenceCameBefore) {
  // Frames end after moments 1, 4, 7 ...: those that a window ending at any of them contains.
  const Sink sink = run(kConfig, counting(10), 0);
  EXPECT_EQ(sink.frames, (std::vector<int16_t>{1, 1 + 2 + 3 + 4, 4 + 5 + 6 + 7, 7 + 8 + 9 + 10}));
}

TEST(Pipeline, InfersAfterWarmUpAndThenEveryStride) {
  const Sink sink = run(kConfig, counting(30), 0);
  std::vector<int64_t> times;
  for (const Seen& seen : sink.seen) times.push_back(seen.time_ms);
  EXPECT_EQ(times, (std::vector<int64_t>{16, 22, 28}));
  EXPECT_EQ(sink.seen[0].input, (std::vector<int8_t>{10, 22, 34, 46, 58}));
}

TEST(Pipeline, WindowSurvivesAModelThatOverwritesItsInput) {
  const Sink sink = run(kConfig, counting(30), 0);
  EXPECT_EQ(sink.seen[1].input, (std::vector<int8_t>{34, 46, 58, 70, 82}));
  EXPECT_EQ(sink.seen[1].output[0], 82);
}

TEST(Pipeline, ChunkSizesDoNotMatter) {
  for (int hop : {1, 3, 4, 7}) {
    PipelineConfig config = kConfig;
    config.hop_samples = hop;
    config.channels = 2;
    const auto samples = counting(200);
    const Sink whole = run(config, samples, 0);
    EXPECT_GT(whole.seen.size(), 3u);
    for (int chunk : {1, 2, 3, 5, 64}) {
      const Sink pieces = run(config, samples, chunk);
      EXPECT_EQ(pieces.frames, whole.frames) << hop << ", " << chunk;
      EXPECT_EQ(pieces.seen, whole.seen) << hop << ", " << chunk;
    }
  }
}

TEST(Pipeline, FramesFartherApartThanTheirLengthSkipSamples) {
  PipelineConfig config = kConfig;
  config.hop_samples = 6;
  EXPECT_EQ(run(config, counting(16), 0).frames, (std::vector<int16_t>{10, 7 + 8 + 9 + 10, 13 + 14 + 15 + 16}));
}

TEST(Pipeline, EarlyInferencesSeeSilenceBeforeTheStream) {
  PipelineConfig config = kConfig;
  config.warmup_samples = 4;
  config.input_zero_point = -3;
  EXPECT_EQ(run(config, counting(4), 0).seen.at(0).input, (std::vector<int8_t>{-3, -3, -3, 1 - 3, 10 - 3}));
}

TEST(Pipeline, FeaturesAreRequantisedRoundedAndClamped) {
  PipelineConfig config = kConfig;
  config.frame_samples = config.hop_samples = config.frames = config.warmup_samples = config.stride_samples = 1;
  config.input_shift = -1;  // a quarter
  config.input_zero_point = 10;
  const Sink sink = run(config, {0, 1, 2, -2, 100, 468, 472, 30000, -30000}, 0);
  std::vector<int> inputs;  // rounded twice, as TFLite does: a quarter becomes a half becomes one
  for (const Seen& seen : sink.seen) inputs.push_back(seen.input[0]);
  EXPECT_EQ(inputs, (std::vector<int>{10, 11, 11, 9, 35, 127, 127, 127, -128}));
  EXPECT_EQ(sink.clamped, 3);
}

TEST(Pipeline, RegressionHasNoDecision) {
  for (const Seen& seen : run(kConfig, counting(60), 0).seen) EXPECT_EQ(seen.decision.winner, -1);
}

TEST(Pipeline, DecisionsFollowTheScoresAtStreamTime) {
  const int8_t actuators[] = {3, -1};
  const DecisionConfig decision = {.classes = 2,
                                   .smooth = 1,
                                   .zero_point = 0,
                                   .on_threshold = 50 * 256,
                                   .off_threshold = 20 * 256,
                                   .hold_ms = 6,
                                   .suppress_ms = 0,
                                   .actuators = actuators};
  std::vector<int16_t> samples(16, 20);
  samples.resize(40, 0);
  const Sink sink = run(kConfig, samples, 5, &decision);
  ASSERT_EQ(sink.seen.size(), 5u);
  EXPECT_EQ(sink.seen[0].decision.winner, 0);
  EXPECT_EQ(sink.seen[0].decision.actuators, 8u);
  EXPECT_EQ(sink.seen[1].decision.winner, -1);
}

TEST(Pipeline, ResetIsANewStream) {
  SumModel model{4, std::vector<int8_t>(5)};
  std::vector<int16_t> frame(4), features(1);
  std::vector<int8_t> window(5);
  Pipeline<SumModel> pipeline(kConfig, nullptr, {frame.data(), features.data(), window.data()}, model);
  Sink first(5), second(5);
  const auto samples = counting(33);
  pipeline.push(samples.data(), 33, first);
  pipeline.reset();
  EXPECT_EQ(pipeline.time_ms(), 0);
  pipeline.push(samples.data(), 33, second);
  EXPECT_EQ(first.seen, second.seen);
}

}  // namespace
}  // namespace thimble::device
