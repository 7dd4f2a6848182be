// What the kernels for cores with MVE (Cortex-M55, M85) share: requantisation of four lanes, copies, and what they look
// like on other cores, where the same packing is walked in plain C++ and gives the same bytes.
#pragma once
#include "device/base/fixed_point.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

namespace thimble {
namespace device {

// Sums, constants and outputs go four channels at a time.
constexpr int32_t kMveLanes = 4;

#if defined(__ARM_FEATURE_MVE)

// requantize() of four sums; every shift is 0 or less. VRSHL rounds ties up and VQRDMULH does too, but the division by
// a power of two rounds ties away from zero: one less below zero, where there is such a division.
inline int32x4_t mve_requantize(int32x4_t sums, int32x4_t multiplier, int32x4_t shift) {
  const int32x4_t high = vqrdmulhq_s32(sums, multiplier);
  const int32x4_t below = vshrq_n_s32(vandq_s32(high, shift), 31);
  return vrshlq_s32(vqaddq_s32(high, below), shift);
}

#endif

// Not memcpy and memset: these are for short runs at any address.
inline void mve_copy(int8_t* to, const int8_t* from, int32_t bytes) {
#if defined(__ARM_FEATURE_MVE)
  __asm volatile(
      "wlstp.8 lr, %[bytes], 2f\n"
      "1: vldrb.8 q0, [%[from]], #16\n"
      "vstrb.8 q0, [%[to]], #16\n"
      "letp lr, 1b\n"
      "2:\n"
      : [to] "+r"(to), [from] "+r"(from)
      : [bytes] "r"(bytes)
      : "q0", "lr", "cc", "memory");
#else
  for (int32_t i = 0; i < bytes; ++i) to[i] = from[i];
#endif
}
inline void mve_fill(int8_t* to, int32_t value, int32_t bytes) {
#if defined(__ARM_FEATURE_MVE)
  __asm volatile(
      "vdup.8 q0, %[value]\n"
      "wlstp.8 lr, %[bytes], 2f\n"
      "1: vstrb.8 q0, [%[to]], #16\n"
      "letp lr, 1b\n"
      "2:\n"
      : [to] "+r"(to)
      : [bytes] "r"(bytes), [value] "r"(value)
      : "q0", "lr", "cc", "memory");
#else
  for (int32_t i = 0; i < bytes; ++i) to[i] = static_cast<int8_t>(value);
#endif
}

}  // namespace device
}  // namespace thimble
