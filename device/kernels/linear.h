// What the linear kernels (convolutions, fully connected) share: sums of products for several output channels at a
// time, and their way into int8.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Loops over channels of one block are unrolled whole, which keeps their sums in registers.
constexpr int32_t kChannelBlock = 4;

// Products of inputs with kOutputs filters that lie `filter` apart: `runs` runs of `run` values, which begin input_step
// and weights_step apart. sums[j] += sum over runs r and i of x[r * input_step + i] * w[j * filter + r * weights_step +
// i].
struct Runs {
  int32_t runs, run, input_step, weights_step;
};

template <int32_t kOutputs, class T, class Sum>
inline void add_products(Runs runs, const T* x, const T* weights, int32_t filter, Sum* sums) {
  const T* w[kOutputs];
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) w[j] = weights + j * filter;
  for (int32_t r = runs.runs; r > 0; --r) {
#pragma GCC unroll 4
    for (int32_t i = 0; i < runs.run; ++i) {
      const Sum value = x[i];
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] += value * w[j][i];
    }
    x += runs.input_step;
#pragma GCC unroll 4
    for (int32_t j = 0; j < kOutputs; ++j) w[j] += runs.weights_step;
  }
}

// From int32 sums to int8 outputs. multiplier, shift: one per output channel. Arithmetic: TFLite int8 reference.
struct Int8Scaling {
  const int32_t* multiplier;
  const int8_t* shift;
  int32_t zero_point, min, max;
};

template <int32_t kOutputs>
inline void store_sums(Int8Scaling scaling, int32_t channel, const int32_t* sums, int8_t* output) {
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) {
    const int32_t scaled = requantize(sums[j], scaling.multiplier[channel + j], scaling.shift[channel + j]);
    output[channel + j] = static_cast<int8_t>(clamp(scaled + scaling.zero_point, scaling.min, scaling.max));
  }
}

struct FloatRange {
  float min, max;
};

template <int32_t kOutputs>
inline void store_sums(FloatRange range, int32_t channel, const float* sums, float* output) {
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j)
    output[channel + j] = sums[j] < range.min ? range.min : sums[j] > range.max ? range.max : sums[j];
}

template <int32_t kOutputs, class Sum>
inline void load_bias(const Sum* bias, int32_t channel, Sum* sums) {
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) sums[j] = bias[channel + j];
}

}  // namespace device
}  // namespace thimble
