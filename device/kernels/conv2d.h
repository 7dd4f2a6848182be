// 2-D convolution over [N, H, W, C] with weights [O, kh, kw, F]: F = C, or C / groups, and then the output channels of
// group g read input channels [g * F, (g + 1) * F) only. Portable: four output channels at a time share each input they
// read, and runs of taps that are contiguous in memory are one loop, so a 1x1 convolution is a plain matrix product.
#pragma once
#include "device/kernels/linear.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// filter_c: F. padding_h, padding_w: rows above and columns left of the input. The input zero point is folded into the
// bias by the host, so taps in the padding read input_zero_point. With int16 activations both zero points are 0.
THIMBLE_PARAMS(Conv2DIntegerParams, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h,
               kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, filter_c, input_zero_point,
               output_zero_point, activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(Conv2DF32Params, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h, kernel_w,
               stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, filter_c, activation_min,
               activation_max);

// The taps inside the input of one output pixel, the same for all its channels. Offsets and steps in elements.
struct ConvTaps {
  int32_t input, weights;  // offsets of the first tap
  int32_t lines, line_input_step, line_weights_step;
  Runs runs;  // of one line
  bool whole;
};

// Taps side by side in memory are one run. So without dilation and groups a row of taps is a run and there is one line;
// else a tap is a run and a row is a line.
template <class Params>
inline ConvTaps conv_taps(const Params& p, const TapRange& rows, const TapRange& cols) {
  const int32_t row_weights = p.kernel_w * p.filter_c, row_input = p.dilation_h * p.input_w * p.input_c;
  const int32_t rows_inside = rows.end - rows.begin, cols_inside = cols.end - cols.begin;
  const int32_t y = rows.origin + rows.begin * p.dilation_h, x = cols.origin + cols.begin * p.dilation_w;
  ConvTaps taps;
  taps.input = (y * p.input_w + x) * p.input_c;
  taps.weights = rows.begin * row_weights + cols.begin * p.filter_c;
  taps.whole = rows.whole && cols.whole;
  taps.line_input_step = row_input;
  taps.line_weights_step = row_weights;
  if (p.dilation_w == 1 && p.filter_c == p.input_c) {
    taps.lines = 1;
    taps.runs = {rows_inside, cols_inside * p.input_c, row_input, row_weights};
  } else {
    taps.lines = rows_inside;
    taps.runs = {cols_inside, p.filter_c, p.dilation_w * p.input_c, p.filter_c};
  }
  return taps;
}

// The taps outside the input, which all read `padding`.
template <int32_t kOutputs, class W, class Sum, class Params>
inline void add_padding(const Params& p, const TapRange& rows, const TapRange& cols, Sum padding, const W* weights,
                        Sum* sums) {
  const int32_t row = p.kernel_w * p.filter_c, filter = p.kernel_h * row, lead = cols.begin * p.filter_c;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky, weights += row) {
    const int32_t inside = ky >= rows.begin && ky < rows.end ? (cols.end - cols.begin) * p.filter_c : 0;
    const W* w = weights;
    for (int32_t i = 0; i < row - inside; ++i, ++w) {
      if (i == lead) w += inside;
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] = sum_of(sums[j], padding * w[j * filter]);
    }
  }
}

// kOutputs channels of one pixel, from channel o on; input begins with the first channel that they read. padding: what
// taps outside the input read.
template <int32_t kOutputs, class Params, class T, class W, class Sum, class Scaling>
inline void conv2d_channels(const Params& p, const TapRange& rows, const TapRange& cols, const ConvTaps& taps,
                            int32_t o, const T* input, const W* weights, const Sum* bias, Sum padding, Scaling scaling,
                            T* output) {
  const int32_t filter = p.kernel_h * p.kernel_w * p.filter_c;
  const W* filters = weights + o * filter;
  Sum sums[kOutputs] = {};
  const T* x = input + taps.input;
  const W* w = filters + taps.weights;
  for (int32_t line = taps.lines; line > 0; --line, x += taps.line_input_step, w += taps.line_weights_step)
    add_products<kOutputs>(taps.runs, x, w, filter, sums);
  if (padding != 0 && !taps.whole) add_padding<kOutputs>(p, rows, cols, padding, filters, sums);
  store_sums<kOutputs>(scaling, o, bias, sums, output);
}

template <class Params, class T, class W, class Sum, class Scaling>
inline void conv2d_pixels(const Params& p, const T* input, const W* weights, const Sum* bias, Sum padding,
                          Scaling scaling, T* output) {
  const int32_t group = p.output_c / (p.input_c / p.filter_c);
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.output_c) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
        const ConvTaps taps = conv_taps(p, rows, cols);
        const T* channels = input;
        for (int32_t o = 0, end = group; o < p.output_c; end += group, channels += p.filter_c) {
          for (; o + kChannelBlock <= end; o += kChannelBlock)
            conv2d_channels<kChannelBlock>(p, rows, cols, taps, o, channels, weights, bias, padding, scaling, output);
          for (; o < end; ++o)
            conv2d_channels<1>(p, rows, cols, taps, o, channels, weights, bias, padding, scaling, output);
        }
      }
    }
}

// bias (with the input zero point folded in), multiplier, shift: [O]. Arithmetic: TFLite's integer reference. int16
// activations: sums in int64, or in int32 where the bias is (b32).
inline void conv2d_s8(const Conv2DIntegerParams& p, const int8_t* input, const int8_t* weights, const int32_t* bias,
                      const int32_t* multiplier, const int8_t* shift, int8_t* output) {
  conv2d_pixels(p, input, weights, bias, p.input_zero_point, integer_scaling(p, multiplier, shift), output);
}

inline void conv2d_s16(const Conv2DIntegerParams& p, const int16_t* input, const int8_t* weights, const int64_t* bias,
                       const int32_t* multiplier, const int8_t* shift, int16_t* output) {
  conv2d_pixels(p, input, weights, bias, int64_t{0}, integer_scaling(p, multiplier, shift), output);
}

inline void conv2d_s16_b32(const Conv2DIntegerParams& p, const int16_t* input, const int8_t* weights,
                           const int32_t* bias, const int32_t* multiplier, const int8_t* shift, int16_t* output) {
  conv2d_pixels(p, input, weights, bias, int32_t{0}, integer_scaling(p, multiplier, shift), output);
}

inline void conv2d_f32(const Conv2DF32Params& p, const float* input, const float* weights, const float* bias,
                       float* output) {
  conv2d_pixels(p, input, weights, bias, 0.0f, float_range(p), output);
}

}  // namespace device
}  // namespace thimble
