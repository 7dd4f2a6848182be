// Functions of one int16 input, element by element. input and output [size] may be the same memory.
#pragma once
#include "device/base/inverse_sqrt.h"
#include "device/base/params.h"
#include "device/base/sigmoid_s16.h"
#include "device/base/table_s16.h"

namespace thimble {
namespace device {

// Two straight lines that meet at zero: relu, leaky relu, absolute value. negate: the left one falls.
THIMBLE_PARAMS(BentS16Params, size, input_zero_point, output_zero_point, positive_multiplier, positive_shift,
               negative_multiplier, negative_shift, negate, output_min, output_max);
inline void bent_s16(const BentS16Params& p, const int16_t* input, int16_t* output) {
  for (int32_t i = 0; i < p.size; ++i) {
    const int32_t x = input[i] - p.input_zero_point;
    int32_t value = 0;
    if (x >= 0) {
      value = requantize(x, p.positive_multiplier, p.positive_shift);
    } else {
      value = requantize(p.negate == 1 ? -x : x, p.negative_multiplier, p.negative_shift);
      if (p.negate == 2) value = -value;
    }
    output[i] = static_cast<int16_t>(clamp(value + p.output_zero_point, p.output_min, p.output_max));
  }
}

// multiplier, right_shift: of sigmoid_steps().
THIMBLE_PARAMS(SigmoidS16Params, size, multiplier, right_shift);
inline void logistic_s16(const SigmoidS16Params& p, const int16_t* input, const int16_t* table, int16_t* output) {
  for (int32_t i = 0; i < p.size; ++i)
    output[i] = sigmoid_s16(sigmoid_steps(input[i], p.multiplier, p.right_shift), table);
}
inline void hyperbolic_tangent_s16(const SigmoidS16Params& p, const int16_t* input, const int16_t* table,
                                   int16_t* output) {
  for (int32_t i = 0; i < p.size; ++i)
    output[i] = tanh_s16(sigmoid_steps(input[i], p.multiplier, p.right_shift), table);
}

THIMBLE_PARAMS(LookupS16Params, size);
inline void table_lookup_s16(const LookupS16Params& p, const int16_t* input, const int16_t* table, int16_t* output) {
  for (int32_t i = 0; i < p.size; ++i) output[i] = lookup_s16(input[i], table);
}

THIMBLE_PARAMS(RsqrtS16Params, size, multiplier, shift);
// Of 0 and less: the largest number.
inline int32_t quantized_rsqrt(int32_t x, int32_t multiplier, int32_t shift) {
  constexpr int32_t kExtraBits = 20;
  const InverseSqrt root = inverse_sqrt(x);
  const int32_t data = requantize(1, root.mantissa, root.shift + kExtraBits);
  return requantize(data, multiplier, shift - kExtraBits);
}
inline void rsqrt_s16(const RsqrtS16Params& p, const int16_t* input, int16_t* output) {
  for (int32_t i = 0; i < p.size; ++i)
    output[i] = static_cast<int16_t>(
        input[i] <= 0 ? 32767 : clamp(quantized_rsqrt(input[i], p.multiplier, p.shift), -32768, 32767));
}

}  // namespace device
}  // namespace thimble
