// 2-D convolution over [N, H, W, C] with weights [O, kh, kw, C]. Portable: four output channels at a time share each
// input they read, and runs of taps that are contiguous in memory are one loop, so a 1x1 convolution is a plain matrix
// product.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// padding_h, padding_w: rows above and columns left of the input. The input zero point is folded into the bias by the
// host, so taps in the padding read input_zero_point.
THIMBLE_PARAMS(Conv2DS8Params, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h, kernel_w,
               stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, input_zero_point, output_zero_point,
               activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(Conv2DF32Params, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h, kernel_w,
               stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, activation_min, activation_max);

// sums[j] += sum of x[i] * w[j * filter + i] over count values, for kOutputs filters.
template <int kOutputs, class T, class Sum>
inline void add_products(const T* x, const T* w, int32_t filter, int32_t count, Sum* sums) {
#pragma GCC unroll 4
  for (int32_t i = 0; i < count; ++i) {
    const Sum value = x[i];
#pragma GCC unroll 4
    for (int32_t j = 0; j < kOutputs; ++j) sums[j] += value * w[j * filter + i];
  }
}

// One output pixel of kOutputs channels, taps inside the input only: input is the whole image, weights those of the
// first channel.
template <int kOutputs, class T, class Sum, class Params>
inline void add_taps(const Params& p, const TapRange& rows, const TapRange& cols, const T* input, const T* weights,
                     Sum* sums) {
  const int32_t row = p.kernel_w * p.input_c;
  const int32_t filter = p.kernel_h * row;
  const int32_t step = p.dilation_w * p.input_c;
  // Taps side by side in memory are one run.
  const bool contiguous = p.dilation_w == 1;
  const int32_t runs = contiguous ? (cols.begin < cols.end ? 1 : 0) : cols.end - cols.begin;
  const int32_t run = contiguous ? (cols.end - cols.begin) * p.input_c : p.input_c;
  const T* x =
      input + ((rows.origin + rows.begin * p.dilation_h) * p.input_w + cols.origin) * p.input_c + cols.begin * step;
  const T* w = weights + rows.begin * row + cols.begin * p.input_c;
  for (int32_t ky = rows.begin; ky < rows.end; ++ky, x += p.dilation_h * p.input_w * p.input_c, w += row)
    for (int32_t i = 0; i < runs; ++i) add_products<kOutputs>(x + i * step, w + i * run, filter, run, sums);
}

// The taps outside the input, which all read `padding`.
template <int kOutputs, class T, class Sum, class Params>
inline void add_padding(const Params& p, const TapRange& rows, const TapRange& cols, Sum padding, const T* weights,
                        Sum* sums) {
  const int32_t filter = p.kernel_h * p.kernel_w * p.input_c;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky) {
    const bool row_inside = ky >= rows.begin && ky < rows.end;
    for (int32_t kx = 0; kx < p.kernel_w; ++kx, weights += p.input_c) {
      if (row_inside && kx >= cols.begin && kx < cols.end) continue;
      for (int32_t c = 0; c < p.input_c; ++c) {
#pragma GCC unroll 4
        for (int32_t j = 0; j < kOutputs; ++j) sums[j] += padding * weights[j * filter + c];
      }
    }
  }
}

// kOutputs channels of one pixel, from channel o on.
template <int kOutputs>
inline void conv2d_channels(const Conv2DS8Params& p, const TapRange& rows, const TapRange& cols, int32_t o,
                            const int8_t* input, const int8_t* weights, const int32_t* bias, const int32_t* multiplier,
                            const int8_t* shift, int8_t* output) {
  int32_t sums[kOutputs];
  for (int32_t j = 0; j < kOutputs; ++j) sums[j] = bias[o + j];
  const int8_t* filters = weights + o * p.kernel_h * p.kernel_w * p.input_c;
  add_taps<kOutputs>(p, rows, cols, input, filters, sums);
  if (p.input_zero_point != 0 && !(rows.whole && cols.whole))
    add_padding<kOutputs>(p, rows, cols, p.input_zero_point, filters, sums);
  for (int32_t j = 0; j < kOutputs; ++j) {
    const int32_t value = requantize(sums[j], multiplier[o + j], shift[o + j]) + p.output_zero_point;
    output[o + j] = static_cast<int8_t>(clamp(value, p.activation_min, p.activation_max));
  }
}

template <int kOutputs>
inline void conv2d_channels(const Conv2DF32Params& p, const TapRange& rows, const TapRange& cols, int32_t o,
                            const float* input, const float* weights, const float* bias, float* output) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  float sums[kOutputs];
  for (int32_t j = 0; j < kOutputs; ++j) sums[j] = bias[o + j];
  add_taps<kOutputs>(p, rows, cols, input, weights + o * p.kernel_h * p.kernel_w * p.input_c, sums);
  for (int32_t j = 0; j < kOutputs; ++j) output[o + j] = sums[j] < low ? low : sums[j] > high ? high : sums[j];
}

// Every pixel in turn; constants are what conv2d_channels takes between input and output.
template <class Params, class T, class... Constants>
inline void conv2d_pixels(const Params& p, const T* input, T* output, Constants... constants) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.output_c) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
        int32_t o = 0;
        for (; o + 4 <= p.output_c; o += 4) conv2d_channels<4>(p, rows, cols, o, input, constants..., output);
        for (; o < p.output_c; ++o) conv2d_channels<1>(p, rows, cols, o, input, constants..., output);
      }
    }
}

// bias (with the input zero point folded in), multiplier, shift: [O]. Arithmetic: TFLite int8 reference.
inline void conv2d_s8(const Conv2DS8Params& p, const int8_t* input, const int8_t* weights, const int32_t* bias,
                      const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  conv2d_pixels(p, input, output, weights, bias, multiplier, shift);
}

inline void conv2d_f32(const Conv2DF32Params& p, const float* input, const float* weights, const float* bias,
                       float* output) {
  conv2d_pixels(p, input, output, weights, bias);
}

}  // namespace device
}  // namespace thimble
