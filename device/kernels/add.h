// output = a + b, element by element.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Each input is brought to a common scale with 20 extra bits, then their sum to the output's.
THIMBLE_PARAMS(AddS8Params, size, a_zero_point, a_multiplier, a_shift, b_zero_point, b_multiplier, b_shift,
               output_zero_point, output_multiplier, output_shift, activation_min, activation_max);

// a, b, output [size]; output may be the memory of a or b. Arithmetic: TFLite int8 reference.
inline void add_s8(const AddS8Params& p, const int8_t* a, const int8_t* b, int8_t* output) {
  constexpr int32_t kLeftShift = 1 << 20;
  for (int32_t i = 0; i < p.size; ++i) {
    const int32_t scaled_a = requantize((a[i] - p.a_zero_point) * kLeftShift, p.a_multiplier, p.a_shift);
    const int32_t scaled_b = requantize((b[i] - p.b_zero_point) * kLeftShift, p.b_multiplier, p.b_shift);
    const int32_t value = requantize(scaled_a + scaled_b, p.output_multiplier, p.output_shift) + p.output_zero_point;
    output[i] = static_cast<int8_t>(clamp(value, p.activation_min, p.activation_max));
  }
}

// activation_min/max: bits of floats.
THIMBLE_PARAMS(AddF32Params, size, activation_min, activation_max);

inline void add_f32(const AddF32Params& p, const float* a, const float* b, float* output) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  for (int32_t i = 0; i < p.size; ++i) {
    const float sum = a[i] + b[i];
    output[i] = sum < low ? low : sum > high ? high : sum;
  }
}

}  // namespace device
}  // namespace thimble
