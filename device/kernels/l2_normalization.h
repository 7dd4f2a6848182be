// output[r, i] = input[r, i] / sqrt(sum_j input[r, j]^2).
#pragma once
#include "device/base/fixed_point_functions.h"
#include "device/base/math_f32.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(L2NormalizationParams, rows, depth, input_zero_point);

// input, output [rows, depth], may be the same memory; output scale 1/128, zero point 0. Arithmetic: TFLite int8
// reference (a sum of squares in 32 bits, which wraps where it overflows).
inline void l2_normalization_s8(const L2NormalizationParams& p, const int8_t* input, int8_t* output) {
  constexpr int32_t kOutputBits = 7;
  for (int32_t row = 0; row < p.rows; ++row, input += p.depth, output += p.depth) {
    uint32_t squares = 0;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t x = input[i] - p.input_zero_point;
      squares += static_cast<uint32_t>(x * x);
    }
    const InverseRoot scale = inverse_root(static_cast<int32_t>(squares));
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t value = requantize(input[i] - p.input_zero_point, scale.multiplier, scale.shift + kOutputBits);
      output[i] = static_cast<int8_t>(clamp(value, -128, 127));
    }
  }
}

// input_zero_point is not used. A row shorter than 1e-6 is divided by 1e-6.
inline void l2_normalization_f32(const L2NormalizationParams& p, const float* input, float* output) {
  for (int32_t row = 0; row < p.rows; ++row, input += p.depth, output += p.depth) {
    float squares = 0;
    for (int32_t i = 0; i < p.depth; ++i) squares += input[i] * input[i];
    const float length = sqrt_of(squares), divisor = length < 1e-6f ? 1e-6f : length;
    for (int32_t i = 0; i < p.depth; ++i) output[i] = input[i] / divisor;
  }
}

}  // namespace device
}  // namespace thimble
