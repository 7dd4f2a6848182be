// Log-mel and MFCC against a double-precision reference, and at the ends of the number range.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/files.h"
#include "core/rng.h"
#include "signal/signal.h"
#include "tests/signal/reference.h"

namespace thimble {
namespace {

constexpr double kBound = 0.02;  // log2 units; half a step of int16 output is 0.002

std::vector<int16_t> sine(double hz, double amplitude, size_t count, int rate = 16000) {
  std::vector<int16_t> samples;
  for (size_t i = 0; i < count; ++i)
    samples.push_back(static_cast<int16_t>(
        std::lround(amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate))));
  return samples;
}

std::vector<int16_t> noise(double rms, size_t count, uint64_t seed) {
  Rng rng{seed};
  std::vector<int16_t> samples;
  for (size_t i = 0; i < count; ++i)
    samples.push_back(static_cast<int16_t>(std::clamp(std::lround(rms * rng.normal()), -32768l, 32767l)));
  return samples;
}

Signal must_make(const SignalConfig& config) {
  auto signal = make_signal(config);
  if (!signal) ADD_FAILURE() << to_string(signal.error());
  return std::move(*signal);
}

int fft_size_of(const Signal& signal) { return signal.call.params[2]; }

std::vector<int16_t> features_of(const Signal& signal, std::span<const int16_t> frame) {
  std::vector<int16_t> features(static_cast<size_t>(signal.features));
  compute_frame(signal, frame, features);
  return features;
}

// Largest difference between kernel and reference over bands, in log2 units.
double log_mel_error(const Signal& signal, std::span<const int16_t> frame, const reference::Settings& settings) {
  const std::vector<int16_t> features = features_of(signal, frame);
  const std::vector<double> expected = reference::log_mel(frame, fft_size_of(signal), settings);
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::abs(features[i] * signal.feature_scale - expected[i]));
  return worst;
}

TEST(LogMel, DefaultsAreTheUsualFrontEnd) {
  const Signal signal = must_make({});
  EXPECT_EQ(signal.frame_samples, 512);
  EXPECT_EQ(signal.hop_samples, 320);
  EXPECT_EQ(signal.frames, 49);
  EXPECT_EQ(signal.features, 40);
  EXPECT_EQ(signal.window_samples(), 15872);
  EXPECT_EQ(signal.input_shape(), (Shape{1, 49, 40, 1}));
}

TEST(LogMel, NoiseAndTonesAtEveryLevelMatchTheReference) {
  const Signal signal = must_make({});
  for (double level : {3.0, 30.0, 300.0, 3000.0, 8000.0}) {
    EXPECT_LT(log_mel_error(signal, noise(level, 512, 7), {}), kBound) << "noise " << level;
    EXPECT_LT(log_mel_error(signal, sine(1000, level, 512), {}), kBound) << "sine " << level;
    EXPECT_LT(log_mel_error(signal, sine(5217, level, 512), {}), kBound) << "sine " << level;
  }
}

TEST(LogMel, EveryFrameLengthAndSampleRateMatchesTheReference) {
  struct Case {
    int rate;
    double frame_ms;
    int bands, fft_size;
  };
  for (const Case& c : {Case{8000, 8, 12, 64}, Case{8000, 25, 20, 256}, Case{16000, 25, 40, 512},
                        Case{16000, 30.0625, 40, 512}, Case{16000, 64, 40, 1024}, Case{44100, 40, 40, 2048}}) {
    SignalConfig config{.sample_rate_hz = c.rate};
    config.settings.set("frame_ms", c.frame_ms).set("mel_bands", int64_t{c.bands}).set("low_hz", 100.0);
    const Signal signal = must_make(config);
    ASSERT_EQ(fft_size_of(signal), c.fft_size);
    const reference::Settings settings{
        .sample_rate_hz = c.rate, .bands = c.bands, .low_hz = 100, .high_hz = c.rate / 2.0};
    const auto samples = noise(1000, static_cast<size_t>(signal.frame_samples), 3);
    EXPECT_LT(log_mel_error(signal, samples, settings), kBound) << c.rate << " Hz, " << c.frame_ms << " ms";
  }
}

TEST(LogMel, BandsMayReachFromDirectCurrentToHalfTheSampleRate) {
  SignalConfig config;
  config.settings.set("low_hz", int64_t{0}).set("mel_bands", int64_t{1});
  EXPECT_LT(log_mel_error(must_make(config), noise(1000, 512, 4), {.bands = 1, .low_hz = 0}), kBound);
}

TEST(LogMel, PreEmphasisActsAsItsFilter) {
  SignalConfig config;
  config.settings.set("pre_emphasis", 0.97);
  EXPECT_LT(log_mel_error(must_make(config), noise(3000, 512, 5), {.pre_emphasis = 0.97}), kBound);
}

TEST(LogMel, FloorsFromNoneToFullScaleMatchTheReference) {
  for (double floor_dbfs : {-100.0, -60.0, -30.0, 0.0}) {
    SignalConfig config;
    config.settings.set("floor_dbfs", floor_dbfs);
    const Signal signal = must_make(config);
    for (double level : {1.0, 100.0, 10000.0})
      EXPECT_LT(log_mel_error(signal, noise(level, 512, 6), {.floor_dbfs = floor_dbfs}), kBound)
          << floor_dbfs << " dB, level " << level;
  }
}

TEST(LogMel, DigitalSilenceIsExactlyZero) {
  for (double floor_dbfs : {-100.0, -80.0, 0.0}) {
    SignalConfig config;
    config.settings.set("floor_dbfs", floor_dbfs);
    const Signal signal = must_make(config);
    EXPECT_EQ(features_of(signal, std::vector<int16_t>(512, 0)), std::vector<int16_t>(40, 0));
  }
}

TEST(LogMel, ExtremeSignalsDoNotOverflow) {
  for (double frame_ms : {8.0, 32.0, 128.0}) {
    SignalConfig config;
    config.settings.set("frame_ms", frame_ms).set("mel_bands", int64_t{12}).set("low_hz", int64_t{0});
    const Signal signal = must_make(config);
    const size_t count = static_cast<size_t>(signal.frame_samples);
    std::vector<std::pair<std::string, std::vector<int16_t>>> cases = {{"DC up", std::vector<int16_t>(count, 32767)},
                                                                       {"DC down", std::vector<int16_t>(count, -32768)},
                                                                       {"loud sine", sine(1000, 32767, count)},
                                                                       {"loud noise", noise(20000, count, 9)}};
    std::vector<int16_t> square, alternating, impulse(count, 0);
    for (size_t i = 0; i < count; ++i) {
      square.push_back(i % 32 < 16 ? 32767 : -32768);
      alternating.push_back(i % 2 ? 32767 : -32768);
    }
    impulse[count / 2] = -32768;
    cases.push_back({"square", square});
    cases.push_back({"alternating", alternating});
    cases.push_back({"impulse", impulse});
    for (const auto& [name, samples] : cases) {
      // Bands 100 dB below a full-scale sound see the window's 16 bits; an overflow would be off by far more.
      const double bound = name == "impulse" || name == "loud noise" ? kBound : 1.0;
      EXPECT_LT(log_mel_error(signal, samples, {.bands = 12, .low_hz = 0}), bound) << name << ", " << frame_ms << " ms";
    }
  }
}

TEST(LogMel, SingleQuietSamplesCountAsAlmostSilence) {
  const Signal signal = must_make({});
  std::vector<int16_t> samples(512, 0);
  samples[256] = 1;
  EXPECT_LT(log_mel_error(signal, samples, {}), kBound);
}

TEST(LogMel, ChannelsAreIndependent) {
  const Signal mono = must_make({});
  const Signal stereo = must_make({.channels = 2});
  const auto left = noise(1000, 512, 1), right = sine(700, 5000, 512);
  std::vector<int16_t> both;
  for (size_t i = 0; i < 512; ++i) both.insert(both.end(), {left[i], right[i]});
  std::vector<int16_t> expected = features_of(mono, left);
  for (int16_t feature : features_of(mono, right)) expected.push_back(feature);
  EXPECT_EQ(features_of(stereo, both), expected);
}

TEST(Mfcc, MatchesTheReference) {
  for (int bands : {13, 40, 60}) {
    SignalConfig config{.block = "mfcc"};
    config.settings.set("mel_bands", int64_t{bands}).set("coefficients", int64_t{13}).set("frame_ms", 40.0);
    const Signal signal = must_make(config);
    ASSERT_EQ(signal.features, 13);
    for (const auto& samples : {noise(1000, 640, 2), sine(440, 8000, 640)}) {
      const auto features = features_of(signal, samples);
      const auto expected = reference::dct(reference::log_mel(samples, fft_size_of(signal), {.bands = bands}), 13);
      for (size_t i = 0; i < features.size(); ++i)
        EXPECT_NEAR(features[i] * signal.feature_scale, expected[i], 0.05)
            << "coefficient " << i << " of " << bands << " bands";
    }
  }
}

TEST(Mfcc, LoudestSoundOnMostBandsDoesNotOverflow) {
  SignalConfig config{.block = "mfcc", .sample_rate_hz = 48000};
  config.settings.set("mel_bands", int64_t{128})
      .set("coefficients", int64_t{128})
      .set("frame_ms", 42.0)
      .set("low_hz", 1000.0);
  config.settings.set("floor_dbfs", -100.0);
  const Signal signal = must_make(config);
  const auto samples = noise(30000, static_cast<size_t>(signal.frame_samples), 8);
  const auto features = features_of(signal, samples);
  const reference::Settings settings{
      .sample_rate_hz = 48000, .bands = 128, .low_hz = 1000, .high_hz = 24000, .floor_dbfs = -100};
  const auto expected = reference::dct(reference::log_mel(samples, fft_size_of(signal), settings), 128);
  for (size_t i = 0; i < features.size(); ++i) EXPECT_NEAR(features[i] * signal.feature_scale, expected[i], 0.1) << i;
}

TEST(LogMel, RealSpeechMatchesTheReference) {
  const char* folder = std::getenv("THIMBLE_SHARED_DATA");
  const Path path =
      Path(folder ? folder : THIMBLE_SOURCE_DIR "/../shared/data") / "models/mlperf_tiny/marvin_617de221_0.wav";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto bytes = read_bytes(path);
  ASSERT_TRUE(bytes) << to_string(bytes.error());
  // One second, 16 kHz, two channels; the left one is taken.
  constexpr size_t kHeader = 44, kSamples = 16000;
  ASSERT_EQ(bytes->size(), kHeader + kSamples * 4);
  std::vector<int16_t> samples(kSamples);
  for (size_t i = 0; i < kSamples; ++i) std::memcpy(&samples[i], bytes->data() + kHeader + i * 4, 2);

  const Signal signal = must_make({});
  const auto features = compute_features(signal, samples);
  const size_t start = (samples.size() - static_cast<size_t>(signal.window_samples())) / 320 * 320;
  double worst = 0, loudest = 0;
  for (int frame = 0; frame < signal.frames; ++frame) {
    const auto expected =
        reference::log_mel(std::span(samples).subspan(start + static_cast<size_t>(frame * 320), 512), 512, {});
    for (size_t band = 0; band < 40; ++band) {
      const double feature = features[static_cast<size_t>(frame) * 40 + band] * signal.feature_scale;
      worst = std::max(worst, std::abs(feature - expected[band]));
      loudest = std::max(loudest, expected[band]);
    }
  }
  EXPECT_LT(worst, kBound);
  EXPECT_GT(loudest, 10);  // it is speech, not silence
  RecordProperty("worst_error_log2_units", std::to_string(worst));
}

}  // namespace
}  // namespace thimble
