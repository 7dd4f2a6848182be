// output[b, o] = sum_i input[b, i] * weights[o, i] + bias[o].
#pragma once
#include "device/kernels/linear.h"

namespace thimble {
namespace device {

// rows: batch (product of all input extents but the last). The input zero point is folded into the bias by the host.
THIMBLE_PARAMS(FullyConnectedIntegerParams, rows, inputs, outputs, output_zero_point, activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(FullyConnectedF32Params, rows, inputs, outputs, activation_min, activation_max);

template <int32_t kOutputs, class Params, class T, class W, class Sum, class Scaling>
inline void fully_connected_outputs(const Params& p, int32_t o, const T* input, const W* weights, const Sum* bias,
                                    Scaling scaling, T* output) {
  Sum sums[kOutputs] = {};
  add_products<kOutputs>({1, p.inputs, 0, 0}, input, weights + o * p.inputs, p.inputs, sums);
  store_sums<kOutputs>(scaling, o, bias, sums, output);
}

template <class Params, class T, class W, class Sum, class Scaling>
inline void fully_connected_rows(const Params& p, const T* input, const W* weights, const Sum* bias, Scaling scaling,
                                 T* output) {
  for (int32_t row = 0; row < p.rows; ++row, input += p.inputs, output += p.outputs) {
    int32_t o = 0;
    for (; o + kChannelBlock <= p.outputs; o += kChannelBlock)
      fully_connected_outputs<kChannelBlock>(p, o, input, weights, bias, scaling, output);
    for (; o < p.outputs; ++o) fully_connected_outputs<1>(p, o, input, weights, bias, scaling, output);
  }
}

// input [rows, inputs], weights [outputs, inputs], bias [outputs] (bias - input_zero_point * sum of weights),
// multiplier/shift [outputs], output [rows, outputs]. Arithmetic: TFLite's integer reference. int16 activations: sums
// in int64, or in int32 where the bias is (b32).
inline void fully_connected_s8(const FullyConnectedIntegerParams& p, const int8_t* input, const int8_t* weights,
                               const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  fully_connected_rows(p, input, weights, bias, integer_scaling(p, multiplier, shift), output);
}

inline void fully_connected_s16(const FullyConnectedIntegerParams& p, const int16_t* input, const int8_t* weights,
                                const int64_t* bias, const int32_t* multiplier, const int8_t* shift, int16_t* output) {
  fully_connected_rows(p, input, weights, bias, integer_scaling(p, multiplier, shift), output);
}

inline void fully_connected_s16_b32(const FullyConnectedIntegerParams& p, const int16_t* input, const int8_t* weights,
                                    const int32_t* bias, const int32_t* multiplier, const int8_t* shift,
                                    int16_t* output) {
  fully_connected_rows(p, input, weights, bias, integer_scaling(p, multiplier, shift), output);
}

inline void fully_connected_f32(const FullyConnectedF32Params& p, const float* input, const float* weights,
                                const float* bias, float* output) {
  fully_connected_rows(p, input, weights, bias, float_range(p), output);
}

}  // namespace device
}  // namespace thimble
