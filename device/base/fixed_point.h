// Integer arithmetic shared by all integer kernels: the requantisation of TensorFlow Lite's reference, bit for bit.
// Sums in int32 are rounded twice (saturating rounding doubling high multiply, then rounding divide by a power of two),
// sums in int64 once, after the multiplier itself was rounded to 16 bits.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

inline int32_t clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

// round(a * b / 2^31), ties towards +infinity; saturates INT32_MIN * INT32_MIN.
inline int32_t rounding_doubling_high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return static_cast<int32_t>((static_cast<int64_t>(a) * b + (int64_t{1} << 30)) >> 31);
}

// round(x / 2^exponent), ties away from zero; exponent in [0, 31].
inline int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
  const int32_t mask = static_cast<int32_t>((uint32_t{1} << exponent) - 1);
  const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

// x * multiplier / 2^31 * 2^shift, rounded twice as TensorFlow Lite does: rounding_divide_by_pot of
// rounding_doubling_high_mul. multiplier is 0 or more and shift in [-31, 30], so neither saturates; x << shift wraps
// where it overflows, as there.
inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t scaled = shift > 0 ? static_cast<int32_t>(static_cast<uint32_t>(x) << shift) : x;
  const int32_t high = static_cast<int32_t>((static_cast<int64_t>(scaled) * multiplier + (int64_t{1} << 30)) >> 31);
  if (shift >= 0) return high;
  // Ties away from zero: one less below zero, then half a step up, without overflow.
  const int32_t halves = (high + (high >> 31)) >> (-shift - 1);
  return (halves >> 1) + (halves & 1);
}

// The same for int64 sums (int16 activations); shift in [-31, kMostShift64]. Wraps where it overflows, as there.
constexpr int32_t kMostShift64 = 14;
inline int32_t requantize_wide(int64_t x, int32_t multiplier, int32_t shift) {
  const int32_t reduced = multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF;
  const int32_t right = 15 - shift;
  const uint64_t half = uint64_t{1} << (right - 1);
  return static_cast<int32_t>(static_cast<int64_t>(static_cast<uint64_t>(x) * static_cast<uint64_t>(reduced) + half) >>
                              right);
}

// By the type of the sum, which must be one of these two exactly (int is neither on some cores).
inline int32_t requantize_sum(int32_t sum, int32_t multiplier, int32_t shift) {
  return requantize(sum, multiplier, shift);
}
inline int32_t requantize_sum(int64_t sum, int32_t multiplier, int32_t shift) {
  return requantize_wide(sum, multiplier, shift);
}

// a + b, wrapping where it overflows.
inline int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
inline int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

}  // namespace device
}  // namespace thimble
