// What the linear kernels for cores without vector instructions (Cortex-M0+, M3, RV32IMAC) share: how their sums become
// int8 outputs, and sums of products in blocks. Exact: the same bytes as requantize() of fixed_point.h.
//
// Inputs and weights are multiplied as unsigned bytes, each 128 above its value: unsigned bytes load at any small
// offset on every core, and on the M0+ two products share one multiplication. The host folds 128 times the sum of a
// filter's weights into the bias; 128 times the sum of the inputs (as unsigned bytes) is subtracted here, once for all
// filters.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

#if defined(__arm__) && defined(__thumb__) && !defined(__thumb2__)
#define THIMBLE_THUMB1 1  // Cortex-M0, M0+: eight registers for most instructions, no long multiplication
#endif

namespace thimble {
namespace device {

constexpr int32_t kScalarFilters = 4;  // of a block; weights are stored [filters / 4][inputs][4]
constexpr int32_t kScalarUnroll = 4;   // inputs are padded to a multiple, with 0 in the input
constexpr int32_t kByteOffset = 128;   // of inputs and weights as unsigned bytes
constexpr uint8_t kByteFlip = 0x80;    // the same, on the byte

// One output channel. right: the shift to the right, or 0 and less for one to the left. The host promises |sums| < 2^29
// for any input, and as much after a shift to the left.
struct ScalarChannel {
  int32_t bias, multiplier, right;
};
constexpr int32_t kScalarChannelWords = 3;

// One layer's clamp: what is added to a scaled sum so that [0, range] are the outputs from min on. Channels shifted by
// `slow` to the right, or less, take the general way.
struct ScalarClamp {
  int32_t base, range, min, slow;
};

template <class Params>
inline ScalarClamp scalar_clamp(const Params& p) {
  ScalarClamp clamp = {p.output_zero_point - p.activation_min, p.activation_max - p.activation_min, p.activation_min,
                       0};
#ifdef __thumb2__
  if (clamp.range != 255) clamp.slow = INT32_MAX;  // the core saturates to int8 only
#endif
  return clamp;
}

#ifdef THIMBLE_THUMB1
// round(x * (high * 2^16 + low) / 2^31), |x| < 2^29, from products of 16 bits; the halves of x are signed.
struct HighMultiplier {
  int32_t low, high;
  explicit HighMultiplier(int32_t multiplier) : low(multiplier & 0xFFFF), high(multiplier >> 16) {}
  int32_t operator()(int32_t x) const {
    const int32_t x_low = static_cast<int16_t>(x), x_high = (x - x_low) >> 16;
    const int32_t middle = ((x_low * low) >> 16) + x_low * high + x_high * low;
    return ((middle + (1 << 14)) >> 15) + 2 * (x_high * high);
  }
};
#else
struct HighMultiplier {
  int32_t multiplier;
  explicit HighMultiplier(int32_t value) : multiplier(value) {}
  int32_t operator()(int32_t x) const {
    const int64_t product = static_cast<int64_t>(2 * x) * multiplier;
    return static_cast<int32_t>(product >> 32) + static_cast<int32_t>(static_cast<uint32_t>(product) >> 31);
  }
};
#endif

inline int32_t clamp_s8(const ScalarClamp& clamp, int32_t scaled) {
  int32_t value = scaled + clamp.base;
  if (static_cast<uint32_t>(value) > static_cast<uint32_t>(clamp.range)) value = value < 0 ? 0 : clamp.range;
  return value + clamp.min;
}

// x / 2^right, ties away from zero (one less below zero, then half a step up), clamped. right > clamp.slow.
inline int32_t round_s8(const ScalarClamp& clamp, int32_t x, int32_t right) {
#if defined(THIMBLE_THUMB1)
  x += x >> 31;
  // The last bit shifted out is the half step.
  __asm(".syntax unified\n\tasrs %0, %0, %1\n\tadcs %0, %0, %2" : "+l"(x) : "l"(right), "l"(clamp.base) : "cc");
  if (static_cast<uint32_t>(x) > static_cast<uint32_t>(clamp.range)) x = x < 0 ? 0 : clamp.range;
  return x + clamp.min;
#elif defined(__thumb2__)
  x += x >> 31;
  __asm("asrs %0, %0, %1\n\tadc %0, %0, %2\n\tssat %0, #8, %0"
        : "+r"(x)
        : "r"(right), "r"(clamp.base + clamp.min)
        : "cc");
  return x;
#else
  return clamp_s8(clamp, (x + (x >> 31) + (1 << (right - 1))) >> right);
#endif
}

// The general way.
__attribute__((noinline)) inline void store_slowly(const ScalarClamp& clamp, int32_t multiplier, int32_t right,
                                                   const int32_t* sums, int32_t count, int8_t* output, int32_t step) {
  for (; count > 0; --count, ++sums, output += step)
    *output = static_cast<int8_t>(clamp_s8(clamp, requantize(*sums, multiplier, -right)));
}

// kCount sums of one channel, bias included, to outputs `step` apart.
template <int32_t kCount>
inline void store_sums(const ScalarClamp& clamp, int32_t multiplier, int32_t right, const int32_t* sums, int8_t* output,
                       int32_t step) {
  if (right <= clamp.slow) {
    int32_t copy[kCount];  // so that sums may live in registers
#pragma GCC unroll 4
    for (int32_t i = 0; i < kCount; ++i) copy[i] = sums[i];
    return store_slowly(clamp, multiplier, right, copy, kCount, output, step);
  }
  const HighMultiplier scale(multiplier);
#pragma GCC unroll 4
  for (int32_t i = 0; i < kCount; ++i) {
    *output = static_cast<int8_t>(round_s8(clamp, scale(sums[i]), right));
    if (i + 1 < kCount) output += step;
  }
}

}  // namespace device
}  // namespace thimble
