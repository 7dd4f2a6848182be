// Reductions over neighbouring axes, seen as input [outer, count, inner] -> output [outer, inner].
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// sum_offset = input zero point * count. multiplier and shift hold input scale / output scale / count.
THIMBLE_PARAMS(MeanS8Params, outer, count, inner, sum_offset, multiplier, shift, output_zero_point);

// Arithmetic: TFLite int8 reference (the sum is requantised once).
inline void mean_s8(const MeanS8Params& p, const int8_t* input, int8_t* output) {
  for (int32_t outer = 0; outer < p.outer; ++outer) {
    for (int32_t inner = 0; inner < p.inner; ++inner) {
      int32_t sum = -p.sum_offset;
      for (int32_t i = 0; i < p.count; ++i) sum += input[i * p.inner + inner];
      const int32_t value = requantize(sum, p.multiplier, p.shift) + p.output_zero_point;
      *output++ = static_cast<int8_t>(clamp(value, -128, 127));
    }
    input += p.count * p.inner;
  }
}

THIMBLE_PARAMS(MeanF32Params, outer, count, inner);

inline void mean_f32(const MeanF32Params& p, const float* input, float* output) {
  for (int32_t outer = 0; outer < p.outer; ++outer) {
    for (int32_t inner = 0; inner < p.inner; ++inner) {
      float sum = 0;
      for (int32_t i = 0; i < p.count; ++i) sum += input[i * p.inner + inner];
      *output++ = sum / static_cast<float>(p.count);
    }
    input += p.count * p.inner;
  }
}

}  // namespace device
}  // namespace thimble
