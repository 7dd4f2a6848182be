// output[r, i] = exp(beta * input[r, i]) / sum_j exp(beta * input[r, j]).
#pragma once
#include "device/base/exp_f32.h"
#include "device/base/fixed_point_functions.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(SoftmaxS8Params, rows, depth);

// input, output [rows, depth], may be the same memory; output scale 1/256, zero point -128. exp_table [256]: exp of
// minus d input steps as Q0.31, 0 where the reference counts it as nothing. depth < 4096. Arithmetic: TFLite int8
// reference.
inline void softmax_s8(const SoftmaxS8Params& p, const int8_t* input, const int32_t* exp_table, int8_t* output) {
  constexpr int32_t kSumIntegerBits = 12;
  for (int32_t row = 0; row < p.rows; ++row) {
    int32_t top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    int32_t sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) sum += rounding_divide_by_pot(exp_table[top - input[i]], kSumIntegerBits);
    const Reciprocal scale = reciprocal(sum, kSumIntegerBits);
    const int32_t exponent = scale.exponent + 31 - 8;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t product = rounding_doubling_high_mul(scale.mantissa, exp_table[top - input[i]]);
      // Beyond 31 every share is below half a step.
      const int32_t share = exponent > 31 ? 0 : rounding_divide_by_pot(product, exponent);
      output[i] = static_cast<int8_t>(clamp(share - 128, -128, 127));
    }
    input += p.depth;
    output += p.depth;
  }
}

// beta: bits of a float.
THIMBLE_PARAMS(SoftmaxF32Params, rows, depth, beta);

// input, output [rows, depth], may be the same memory.
inline void softmax_f32(const SoftmaxF32Params& p, const float* input, float* output) {
  const float beta = float_of(p.beta);
  for (int32_t row = 0; row < p.rows; ++row) {
    float top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    float sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) {
      output[i] = exp_f32((input[i] - top) * beta);
      sum += output[i];
    }
    for (int32_t i = 0; i < p.depth; ++i) output[i] /= sum;
    input += p.depth;
    output += p.depth;
  }
}

}  // namespace device
}  // namespace thimble
