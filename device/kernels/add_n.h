// The sum of up to 16 int8 inputs of one scale. Formula: TensorFlow Lite Micro's reference.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

constexpr int32_t kMostAddends = 16;

THIMBLE_PARAMS(AddNS8Params, size, inputs, input_zero_point, input_multiplier, input_shift, output_zero_point,
               output_multiplier, output_shift);

// i0 ... i15: only the first p.inputs are read. output may be the memory of i0.
inline void add_n_s8(const AddNS8Params& p, const int8_t* i0, const int8_t* i1, const int8_t* i2, const int8_t* i3,
                     const int8_t* i4, const int8_t* i5, const int8_t* i6, const int8_t* i7, const int8_t* i8,
                     const int8_t* i9, const int8_t* i10, const int8_t* i11, const int8_t* i12, const int8_t* i13,
                     const int8_t* i14, const int8_t* i15, int8_t* output) {
  constexpr int32_t kUnit = 1 << 20;
  const int8_t* const inputs[kMostAddends] = {i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11, i12, i13, i14, i15};
  // The reference starts from the code 0, not from the number 0.
  const int32_t start = requantize(-p.input_zero_point * kUnit, p.input_multiplier, p.input_shift);
  for (int32_t i = 0; i < p.size; ++i) {
    int32_t sum = start;
    for (int32_t k = 0; k < p.inputs; ++k)
      sum += requantize((inputs[k][i] - p.input_zero_point) * kUnit, p.input_multiplier, p.input_shift);
    const int32_t value = requantize(sum, p.output_multiplier, p.output_shift) + p.output_zero_point;
    output[i] = static_cast<int8_t>(clamp(value, -128, 127));
  }
}

}  // namespace device
}  // namespace thimble
