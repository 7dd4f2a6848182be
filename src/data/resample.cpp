#include "data/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace thimble {

namespace {

constexpr int kZeroCrossings = 10;  // of the sinc, each side
constexpr int kLanes = 8;           // independent sums, so that compilers vectorise without reordering
constexpr int64_t kMostPhases = 1024;

struct Ratio {
  int64_t numerator = 1, denominator = 1;
};

Ratio closest_ratio(double step) {
  Ratio best;
  double best_error = INFINITY;
  for (int64_t denominator = 1; denominator <= kMostPhases && best_error > 1e-12; ++denominator) {
    const int64_t numerator = std::llround(step * static_cast<double>(denominator));
    const double error = std::abs(static_cast<double>(numerator) / static_cast<double>(denominator) - step);
    if (numerator > 0 && error < best_error) {
      best = {numerator, denominator};
      best_error = error;
    }
  }
  return best;
}

// One filter per phase: [phase, tap]. Tap t weighs the input sample at floor(position) + t - taps / 2 + 1.
struct Filters {
  int64_t taps = 0;
  std::vector<float> weights;
};

Filters make_filters(const Ratio& ratio) {
  const double cutoff = std::min(1.0, static_cast<double>(ratio.denominator) / static_cast<double>(ratio.numerator));
  const double half_width = kZeroCrossings / cutoff;
  Filters filters;
  filters.taps = (2 * static_cast<int64_t>(std::ceil(half_width)) + kLanes - 1) / kLanes * kLanes;
  filters.weights.resize(static_cast<size_t>(ratio.denominator * filters.taps));
  for (int64_t phase = 0; phase < ratio.denominator; ++phase) {
    float* row = &filters.weights[static_cast<size_t>(phase * filters.taps)];
    double sum = 0;
    for (int64_t tap = 0; tap < filters.taps; ++tap) {
      const double distance = static_cast<double>(tap - filters.taps / 2 + 1) -
                              static_cast<double>(phase) / static_cast<double>(ratio.denominator);
      const double angle = std::numbers::pi * distance * cutoff;
      const double sinc = std::abs(angle) < 1e-9 ? 1.0 : std::sin(angle) / angle;
      const double hann =
          std::abs(distance) < half_width ? 0.5 + 0.5 * std::cos(std::numbers::pi * distance / half_width) : 0.0;
      row[tap] = static_cast<float>(sinc * hann);
      sum += sinc * hann;
    }
    for (int64_t tap = 0; tap < filters.taps; ++tap) row[tap] = static_cast<float>(row[tap] / sum);  // keeps the mean
  }
  return filters;
}

float weighted_sum(const float* samples, const float* weights, int64_t taps) {
  std::array<float, kLanes> sums{};
  for (int64_t tap = 0; tap < taps; tap += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      sums[static_cast<size_t>(lane)] += samples[tap + lane] * weights[tap + lane];
  float sum = 0;
  for (float part : sums) sum += part;
  return sum;
}

}  // namespace

std::vector<float> resample(std::span<const float> samples, double step) {
  if (samples.empty()) return {};
  const Ratio ratio = closest_ratio(step);
  const Filters filters = make_filters(ratio);
  std::vector<float> padded(samples.size() + static_cast<size_t>(2 * filters.taps), 0.0f);
  std::copy(samples.begin(), samples.end(), padded.begin() + filters.taps);
  std::vector<float> output(static_cast<size_t>(std::llround(static_cast<double>(samples.size()) / step)));
  const int64_t last = static_cast<int64_t>(samples.size()) - 1;
  for (size_t i = 0; i < output.size(); ++i) {
    const int64_t position = static_cast<int64_t>(i) * ratio.numerator;
    const int64_t whole = std::min(position / ratio.denominator, last);
    const int64_t first = filters.taps + whole - filters.taps / 2 + 1;
    const int64_t phase = position % ratio.denominator;
    output[i] = weighted_sum(&padded[static_cast<size_t>(first)],
                             &filters.weights[static_cast<size_t>(phase * filters.taps)], filters.taps);
  }
  return output;
}

std::vector<int16_t> change_speed(std::span<const int16_t> samples, double factor, int channels) {
  const size_t width = static_cast<size_t>(channels);
  std::vector<float> line(samples.size() / width);
  std::vector<int16_t> output;
  for (size_t channel = 0; channel < width; ++channel) {
    for (size_t i = 0; i < line.size(); ++i) line[i] = samples[i * width + channel];
    const std::vector<float> resampled = resample(line, factor);
    output.resize(resampled.size() * width);
    for (size_t i = 0; i < resampled.size(); ++i) output[i * width + channel] = to_int16(resampled[i]);
  }
  return output;
}

int16_t to_int16(double value) { return static_cast<int16_t>(std::lround(std::clamp(value, -32768.0, 32767.0))); }

}  // namespace thimble
