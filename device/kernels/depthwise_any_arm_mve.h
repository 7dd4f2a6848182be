// Depthwise convolution of int8 on cores with MVE, of any window: 8 channels at a time, products in int32, about 12
// instructions for 8 of them. depthwise_conv2d_arm_mve.h is faster where it can be used.
//
// Constants of 8 channels: bias, multiplier, shift (0 or less), each of channels 0, 2, 4, 6, then 1, 3, 5, 7: as the
// widening multiplications leave them. Weights are those of the portable kernel.
#pragma once
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/mve.h"

namespace thimble {
namespace device {

constexpr int32_t kMveHalfLanes = 8;

#if defined(__ARM_FEATURE_MVE)

struct MveHalves {
  int32x4_t even, odd;
};

inline MveHalves mve_load_halves(const int32_t* values) { return {vldrwq_s32(values), vldrwq_s32(values + kMveLanes)}; }

// Adds the taps inside the input; x and w point at the first, with p's steps from tap to tap and row to row.
inline MveHalves mve_add_taps(const DepthwiseTaps& taps, const int8_t* x, const int8_t* w, mve_pred16_t wanted,
                              MveHalves sums) {
  for (int32_t ky = taps.rows; ky > 0; --ky, x += taps.next_row, w += taps.next_weights)
    for (int32_t kx = taps.cols; kx > 0; --kx, x += taps.input_step, w += taps.channels) {
      const int16x8_t value = vldrbq_z_s16(x, wanted), weight = vldrbq_z_s16(w, wanted);
      sums.even = vaddq_s32(sums.even, vmullbq_int_s16(value, weight));
      sums.odd = vaddq_s32(sums.odd, vmulltq_int_s16(value, weight));
    }
  return sums;
}

// The taps outside it, which all read its zero point.
inline MveHalves mve_add_padding(const DepthwiseConv2DIntegerParams& p, const TapRange& rows, const TapRange& cols,
                                 const int8_t* w, mve_pred16_t wanted, MveHalves sums) {
  const int16x8_t value = vdupq_n_s16(static_cast<int16_t>(p.input_zero_point));
  for (int32_t ky = 0; ky < p.kernel_h; ++ky)
    for (int32_t kx = 0; kx < p.kernel_w; ++kx, w += p.input_c) {
      if (ky >= rows.begin && ky < rows.end && kx >= cols.begin && kx < cols.end) continue;
      const int16x8_t weight = vldrbq_z_s16(w, wanted);
      sums.even = vaddq_s32(sums.even, vmullbq_int_s16(value, weight));
      sums.odd = vaddq_s32(sums.odd, vmulltq_int_s16(value, weight));
    }
  return sums;
}

inline void mve_store_halves(const DepthwiseConv2DIntegerParams& p, const int32_t* constants, MveHalves sums,
                             mve_pred16_t wanted, int8_t* output) {
  const MveHalves multiplier = mve_load_halves(constants + kMveHalfLanes),
                  shift = mve_load_halves(constants + 2 * kMveHalfLanes);
  int16x8_t value = vdupq_n_s16(0);
  value = vqmovnbq_s32(value, mve_requantize(sums.even, multiplier.even, shift.even));
  value = vqmovntq_s32(value, mve_requantize(sums.odd, multiplier.odd, shift.odd));
  value = vqaddq_n_s16(value, static_cast<int16_t>(p.output_zero_point));
  value = vmaxq_s16(value, vdupq_n_s16(static_cast<int16_t>(p.activation_min)));
  value = vminq_s16(value, vdupq_n_s16(static_cast<int16_t>(p.activation_max)));
  vstrbq_p_s16(output, value, wanted);
}

#endif

// With a depth multiplier of 1.
inline void depthwise_any_s8_arm_mve(const DepthwiseConv2DIntegerParams& p, const int8_t* input, const int8_t* weights,
                                     const int32_t* constants, int8_t* output) {
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * p.input_w * p.input_c)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.input_c) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
        const DepthwiseTaps taps = depthwise_taps(p, rows, cols);
        const int32_t* block = constants;
        for (int32_t c = 0; c < p.input_c; c += kMveHalfLanes, block += 3 * kMveHalfLanes) {
          const int32_t channels = p.input_c - c < kMveHalfLanes ? p.input_c - c : kMveHalfLanes;
#if defined(__ARM_FEATURE_MVE)
          const mve_pred16_t wanted = vctp16q(static_cast<uint32_t>(channels));
          MveHalves sums = mve_load_halves(block);
          sums = mve_add_taps(taps, input + taps.input + c, weights + taps.weights + c, wanted, sums);
          if (!taps.whole && p.input_zero_point != 0) sums = mve_add_padding(p, rows, cols, weights + c, wanted, sums);
          mve_store_halves(p, block, sums, wanted, output + c);
#else
          for (int32_t lane = 0; lane < channels; ++lane) {
            const int32_t place = lane / 2 + lane % 2 * kMveLanes;
            const int8_t shift = static_cast<int8_t>(block[2 * kMveHalfLanes + place]);
            int32_t sum = 0;
            add_depthwise_taps<1, 0>(taps, input + c + lane, weights + c + lane, &sum);
            if (!taps.whole) add_depthwise_padding<1>(p, rows, cols, p.input_zero_point, weights + c + lane, &sum);
            store_sums<1>(integer_scaling(p, block + kMveHalfLanes + place, &shift), 0, block + place, &sum,
                          output + c + lane);
          }
#endif
        }
      }
    }
}

}  // namespace device
}  // namespace thimble
