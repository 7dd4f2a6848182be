// Average, maximum and root mean square over windows of [N, H, W, C]; taps in the padding do not count.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/math_f32.h"
#include "device/base/params.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// padding_h, padding_w: rows above and columns left of the input. activation_min/max: integers or bits of floats.
THIMBLE_PARAMS(Pool2DParams, batches, input_h, input_w, channels, output_h, output_w, window_h, window_w, stride_h,
               stride_w, padding_h, padding_w, activation_min, activation_max);

// Reduce folds the `count` valid taps of one channel: first(x), next(sum, x), last(sum, count).
template <class Reduce, class T>
inline void pool2d_pixels(const Pool2DParams& p, T low, T high, const T* input, T* output) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.channels)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, 1, p.window_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, 1, p.window_w, p.input_w);
        const int32_t width = cols.end - cols.begin, count = (rows.end - rows.begin) * width;
        const T* corner = input + ((rows.origin + rows.begin) * p.input_w + cols.origin + cols.begin) * p.channels;
        for (int32_t c = 0; c < p.channels; ++c) {
          auto sum = Reduce::start();
          const T* row = corner + c;
          for (int32_t y = rows.begin; y < rows.end; ++y, row += p.input_w * p.channels)
            for (int32_t x = 0; x < width; ++x) sum = Reduce::next(sum, row[x * p.channels]);
          const auto value = Reduce::last(sum, count);
          *output++ = value < low ? low : value > high ? high : static_cast<T>(value);
        }
      }
    }
}

struct AverageInteger {
  static int32_t start() { return 0; }
  static int32_t next(int32_t sum, int32_t x) {  // wraps where it overflows
    return static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(x));
  }
  // Rounded to the nearest, ties away from zero.
  static int32_t last(int32_t sum, int32_t count) { return (sum > 0 ? sum + count / 2 : sum - count / 2) / count; }
};
struct AverageF32 {
  static float start() { return 0; }
  static float next(float sum, float x) { return sum + x; }
  static float last(float sum, int32_t count) { return sum / static_cast<float>(count); }
};
struct RootMeanSquareF32 {
  static float start() { return 0; }
  static float next(float sum, float x) { return sum + x * x; }
  static float last(float sum, int32_t count) { return sqrt_of(sum / static_cast<float>(count)); }
};
template <int32_t least>
struct MaxInteger {
  static int32_t start() { return least; }
  static int32_t next(int32_t top, int32_t x) { return x > top ? x : top; }
  static int32_t last(int32_t top, int32_t) { return top; }
};
struct MaxF32 {
  static float start() { return -3.402823466e38f; }
  static float next(float top, float x) { return x > top ? x : top; }
  static float last(float top, int32_t) { return top; }
};

// input [N, H, W, C], output [N, output_h, output_w, C] of the same scale and zero point. Arithmetic: TFLite reference.
inline void average_pool2d_s8(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  pool2d_pixels<AverageInteger>(p, static_cast<int8_t>(p.activation_min), static_cast<int8_t>(p.activation_max), input,
                                output);
}
inline void average_pool2d_s16(const Pool2DParams& p, const int16_t* input, int16_t* output) {
  pool2d_pixels<AverageInteger>(p, static_cast<int16_t>(p.activation_min), static_cast<int16_t>(p.activation_max),
                                input, output);
}
inline void average_pool2d_f32(const Pool2DParams& p, const float* input, float* output) {
  pool2d_pixels<AverageF32>(p, float_of(p.activation_min), float_of(p.activation_max), input, output);
}
inline void l2_pool2d_f32(const Pool2DParams& p, const float* input, float* output) {
  pool2d_pixels<RootMeanSquareF32>(p, float_of(p.activation_min), float_of(p.activation_max), input, output);
}
inline void max_pool2d_s8(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  pool2d_pixels<MaxInteger<-128>>(p, static_cast<int8_t>(p.activation_min), static_cast<int8_t>(p.activation_max),
                                  input, output);
}
inline void max_pool2d_s16(const Pool2DParams& p, const int16_t* input, int16_t* output) {
  pool2d_pixels<MaxInteger<-32768>>(p, static_cast<int16_t>(p.activation_min), static_cast<int16_t>(p.activation_max),
                                    input, output);
}
inline void max_pool2d_f32(const Pool2DParams& p, const float* input, float* output) {
  pool2d_pixels<MaxF32>(p, float_of(p.activation_min), float_of(p.activation_max), input, output);
}

}  // namespace device
}  // namespace thimble
