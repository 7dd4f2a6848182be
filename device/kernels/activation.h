// Unary element-wise operators. In int8 each is a table of 256 bytes that the host computes from the exact reference.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(LookupS8Params, size);

// output[i] = table[input[i] + 128]. input and output [size] may be the same memory.
inline void lookup_s8(const LookupS8Params& p, const int8_t* input, const int8_t* table, int8_t* output) {
  for (int32_t i = 0; i < p.size; ++i) output[i] = table[input[i] + 128];
}

// low, high: bits of floats.
THIMBLE_PARAMS(ClampF32Params, size, low, high);

// input and output [size] may be the same memory.
inline void clamp_f32(const ClampF32Params& p, const float* input, float* output) {
  const float low = float_of(p.low), high = float_of(p.high);
  for (int32_t i = 0; i < p.size; ++i) output[i] = input[i] < low ? low : input[i] > high ? high : input[i];
}

}  // namespace device
}  // namespace thimble
