// Depthwise 2-D convolution over [N, H, W, C] with weights [1, kh, kw, C * M]: output channel o reads input channel o /
// M only. Portable: four output channels at a time, so that reads of neighbouring channels and the window's bookkeeping
// are shared.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// output_c = input_c * depth_multiplier. padding_h, padding_w: rows above and columns left of the input. The input zero
// point is folded into the bias by the host, so taps in the padding read input_zero_point.
THIMBLE_PARAMS(DepthwiseConv2DS8Params, batches, input_h, input_w, input_c, output_h, output_w, depth_multiplier,
               kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, input_zero_point,
               output_zero_point, activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(DepthwiseConv2DF32Params, batches, input_h, input_w, input_c, output_h, output_w, depth_multiplier,
               kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, activation_min,
               activation_max);

// One output pixel of kOutputs channels, taps inside the input only. input and weights point at the first of these
// channels; channel j reads input channel j * kInputStep (1: each its own, 0: all the same one).
template <int kOutputs, int kInputStep, class T, class Sum, class Params>
inline void add_depthwise_taps(const Params& p, const TapRange& rows, const TapRange& cols, const T* input,
                               const T* weights, Sum* sums) {
  const int32_t channels = p.input_c * p.depth_multiplier;
  const int32_t step = p.dilation_w * p.input_c;
  const int32_t taps = cols.end - cols.begin;
  const int32_t next_row = p.dilation_h * p.input_w * p.input_c - taps * step;
  const int32_t next_weights = (p.kernel_w - taps) * channels;
  const T* x =
      input + ((rows.origin + rows.begin * p.dilation_h) * p.input_w + cols.origin) * p.input_c + cols.begin * step;
  const T* w = weights + (rows.begin * p.kernel_w + cols.begin) * channels;
  for (int32_t ky = rows.begin; ky < rows.end; ++ky, x += next_row, w += next_weights)
    for (int32_t kx = 0; kx < taps; ++kx, x += step, w += channels) {
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] += static_cast<Sum>(x[j * kInputStep]) * w[j];
    }
}

// The taps outside the input, which all read `padding`.
template <int kOutputs, class T, class Sum, class Params>
inline void add_depthwise_padding(const Params& p, const TapRange& rows, const TapRange& cols, Sum padding,
                                  const T* weights, Sum* sums) {
  const int32_t channels = p.input_c * p.depth_multiplier;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky) {
    const bool row_inside = ky >= rows.begin && ky < rows.end;
    for (int32_t kx = 0; kx < p.kernel_w; ++kx, weights += channels) {
      if (row_inside && kx >= cols.begin && kx < cols.end) continue;
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] += padding * weights[j];
    }
  }
}

// kOutputs output channels of one pixel, from channel o on, whose first input channel is c.
template <int kOutputs, int kInputStep>
inline void depthwise_channels(const DepthwiseConv2DS8Params& p, const TapRange& rows, const TapRange& cols, int32_t c,
                               int32_t o, const int8_t* input, const int8_t* weights, const int32_t* bias,
                               const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  int32_t sums[kOutputs];
  for (int32_t j = 0; j < kOutputs; ++j) sums[j] = bias[o + j];
  add_depthwise_taps<kOutputs, kInputStep>(p, rows, cols, input + c, weights + o, sums);
  if (p.input_zero_point != 0 && !(rows.whole && cols.whole))
    add_depthwise_padding<kOutputs>(p, rows, cols, p.input_zero_point, weights + o, sums);
  for (int32_t j = 0; j < kOutputs; ++j) {
    const int32_t value = requantize(sums[j], multiplier[o + j], shift[o + j]) + p.output_zero_point;
    output[o + j] = static_cast<int8_t>(clamp(value, p.activation_min, p.activation_max));
  }
}

template <int kOutputs, int kInputStep>
inline void depthwise_channels(const DepthwiseConv2DF32Params& p, const TapRange& rows, const TapRange& cols, int32_t c,
                               int32_t o, const float* input, const float* weights, const float* bias, float* output) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  float sums[kOutputs];
  for (int32_t j = 0; j < kOutputs; ++j) sums[j] = bias[o + j];
  add_depthwise_taps<kOutputs, kInputStep>(p, rows, cols, input + c, weights + o, sums);
  for (int32_t j = 0; j < kOutputs; ++j) output[o + j] = sums[j] < low ? low : sums[j] > high ? high : sums[j];
}

// All channels of one pixel; constants are what depthwise_channels takes between input and output.
template <class Params, class T, class... Constants>
inline void depthwise_pixel(const Params& p, const TapRange& rows, const TapRange& cols, const T* input, T* output,
                            Constants... constants) {
  const int32_t multiplier = p.depth_multiplier;
  if (multiplier == 1) {
    int32_t c = 0;
    for (; c + 4 <= p.input_c; c += 4) depthwise_channels<4, 1>(p, rows, cols, c, c, input, constants..., output);
    for (; c < p.input_c; ++c) depthwise_channels<1, 0>(p, rows, cols, c, c, input, constants..., output);
    return;
  }
  for (int32_t c = 0; c < p.input_c; ++c) {
    int32_t m = 0;
    for (; m + 4 <= multiplier; m += 4)
      depthwise_channels<4, 0>(p, rows, cols, c, c * multiplier + m, input, constants..., output);
    for (; m < multiplier; ++m)
      depthwise_channels<1, 0>(p, rows, cols, c, c * multiplier + m, input, constants..., output);
  }
}

template <class Params, class T, class... Constants>
inline void depthwise_pixels(const Params& p, const T* input, T* output, Constants... constants) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.input_c * p.depth_multiplier) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
        depthwise_pixel(p, rows, cols, input, output, constants...);
      }
    }
}

// bias (with the input zero point folded in), multiplier, shift: [C * M]. Arithmetic: TFLite int8 reference.
inline void depthwise_conv2d_s8(const DepthwiseConv2DS8Params& p, const int8_t* input, const int8_t* weights,
                                const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  depthwise_pixels(p, input, output, weights, bias, multiplier, shift);
}

inline void depthwise_conv2d_f32(const DepthwiseConv2DF32Params& p, const float* input, const float* weights,
                                 const float* bias, float* output) {
  depthwise_pixels(p, input, output, weights, bias);
}

}  // namespace device
}  // namespace thimble
