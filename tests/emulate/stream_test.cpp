#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "emulate/runner.h"
#include "firmware/models.h"

using namespace thimble;
using namespace thimble::testing_models;

namespace {

constexpr int kRate = 16000;

// Tones of several pitches and lengths, so that the scores, and with them the decisions, change.
std::vector<std::vector<int16_t>> tones(size_t count) {
  std::vector<std::vector<int16_t>> recordings(count);
  for (size_t i = 0; i < count; ++i) {
    recordings[i].resize(kRate + 1000 * (i % 5));
    const double pitch = 200.0 * static_cast<double>(1 + i % 9);
    for (size_t t = 0; t < recordings[i].size(); ++t) {
      const double phase = 2 * std::numbers::pi * pitch * static_cast<double>(t) / kRate;
      recordings[i][t] = static_cast<int16_t>(12000 * std::sin(phase) * (t % 8000 < 5000));
    }
  }
  return recordings;
}

FirmwareSpec keyword_spec() {
  const Signal signal = *make_signal({});
  Graph graph = stack(int64_t{signal.frames} * signal.features, {6, 4});
  graph.name = "keyword";
  FirmwareSpec spec{.app = App::stream, .plan = plan_of(graph)};
  StreamSettings settings{.stride_ms = 100, .warmup_ms = 300};
  // Scores of these models are not probabilities; low thresholds make decisions begin and end.
  settings.decision = {.smooth = 2,
                       .on_threshold = 0.4,
                       .off_threshold = 0.3,
                       .hold_ms = 100,
                       .suppress_ms = 0,
                       .actuators = {"no", "go", "yes"}};
  const InputQuantization input{.multiplier = 1 << 30, .shift = -3, .zero_point = -3};
  auto stream = make_stream_spec(spec.plan, signal, input, {"go", "no", "silence", "yes"}, settings);
  EXPECT_TRUE(stream) << to_string(stream.error());
  spec.stream = *stream;
  return spec;
}

Result<RunLog> run_on(const std::string& id, const FirmwareSpec& spec,
                      std::span<const std::vector<int16_t>> recordings) {
  THIMBLE_LET(const Board board, load_board(id));
  THIMBLE_LET(const auto runner, make_runner(spec, board, Path(testing::TempDir()) / "thimble_emulate" / id));
  return runner->run_recordings(recordings, silent_progress());
}

// The actuators as the firmware recorded them: off at the start of each recording, then by inference.
std::vector<uint32_t> recorded_changes(const RunLog& log) {
  std::vector<uint32_t> changes;
  uint32_t state = 0;
  const auto set = [&](uint32_t actuators) {
    if (actuators != state) changes.push_back(state = actuators);
  };
  for (const RecordingRun& recording : log.recordings) {
    set(0);
    for (const InferenceRun& inference : recording.inferences) set(inference.actuators);
  }
  return changes;
}

}  // namespace

class StreamOnBoard : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT("arm-none-eabi-g++");
    SKIP_WITHOUT("qemu-system-arm");
  }
};
INSTANTIATE_TEST_SUITE_P(Boards, StreamOnBoard, testing::Values("netduinoplus2", "mps2-an386"), [](const auto& info) {
  return std::string(info.index == 0 ? "netduinoplus2" : "mps2_an386");
});

TEST_P(StreamOnBoard, FeaturesOutputsDecisionsAndConsoleAreTheHosts) {
  const FirmwareSpec spec = keyword_spec();
  const auto recordings = tones(12);
  const auto host = run_on("host", spec, recordings);
  ASSERT_TRUE(host) << to_string(host.error());
  const auto device = run_on(GetParam(), spec, recordings);
  ASSERT_TRUE(device) << to_string(device.error());
  ASSERT_EQ(device->recordings.size(), recordings.size());
  EXPECT_EQ(differing_bytes(*host, *device), 0);
  EXPECT_EQ(host->console, device->console);
  EXPECT_EQ(host->clamped_features, device->clamped_features);
  for (const RecordingRun& recording : device->recordings) {
    ASSERT_GE(recording.inferences.size(), 7u);
    for (const InferenceRun& inference : recording.inferences) {
      EXPECT_GT(inference.dsp_instructions, 1000);
      EXPECT_GT(inference.model_instructions, spec.plan.macs);
    }
  }
}

TEST_P(StreamOnBoard, TheEmulatorSeesTheDecisionsOnThePins) {
  const FirmwareSpec spec = keyword_spec();
  // Few enough for one process: where batches meet, the board starts anew with its pins off.
  const auto device = run_on(GetParam(), spec, tones(6));
  ASSERT_TRUE(device) << to_string(device.error());
  std::vector<uint32_t> seen;
  double last = 0;
  for (const PinEvent& event : device->pins) {
    seen.push_back(event.actuators);
    EXPECT_GT(event.seconds, last);
    last = event.seconds;
  }
  const std::vector<uint32_t> recorded = recorded_changes(*device);
  EXPECT_GE(recorded.size(), 2u) << "the test's sounds decide nothing";
  EXPECT_EQ(seen, recorded);
  EXPECT_LT(last, static_cast<double>(device->instructions) * 1e-9);
}

TEST_P(StreamOnBoard, RegressionDrivesThePwm) {
  SignalConfig config;
  config.block = "raw";
  config.sample_rate_hz = 0;
  config.value_scale = 1.0 / 1024;
  const auto signal = make_signal(config);
  ASSERT_TRUE(signal) << to_string(signal.error());
  Graph graph = stack(int64_t{signal->frames} * signal->features, {16, 1});
  graph.name = "sine";
  FirmwareSpec spec{.app = App::stream, .plan = plan_of(graph)};
  auto stream = make_stream_spec(spec.plan, *signal, {.multiplier = 1 << 30, .shift = -3, .zero_point = -3}, {},
                                 {.pwm_low = -6, .pwm_high = 6});
  ASSERT_TRUE(stream) << to_string(stream.error());
  spec.stream = *stream;
  std::vector<std::vector<int16_t>> rows;
  for (int16_t x = -2000; x <= 2000; x = static_cast<int16_t>(x + 100)) rows.push_back({x});
  const auto host = run_on("host", spec, rows);
  ASSERT_TRUE(host) << to_string(host.error());
  const auto device = run_on(GetParam(), spec, rows);
  ASSERT_TRUE(device) << to_string(device.error());
  EXPECT_EQ(differing_bytes(*host, *device), 0);
  EXPECT_EQ(host->console, device->console);
  EXPECT_NE(device->console.find("pwm"), std::string::npos);
  const auto duty = [&](size_t row) { return device->recordings[row].inferences.at(0).pwm_per_mille; };
  EXPECT_NE(duty(0), duty(rows.size() - 1));
}

TEST(StreamSpec, ModelsThatDoNotMatchTheSignalAreErrors) {
  const Signal signal = *make_signal({});
  const Plan plan = plan_of(stack(10, {4}));
  const auto spec = make_stream_spec(plan, signal, {}, {"a", "b", "c", "d"}, {.decision = DecisionSettings{}});
  ASSERT_FALSE(spec);
  EXPECT_NE(spec.error().message.find("takes 10 features"), std::string::npos) << spec.error().message;
}

TEST(StreamSpec, UnknownActuatorNamesTheNearestClass) {
  const Signal signal = *make_signal({});
  const Plan plan = plan_of(stack(int64_t{signal.frames} * signal.features, {2}));
  DecisionSettings decision;
  decision.actuators = {"yess"};
  const auto spec = make_stream_spec(plan, signal, {}, {"no", "yes"}, {.decision = decision});
  ASSERT_FALSE(spec);
  EXPECT_NE(spec.error().hint.find("yes"), std::string::npos) << to_string(spec.error());
}
