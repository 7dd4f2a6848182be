// Sums of two int8 tensors of one shape, and averages over windows, on cores with MVE. Arithmetic: binary_quantized.h,
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

// About 6 instructions for 4 values, and 14 per output.
inline void average_pool2d_s8_arm_mve(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.channels)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, 1, p.window_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, 1, p.window_w, p.input_w);
        const int32_t height = rows.end - rows.begin, width = cols.end - cols.begin, count = height * width;
        const int8_t* corner = input + ((rows.origin + rows.begin) * p.input_w + cols.origin + cols.begin) * p.channels;
        for (int32_t c = 0; c < p.channels; c += kMveLanes) {
          const int32_t channels = p.channels - c < kMveLanes ? p.channels - c : kMveLanes;
          int32_t sums[kMveLanes];
          mve_sums(p, corner + c, height, width, channels, sums);
          for (int32_t i = 0; i < channels; ++i)
            *output++ =
                static_cast<int8_t>(clamp(AverageInteger::last(sums[i], count), p.activation_min, p.activation_max));
        }
      }
    }
}

}  // namespace device
}  // namespace thimble
