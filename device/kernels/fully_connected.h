// output[b, o] = sum_i input[b, i] * weights[o, i] + bias[o].
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// rows: batch (product of all input extents but the last). The input zero point is folded into the bias by the host.
THIMBLE_PARAMS(FullyConnectedS8Params, rows, inputs, outputs, output_zero_point, activation_min, activation_max);

// input [rows, inputs], weights [outputs, inputs], bias [outputs] (bias - input_zero_point * sum of weights),
// multiplier/shift [outputs], output [rows, outputs]. Arithmetic: TFLite int8 reference.
inline void fully_connected_s8(const FullyConnectedS8Params& p, const int8_t* input, const int8_t* weights,
                               const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  for (int32_t row = 0; row < p.rows; ++row) {
    const int8_t* w = weights;
    for (int32_t o = 0; o < p.outputs; ++o) {
      int32_t sum = bias[o];
      for (int32_t i = 0; i < p.inputs; ++i) sum += input[i] * *w++;
      const int32_t value = requantize(sum, multiplier[o], shift[o]) + p.output_zero_point;
      *output++ = static_cast<int8_t>(clamp(value, p.activation_min, p.activation_max));
    }
    input += p.inputs;
  }
}

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(FullyConnectedF32Params, rows, inputs, outputs, activation_min, activation_max);

inline void fully_connected_f32(const FullyConnectedF32Params& p, const float* input, const float* weights,
                                const float* bias, float* output) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  for (int32_t row = 0; row < p.rows; ++row) {
    const float* w = weights;
    for (int32_t o = 0; o < p.outputs; ++o) {
      float sum = 0;
      for (int32_t i = 0; i < p.inputs; ++i) sum += input[i] * *w++;
      sum += bias[o];
      *output++ = sum < low ? low : sum > high ? high : sum;
    }
    input += p.inputs;
  }
}

}  // namespace device
}  // namespace thimble
