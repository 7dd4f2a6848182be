// Transposed 2-D convolution over [N, H, W, C] with weights [O, kh, kw, C]: input pixel (y, x) adds its products with
// tap (ky, kx) to output pixel (y * stride_h - padding_h + ky, x * stride_w - padding_w + kx). Portable: each output
// pixel gathers the inputs that reach it, in the order in which the scattering reference adds them, so there is no
// buffer of sums and float results are the same.
#pragma once
#include "device/kernels/linear.h"

namespace thimble {
namespace device {

// With int16 activations both zero points are 0.
THIMBLE_PARAMS(TransposeConvIntegerParams, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h,
               kernel_w, stride_h, stride_w, padding_h, padding_w, input_zero_point, output_zero_point, activation_min,
               activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(TransposeConvF32Params, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h,
               kernel_w, stride_h, stride_w, padding_h, padding_w, activation_min, activation_max);

// The inputs [begin, end) along one axis that reach an output index. Input `begin` does so through tap `tap`, each next
// one through a tap one stride before.
struct ReachingInputs {
  int32_t begin, end, tap;
};

inline ReachingInputs inputs_reaching(int32_t out, int32_t stride, int32_t padding, int32_t taps, int32_t size) {
  const int32_t last_tap = out + padding;  // of input 0, were it that long
  const int32_t begin = last_tap < taps ? 0 : (last_tap - taps) / stride + 1;
  const int32_t behind = last_tap / stride + 1;
  const int32_t end = behind < size ? behind : size;
  return {begin, begin < end ? end : begin, last_tap - begin * stride};
}

// kOutputs channels of one pixel, from channel o on. zero: the input's zero point.
template <int32_t kOutputs, class Params, class T, class W, class Sum, class Scaling>
inline void transpose_conv_channels(const Params& p, const ReachingInputs& rows, const ReachingInputs& cols, int32_t o,
                                    const T* input, const W* weights, const Sum* bias, Sum zero, Scaling scaling,
                                    T* output) {
  const int32_t tap_row = p.kernel_w * p.input_c, filter = p.kernel_h * tap_row;
  const Runs runs = {cols.end - cols.begin, p.input_c, p.input_c, -p.stride_w * p.input_c};
  const T* x = input + (rows.begin * p.input_w + cols.begin) * p.input_c;
  const W* w = weights + o * filter + rows.tap * tap_row + cols.tap * p.input_c;
  Sum sums[kOutputs] = {};
  for (int32_t row = rows.begin; row < rows.end; ++row, x += p.input_w * p.input_c, w -= p.stride_h * tap_row)
    add_products<kOutputs>(runs, x, w, filter, sums, zero);
  store_sums<kOutputs>(scaling, o, bias, sums, output);
}

template <class Params, class T, class W, class Sum, class Scaling>
inline void transpose_conv_pixels(const Params& p, const T* input, const W* weights, const Sum* bias, Sum zero,
                                  Scaling scaling, T* output) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const ReachingInputs rows = inputs_reaching(oy, p.stride_h, p.padding_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.output_c) {
        const ReachingInputs cols = inputs_reaching(ox, p.stride_w, p.padding_w, p.kernel_w, p.input_w);
        int32_t o = 0;
        for (; o + kChannelBlock <= p.output_c; o += kChannelBlock)
          transpose_conv_channels<kChannelBlock>(p, rows, cols, o, input, weights, bias, zero, scaling, output);
        for (; o < p.output_c; ++o)
          transpose_conv_channels<1>(p, rows, cols, o, input, weights, bias, zero, scaling, output);
      }
    }
}

// bias (as it is), multiplier, shift: [O]. Arithmetic: TFLite's integer reference.
inline void transpose_conv_s8(const TransposeConvIntegerParams& p, const int8_t* input, const int8_t* weights,
                              const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  transpose_conv_pixels(p, input, weights, bias, p.input_zero_point, integer_scaling(p, multiplier, shift), output);
}

inline void transpose_conv_s16(const TransposeConvIntegerParams& p, const int16_t* input, const int8_t* weights,
                               const int64_t* bias, const int32_t* multiplier, const int8_t* shift, int16_t* output) {
  transpose_conv_pixels(p, input, weights, bias, int64_t{0}, integer_scaling(p, multiplier, shift), output);
}

inline void transpose_conv_f32(const TransposeConvF32Params& p, const float* input, const float* weights,
                               const float* bias, float* output) {
  transpose_conv_pixels(p, input, weights, bias, 0.0f, float_range(p), output);
}

}  // namespace device
}  // namespace thimble
