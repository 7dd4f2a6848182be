#include "data/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

using namespace thimble;

namespace {

std::vector<float> tone(double hz, double rate, size_t count) {
  std::vector<float> samples(count);
  for (size_t i = 0; i < count; ++i)
    samples[i] = static_cast<float>(10000 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate));
  return samples;
}

double rms(std::span<const float> samples) {
  double sum = 0;
  for (float sample : samples) sum += static_cast<double>(sample) * sample;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

}  // namespace

TEST(Resample, KeepsAToneFrom22050To16000) {
  const auto resampled = resample(tone(1000, 22050, 22050), 22050.0 / 16000);
  const auto expected = tone(1000, 16000, 16000);
  ASSERT_EQ(resampled.size(), expected.size());
  std::vector<float> difference;
  for (size_t i = 100; i + 100 < expected.size(); ++i) difference.push_back(resampled[i] - expected[i]);
  EXPECT_LT(rms(difference), 10000 * 0.001);
}

TEST(Resample, RemovesWhatTheNewRateCannotHold) {
  const auto resampled = resample(tone(10000, 22050, 22050), 22050.0 / 16000);
  EXPECT_LT(rms(resampled), 10000 * 0.01);
}

TEST(Resample, KeepsAConstant) {
  const std::vector<float> constant(2000, 1234.0f);
  const auto resampled = resample(constant, 0.9134);
  for (size_t i = 50; i + 50 < resampled.size(); ++i) ASSERT_NEAR(resampled[i], 1234.0f, 0.01f) << i;
}

TEST(ChangeSpeed, FactorDividesTheLengthAndOneChangesNothing) {
  const std::vector<float> wave = tone(440, 16000, 16000);
  const std::vector<int16_t> samples(wave.begin(), wave.end());
  EXPECT_EQ(change_speed(samples, 1.0), samples);
  EXPECT_EQ(change_speed(samples, 1.1).size(), 14545u);
  EXPECT_EQ(change_speed(samples, 0.9).size(), 17778u);
  EXPECT_TRUE(change_speed({}, 0.9).empty());
}

TEST(ChangeSpeed, KeepsChannelsApart) {
  std::vector<int16_t> stereo;
  for (int i = 0; i < 1000; ++i) stereo.insert(stereo.end(), {1000, -2000});
  const auto faster = change_speed(stereo, 1.25, 2);
  ASSERT_EQ(faster.size(), 1600u);
  EXPECT_NEAR(faster[800], 1000, 1);
  EXPECT_NEAR(faster[801], -2000, 1);
}

TEST(ChangeSpeed, SaturatesInsteadOfWrapping) {
  std::vector<int16_t> square;
  for (int i = 0; i < 400; ++i) square.push_back((i / 20) % 2 ? 32767 : -32768);
  const auto faster = change_speed(square, 0.93);
  for (size_t i = 1; i < faster.size(); ++i) {
    const size_t source = static_cast<size_t>(static_cast<double>(i) * 0.93);
    if (source % 20 > 4 && source % 20 < 15) {
      EXPECT_GT(std::abs(faster[i]), 25000) << i;
      EXPECT_EQ(faster[i] > 0, square[source] > 0) << i;
    }
  }
}
