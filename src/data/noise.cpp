#include "data/noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>

namespace thimble {

namespace {

void scale_to_one(std::vector<float>& samples) {
  const float gain = static_cast<float>(1 / std::max(1e-9, root_mean_square(samples)));
  for (float& sample : samples) sample *= gain;
}

}  // namespace

// A sum of first-order low-pass filters one octave apart, each weighted so that the sum follows the slope.
std::vector<float> coloured_noise(size_t samples, int sample_rate_hz, double slope, Rng& rng) {
  constexpr int kOctaves = 9;
  constexpr double kLowestHz = 30;
  std::array<float, kOctaves> keep{}, weight{}, state{};
  for (size_t k = 0; k < kOctaves; ++k) {
    const double corner_hz = kLowestHz * std::exp2(static_cast<double>(k));
    keep[k] = static_cast<float>(std::exp(-2 * std::numbers::pi * corner_hz / sample_rate_hz));
    weight[k] = static_cast<float>(std::exp2(-0.5 * slope * static_cast<double>(k)) * (1 - keep[k]));
  }
  const float direct = static_cast<float>(std::exp2(-0.5 * slope * kOctaves));
  std::vector<float> noise(samples);
  for (float& sample : noise) {
    const float white = static_cast<float>(rng.uniform(-1, 1));
    float sum = direct * white;
    for (size_t k = 0; k < kOctaves; ++k) {
      state[k] = keep[k] * state[k] + white;
      sum += weight[k] * state[k];
    }
    sample = sum;
  }
  scale_to_one(noise);
  return noise;
}

std::vector<float> mains_hum(size_t samples, int sample_rate_hz, double mains_hz, Rng& rng) {
  std::vector<float> hum(samples, 0);
  for (int harmonic = 1; harmonic <= 9; ++harmonic) {
    const double level = rng.uniform(0.2, 1) / harmonic;
    std::complex<double> tone = std::polar(level, rng.uniform(0, 2 * std::numbers::pi));
    const std::complex<double> turn = std::polar(1.0, 2 * std::numbers::pi * mains_hz * harmonic / sample_rate_hz);
    for (float& sample : hum) {
      sample += static_cast<float>(tone.imag());
      tone *= turn;
    }
  }
  scale_to_one(hum);
  return hum;
}

double root_mean_square(std::span<const float> samples) {
  double sum = 0;
  for (float sample : samples) sum += static_cast<double>(sample) * sample;
  return samples.empty() ? 0 : std::sqrt(sum / static_cast<double>(samples.size()));
}

void mix(std::span<float> samples, std::span<const float> noise, double gain) {
  for (size_t i = 0; i < samples.size(); ++i) samples[i] += static_cast<float>(gain) * noise[i];
}

}  // namespace thimble
