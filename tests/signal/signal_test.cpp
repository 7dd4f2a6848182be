// Configuration, windows of recordings, and fingerprints.
#include "signal/signal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace thimble {
namespace {

std::vector<int16_t> ramp(int count) {
  std::vector<int16_t> samples;
  for (int i = 1; i <= count; ++i) samples.push_back(static_cast<int16_t>(i * 7919));
  return samples;
}

std::string error_of(const SignalConfig& config) {
  const auto signal = make_signal(config);
  if (signal) return "";
  EXPECT_EQ(signal.error().code, ErrorCode::usage);
  return to_string(signal.error());
}

TEST(Signal, UnknownBlocksAndSettingsGetTheNearestName) {
  EXPECT_NE(error_of({.block = "logmel"}).find("did you mean \"log_mel\"?"), std::string::npos);
  SignalConfig config;
  config.settings.set("mel_band", int64_t{32});
  EXPECT_NE(error_of(config).find("did you mean \"mel_bands\"?"), std::string::npos) << error_of(config);
}

TEST(Signal, ValuesOutOfRangeAreNamedWithTheRange) {
  const auto message = [](std::string_view name, AttrValue value) {
    SignalConfig config;
    config.settings.set(name, std::move(value));
    return error_of(config);
  };
  EXPECT_NE(message("mel_bands", int64_t{0}).find("1 to 128"), std::string::npos);
  EXPECT_NE(message("mel_bands", 12.5).find("a whole number"), std::string::npos);
  EXPECT_NE(message("mel_bands", int64_t{128}).find("fewer mel_bands"), std::string::npos);
  EXPECT_NE(message("hop_ms", std::string("fast")).find("a number"), std::string::npos);
  EXPECT_NE(message("hop_ms", -1.0).find("signal.hop_ms"), std::string::npos);
  EXPECT_NE(message("frame_ms", 200.0).find("3200 samples"), std::string::npos);
  EXPECT_NE(message("frame_ms", std::nan("")).find("signal.frame_ms"), std::string::npos);
  EXPECT_NE(message("high_hz", 9000.0).find("half the sample rate"), std::string::npos);
  EXPECT_NE(error_of({.window_ms = 10}).find("shorter than one frame"), std::string::npos);
  EXPECT_NE(error_of({.sample_rate_hz = 0}).find("raw"), std::string::npos);
  EXPECT_NE(error_of({.channels = 0}).find("signal.channels"), std::string::npos);
  EXPECT_NE(error_of({.block = "raw", .sample_rate_hz = 0}).find("value_scale"), std::string::npos);
  SignalConfig mfcc{.block = "mfcc"};
  mfcc.settings.set("coefficients", int64_t{41});
  EXPECT_NE(error_of(mfcc).find("41 coefficients of 40 mel_bands"), std::string::npos);
}

TEST(Signal, EveryBlockWorksWithItsDefaults) {
  for (const std::string& block : signal_blocks()) {
    const auto signal = make_signal({.block = block});
    ASSERT_TRUE(signal) << block << ": " << to_string(signal.error());
    EXPECT_EQ(signal->config.settings, default_settings(block)) << "a made signal knows all its settings";
    EXPECT_GT(signal->feature_scale, 0);
    const auto features = compute_features(*signal, ramp(signal->window_samples()));
    EXPECT_EQ(static_cast<int64_t>(features.size()), element_count(signal->input_shape()));
    EXPECT_NE(features, std::vector<int16_t>(features.size(), 0));
  }
}

TEST(Signal, WholeNumbersAreAcceptedWhereRealOnesAreMeant) {
  SignalConfig whole, real;
  whole.settings.set("frame_ms", int64_t{32});
  real.settings.set("frame_ms", 32.0);
  EXPECT_EQ(make_signal(whole)->fingerprint, make_signal(real)->fingerprint);
}

TEST(Signal, ShortRecordingsArePrecededBySilenceAndLongOnesKeepTheirEnd) {
  const Signal signal = *make_signal({.sample_rate_hz = 8000, .window_ms = 200});
  const size_t window = static_cast<size_t>(signal.window_samples());
  const std::vector<int16_t> whole = ramp(static_cast<int>(window));
  std::vector<int16_t> longer(static_cast<size_t>(3 * signal.hop_samples), 1234);
  longer.insert(longer.end(), whole.begin(), whole.end());
  EXPECT_EQ(compute_features(signal, longer), compute_features(signal, whole));
  longer.insert(longer.end(), static_cast<size_t>(signal.hop_samples - 1), 99);  // not a whole frame more
  EXPECT_EQ(compute_features(signal, longer), compute_features(signal, whole));

  const std::vector<int16_t> end(whole.end() - signal.frame_samples - 3 * signal.hop_samples, whole.end());
  std::vector<int16_t> padded(window - end.size(), 0);
  padded.insert(padded.end(), end.begin(), end.end());
  EXPECT_EQ(compute_features(signal, end), compute_features(signal, padded));
  EXPECT_EQ(compute_features(signal, {}), compute_features(signal, std::vector<int16_t>(window, 0)));
}

TEST(Signal, FeaturesOfARecordingAreThoseOfItsFrames) {
  const Signal signal = *make_signal({.block = "mfcc", .channels = 2, .window_ms = 100});
  const auto samples = ramp(signal.window_samples() * 2);
  const auto all = compute_features(signal, samples);
  for (int frame = 0; frame < signal.frames; ++frame) {
    std::vector<int16_t> one(static_cast<size_t>(signal.features));
    compute_frame(signal, std::span(samples).subspan(static_cast<size_t>(frame * signal.hop_samples * 2)), one);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + frame * signal.features)) << frame;
  }
}

TEST(Signal, RawPassesTableRowsAndSensorWindows) {
  const Signal row = *make_signal({.block = "raw", .sample_rate_hz = 0, .channels = 3, .value_scale = 0.01});
  EXPECT_EQ(row.input_shape(), (Shape{1, 3}));
  EXPECT_DOUBLE_EQ(row.feature_scale, 0.01);
  EXPECT_EQ(compute_features(row, std::vector<int16_t>{1, -32768, 32767}), (std::vector<int16_t>{1, -32768, 32767}));

  SignalConfig config{.block = "raw", .sample_rate_hz = 100, .channels = 3, .window_ms = 1000};
  EXPECT_EQ(make_signal(config)->input_shape(), (Shape{1, 100, 3, 1}));
  config.settings.set("frame_samples", int64_t{25});
  EXPECT_EQ(make_signal(config)->input_shape(), (Shape{1, 4, 75, 1}));
}

TEST(Signal, FingerprintIsStableAndTellsSignalsApart) {
  const auto fingerprint = [](SignalConfig config, std::string_view name = "", AttrValue value = {}) {
    if (!name.empty()) config.settings.set(name, std::move(value));
    return make_signal(config)->fingerprint;
  };
  EXPECT_EQ(fingerprint({}), fingerprint({}, "hop_ms", 20.0));
  const std::vector<uint32_t> all = {fingerprint({}),
                                     fingerprint({.block = "mfcc"}),
                                     fingerprint({.window_ms = 1500}),
                                     fingerprint({.sample_rate_hz = 22050}),
                                     fingerprint({.channels = 2}),
                                     fingerprint({}, "hop_ms", 10.0),
                                     fingerprint({}, "frame_ms", 30.0),
                                     fingerprint({}, "mel_bands", int64_t{39}),
                                     fingerprint({}, "low_hz", 60.0),
                                     fingerprint({}, "floor_dbfs", -70.0),
                                     fingerprint({}, "pre_emphasis", 0.9),
                                     fingerprint({.block = "raw", .sample_rate_hz = 0, .value_scale = 0.1}),
                                     fingerprint({.block = "raw", .sample_rate_hz = 0, .value_scale = 0.2})};
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(std::count(all.begin(), all.end(), 0u), 0);
}

}  // namespace
}  // namespace thimble
