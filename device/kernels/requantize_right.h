// Requantisation of sums whose scale is below one half, which is what nearly all layers have: 4 instructions where the
// core multiplies to the high half and rounds.
#pragma once
#include "device/base/fixed_point.h"

namespace thimble {
namespace device {

// requantize(doubled / 2, multiplier, -right_shift); right_shift in [1, 31], doubled even.
inline int32_t requantize_right(int32_t doubled, int32_t multiplier, int32_t right_shift) {
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
  int32_t value;
  __asm__(
      "smmulr %0, %1, %2\n"
      "add %0, %0, %0, asr #31\n"
      "asrs %0, %0, %3\n"
      "adc %0, %0, #0\n"
      : "=&r"(value)
      : "r"(doubled), "r"(multiplier), "r"(right_shift)
      : "cc");
  return value;
#else
  return requantize(doubled >> 1, multiplier, -right_shift);
#endif
}

}  // namespace device
}  // namespace thimble
