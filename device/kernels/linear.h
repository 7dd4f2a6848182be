// What the linear kernels (convolutions, fully connected) share: sums of products for several output channels at a
// time, and their way into the output's type.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Loops over channels of one block are unrolled whole, which keeps their sums in registers.
constexpr int32_t kChannelBlock = 4;

// Sums of integers wrap, as TFLM's do on every machine it runs on.
inline int32_t sum_of(int32_t a, int32_t b) { return wrapping_add(a, b); }
inline int64_t sum_of(int64_t a, int64_t b) { return wrapping_add(a, b); }
inline float sum_of(float a, float b) { return a + b; }

// Products of inputs with kOutputs filters that lie `filter` apart: `runs` runs of `run` values, which begin input_step
// and weights_step apart. sums[j] += sum over runs r and i of (x[r * input_step + i] - zero) * w[j * filter + r *
// weights_step + i].
struct Runs {
  int32_t runs, run, input_step, weights_step;
};

template <int32_t kOutputs, class T, class W, class Sum>
inline void add_products(Runs runs, const T* x, const W* weights, int32_t filter, Sum* sums, Sum zero = 0) {
  const W* w[kOutputs];
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) w[j] = weights + j * filter;
  for (int32_t r = runs.runs; r > 0; --r) {
#pragma GCC unroll 4
    for (int32_t i = 0; i < runs.run; ++i) {
      const Sum value = x[i] - zero;
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] = sum_of(sums[j], value * w[j][i]);
    }
    x += runs.input_step;
#pragma GCC unroll 4
    for (int32_t j = 0; j < kOutputs; ++j) w[j] += runs.weights_step;
  }
}

// From sums to int8 or int16 outputs. multiplier, shift: one per output channel. min and max are counted from the zero
// point. Arithmetic: TFLite's integer reference.
struct IntegerScaling {
  const int32_t* multiplier;
  const int8_t* shift;
  int32_t zero_point, min, max;
};

template <class Params>
inline IntegerScaling integer_scaling(const Params& p, const int32_t* multiplier, const int8_t* shift) {
  const int32_t zero = p.output_zero_point;
  return {multiplier, shift, zero, p.activation_min - zero, p.activation_max - zero};
}

// Adds the bias and stores. The bias comes last: float sums depend on the order.
template <int32_t kOutputs, class Sum, class T>
inline void store_sums(IntegerScaling scaling, int32_t channel, const Sum* bias, const Sum* sums, T* output) {
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) {
    const int32_t c = channel + j;
    const int32_t scaled = requantize_sum(sum_of(sums[j], bias[c]), scaling.multiplier[c], scaling.shift[c]);
    output[c] = static_cast<T>(clamp(scaled, scaling.min, scaling.max) + scaling.zero_point);
  }
}

struct FloatRange {
  float min, max;
};

template <class Params>
inline FloatRange float_range(const Params& p) {
  return {float_of(p.activation_min), float_of(p.activation_max)};
}

template <int32_t kOutputs>
inline void store_sums(FloatRange range, int32_t channel, const float* bias, const float* sums, float* output) {
#pragma GCC unroll 4
  for (int32_t j = 0; j < kOutputs; ++j) {
    const float sum = sums[j] + bias[channel + j];
    output[channel + j] = sum < range.min ? range.min : sum > range.max ? range.max : sum;
  }
}

}  // namespace device
}  // namespace thimble
