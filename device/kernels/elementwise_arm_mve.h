// Sums of two int8 tensors of one shape, and pooling, on cores with MVE. Arithmetic: binary_quantized.h,
// pool2d.h.
#pragma once
#include "device/kernels/binary_quantized.h"
#include "device/kernels/mve.h"
#include "device/kernels/pool2d.h"

namespace thimble {
namespace device {

// Without repeated axes or subtraction; left_shift is 20, the others 0 or less. 28 instructions for 4 sums.
inline void add_s8_arm_mve(const AddQuantizedParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
#if defined(__ARM_FEATURE_MVE)
  int32_t count = p.extent_0 * p.extent_1 * p.extent_2 * p.extent_3 * p.extent_4 * p.extent_5;
  __asm volatile(
      "wlstp.32 lr, %[count], 2f\n"
      "1: vldrb.s32 q0, [%[a]], #4\n"
      "vadd.i32 q0, q0, %[a_offset]\n"
      "vshl.i32 q0, q0, #20\n"
      "vqrdmulh.s32 q0, q0, %[a_multiplier]\n"
      "vand q2, q0, %q[a_shift]\n"
      "vshr.s32 q2, q2, #31\n"
      "vqadd.s32 q0, q0, q2\n"
      "vrshl.s32 q0, q0, %q[a_shift]\n"
      "vldrb.s32 q1, [%[b]], #4\n"
      "vadd.i32 q1, q1, %[b_offset]\n"
      "vshl.i32 q1, q1, #20\n"
      "vqrdmulh.s32 q1, q1, %[b_multiplier]\n"
      "vand q2, q1, %q[b_shift]\n"
      "vshr.s32 q2, q2, #31\n"
      "vqadd.s32 q1, q1, q2\n"
      "vrshl.s32 q1, q1, %q[b_shift]\n"
      "vadd.i32 q0, q0, q1\n"
      "vqrdmulh.s32 q0, q0, %[multiplier]\n"
      "vand q2, q0, %q[shift]\n"
      "vshr.s32 q2, q2, #31\n"
      "vqadd.s32 q0, q0, q2\n"
      "vrshl.s32 q0, q0, %q[shift]\n"
      "vqadd.s32 q0, q0, %[zero]\n"
      "vmax.s32 q0, q0, %q[low]\n"
      "vmin.s32 q0, q0, %q[high]\n"
      "vstrb.32 q0, [%[output]], #4\n"
      "letp lr, 1b\n"
      "2:\n"
      : [a] "+l"(a), [b] "+l"(b), [output] "+l"(output), [count] "+r"(count)
      : [a_offset] "r"(-p.a_zero_point), [b_offset] "r"(-p.b_zero_point), [a_multiplier] "r"(p.a_multiplier),
        [b_multiplier] "r"(p.b_multiplier), [multiplier] "r"(p.output_multiplier), [zero] "r"(p.output_zero_point),
        [a_shift] "w"(vdupq_n_s32(p.a_shift)), [b_shift] "w"(vdupq_n_s32(p.b_shift)),
        [shift] "w"(vdupq_n_s32(p.output_shift)), [low] "w"(vdupq_n_s32(p.activation_min)),
        [high] "w"(vdupq_n_s32(p.activation_max))
      : "q0", "q1", "q2", "lr", "cc", "memory");
#else
  add_s8(p, a, b, output);
#endif
}

// input_w, channels as in p: the sums of rows x cols pixels, of up to 4 channels.
inline void mve_sums(const Pool2DParams& p, const int8_t* input, int32_t rows, int32_t cols, int32_t channels,
                     int32_t* sums) {
#if defined(__ARM_FEATURE_MVE)
  const mve_pred16_t wanted = vctp32q(static_cast<uint32_t>(channels));
  int32x4_t all = vdupq_n_s32(0);
  for (; rows > 0; --rows, input += p.input_w * p.channels) {
    const int8_t* pixel = input;
    for (int32_t x = cols; x > 0; --x, pixel += p.channels) all = vaddq_s32(all, vldrbq_z_s32(pixel, wanted));
  }
  vst1q_s32(sums, all);
#else
  for (int32_t c = 0; c < channels; ++c) {
    sums[c] = 0;
    for (int32_t y = 0; y < rows; ++y)
      for (int32_t x = 0; x < cols; ++x) sums[c] += input[(y * p.input_w + x) * p.channels + c];
  }
#endif
}

// Calls pixel(first tap inside, rows and columns of taps inside, output) for every output pixel.
template <class Pixel>
inline void mve_pool2d(const Pool2DParams& p, const int8_t* input, int8_t* output, const Pixel& pixel) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.channels)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, 1, p.window_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.channels) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, 1, p.window_w, p.input_w);
        pixel(input + ((rows.origin + rows.begin) * p.input_w + cols.origin + cols.begin) * p.channels,
              rows.end - rows.begin, cols.end - cols.begin, output);
      }
    }
}

// About 6 instructions for 4 values, and 14 per output.
inline void average_pool2d_s8_arm_mve(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  mve_pool2d(p, input, output, [&p](const int8_t* corner, int32_t rows, int32_t cols, int8_t* to) {
    for (int32_t c = 0; c < p.channels; c += kMveLanes) {
      const int32_t channels = p.channels - c < kMveLanes ? p.channels - c : kMveLanes;
      int32_t sums[kMveLanes];
      mve_sums(p, corner + c, rows, cols, channels, sums);
      for (int32_t i = 0; i < channels; ++i)
        to[c + i] =
            static_cast<int8_t>(clamp(AverageInteger::last(sums[i], rows * cols), p.activation_min, p.activation_max));
    }
  });
}

// About 5 instructions for 16 values.
inline void max_pool2d_s8_arm_mve(const Pool2DParams& p, const int8_t* input, int8_t* output) {
#if defined(__ARM_FEATURE_MVE)
  const int8x16_t low = vdupq_n_s8(static_cast<int8_t>(p.activation_min)),
                  high = vdupq_n_s8(static_cast<int8_t>(p.activation_max));
  mve_pool2d(p, input, output, [&](const int8_t* corner, int32_t rows, int32_t cols, int8_t* to) {
    for (int32_t c = 0; c < p.channels; c += 16) {
      const mve_pred16_t wanted = vctp8q(static_cast<uint32_t>(p.channels - c));
      int8x16_t most = low;
      const int8_t* row = corner + c;
      for (int32_t y = rows; y > 0; --y, row += p.input_w * p.channels) {
        const int8_t* pixel = row;
        for (int32_t x = cols; x > 0; --x, pixel += p.channels) most = vmaxq_s8(most, vldrbq_z_s8(pixel, wanted));
      }
      vstrbq_p_s8(to + c, vminq_s8(most, high), wanted);
    }
  });
#else
  max_pool2d_s8(p, input, output);
#endif
}

}  // namespace device
}  // namespace thimble
