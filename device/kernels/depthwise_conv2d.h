// Depthwise 2-D convolution over [N, H, W, C] with weights [1, kh, kw, C * M]: output channel o reads input channel o /
// M only. Portable: four output channels at a time, so that reads of neighbouring channels and the window's bookkeeping
// are shared.
#pragma once
#include "device/kernels/linear.h"
#include "device/kernels/window.h"

// GCC 12 at -O3 for x86 vectorises the loops over taps and over pixels together, and wrongly, when it sees both.
#if defined(__x86_64__) || defined(__i386__)
#define THIMBLE_DEPTHWISE_TAPS __attribute__((noinline))
#else
#define THIMBLE_DEPTHWISE_TAPS inline
#endif

namespace thimble {
namespace device {

// output_c = input_c * depth_multiplier. padding_h, padding_w: rows above and columns left of the input. The input zero
// point is folded into the bias by the host, so taps in the padding read input_zero_point. With int16 activations both
// zero points are 0.
THIMBLE_PARAMS(DepthwiseConv2DIntegerParams, batches, input_h, input_w, input_c, output_h, output_w, depth_multiplier,
               kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, input_zero_point,
               output_zero_point, activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(DepthwiseConv2DF32Params, batches, input_h, input_w, input_c, output_h, output_w, depth_multiplier,
               kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, activation_min,
               activation_max);

// The taps of one output pixel, the same for all its channels. Offsets and steps in elements.
struct DepthwiseTaps {
  int32_t rows, cols;              // taps inside the input
  int32_t input, weights;          // offsets of the first one
  int32_t input_step, channels;    // from tap to tap in input and weights
  int32_t next_row, next_weights;  // from behind a row's last tap to the next row's first
  bool whole;
};

template <class Params>
inline DepthwiseTaps depthwise_taps(const Params& p, const TapRange& rows, const TapRange& cols) {
  DepthwiseTaps taps;
  taps.rows = rows.end - rows.begin;
  taps.cols = cols.end - cols.begin;
  taps.channels = p.input_c * p.depth_multiplier;
  taps.input_step = p.dilation_w * p.input_c;
  taps.input =
      ((rows.origin + rows.begin * p.dilation_h) * p.input_w + cols.origin + cols.begin * p.dilation_w) * p.input_c;
  taps.weights = (rows.begin * p.kernel_w + cols.begin) * taps.channels;
  taps.next_row = p.dilation_h * p.input_w * p.input_c - taps.cols * taps.input_step;
  taps.next_weights = (p.kernel_w - taps.cols) * taps.channels;
  taps.whole = rows.whole && cols.whole;
  return taps;
}

// kOutputs channels, taps inside the input only. input and weights point at the first of these channels; channel j
// reads input channel j * kInputStep (1: each its own, 0: all the same one).
template <int32_t kOutputs, int32_t kInputStep, class T, class W, class Sum>
THIMBLE_DEPTHWISE_TAPS void add_depthwise_taps(const DepthwiseTaps& taps, const T* input, const W* weights, Sum* sums) {
  const T* x = input + taps.input;
  const W* w = weights + taps.weights;
  for (int32_t ky = taps.rows; ky > 0; --ky, x += taps.next_row, w += taps.next_weights)
    for (int32_t kx = taps.cols; kx > 0; --kx, x += taps.input_step, w += taps.channels) {
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] = sum_of(sums[j], static_cast<Sum>(x[j * kInputStep]) * w[j]);
    }
}

// The taps outside the input, which all read `padding`.
template <int32_t kOutputs, class W, class Sum, class Params>
inline void add_depthwise_padding(const Params& p, const TapRange& rows, const TapRange& cols, Sum padding,
                                  const W* weights, Sum* sums) {
  const int32_t channels = p.input_c * p.depth_multiplier;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky, weights += p.kernel_w * channels) {
    const int32_t inside = ky >= rows.begin && ky < rows.end ? cols.end - cols.begin : 0;
    const W* w = weights;
    for (int32_t kx = 0; kx < p.kernel_w - inside; ++kx, w += channels) {
      if (kx == cols.begin) w += inside * channels;
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] = sum_of(sums[j], padding * w[j]);
    }
  }
}

// kOutputs output channels of one pixel, from channel o on, whose first input channel is c. padding: what taps outside
// the input read.
template <int32_t kOutputs, int32_t kInputStep, class Params, class T, class W, class Sum, class Scaling>
inline void depthwise_channels(const Params& p, const TapRange& rows, const TapRange& cols, const DepthwiseTaps& taps,
                               int32_t c, int32_t o, const T* input, const W* weights, const Sum* bias, Sum padding,
                               Scaling scaling, T* output) {
  Sum sums[kOutputs] = {};
  add_depthwise_taps<kOutputs, kInputStep>(taps, input + c, weights + o, sums);
  if (padding != 0 && !taps.whole) add_depthwise_padding<kOutputs>(p, rows, cols, padding, weights + o, sums);
  store_sums<kOutputs>(scaling, o, bias, sums, output);
}

// All channels of one pixel: in blocks of neighbouring input channels, or of outputs of the same input channel.
template <class Params, class T, class... Rest>
inline void depthwise_pixel(const Params& p, const TapRange& rows, const TapRange& cols, const T* input, Rest... rest) {
  const DepthwiseTaps taps = depthwise_taps(p, rows, cols);
  const int32_t multiplier = p.depth_multiplier;
  if (multiplier == 1) {
    int32_t c = 0;
    for (; c + kChannelBlock <= p.input_c; c += kChannelBlock)
      depthwise_channels<kChannelBlock, 1>(p, rows, cols, taps, c, c, input, rest...);
    for (; c < p.input_c; ++c) depthwise_channels<1, 0>(p, rows, cols, taps, c, c, input, rest...);
    return;
  }
  for (int32_t c = 0, o = 0; c < p.input_c; ++c) {
    const int32_t end = o + multiplier;
    for (; o + kChannelBlock <= end; o += kChannelBlock)
      depthwise_channels<kChannelBlock, 0>(p, rows, cols, taps, c, o, input, rest...);
    for (; o < end; ++o) depthwise_channels<1, 0>(p, rows, cols, taps, c, o, input, rest...);
  }
}

template <class Params, class T, class W, class Sum, class Scaling>
inline void depthwise_pixels(const Params& p, const T* input, const W* weights, const Sum* bias, Sum padding,
                             Scaling scaling, T* output) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.input_c * p.depth_multiplier) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
        depthwise_pixel(p, rows, cols, input, weights, bias, padding, scaling, output);
      }
    }
}

// bias (with the input zero point folded in), multiplier, shift: [C * M]. Arithmetic: TFLite's integer reference.
inline void depthwise_conv2d_s8(const DepthwiseConv2DIntegerParams& p, const int8_t* input, const int8_t* weights,
                                const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  depthwise_pixels(p, input, weights, bias, p.input_zero_point, integer_scaling(p, multiplier, shift), output);
}

inline void depthwise_conv2d_s16(const DepthwiseConv2DIntegerParams& p, const int16_t* input, const int8_t* weights,
                                 const int64_t* bias, const int32_t* multiplier, const int8_t* shift, int16_t* output) {
  depthwise_pixels(p, input, weights, bias, int64_t{0}, integer_scaling(p, multiplier, shift), output);
}

inline void depthwise_conv2d_f32(const DepthwiseConv2DF32Params& p, const float* input, const float* weights,
                                 const float* bias, float* output) {
  depthwise_pixels(p, input, weights, bias, 0.0f, float_range(p), output);
}

}  // namespace device
}  // namespace thimble
