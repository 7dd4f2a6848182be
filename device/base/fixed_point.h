// Integer arithmetic shared by all int8 kernels: the double-rounding requantisation of TensorFlow Lite's reference
// (saturating rounding doubling high multiply, then rounding divide by a power of two), bit for bit.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

inline int32_t clamp(int32_t value, int32_t low, int32_t high) { return value < low ? low : value > high ? high : value; }

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

// x * multiplier / 2^31 * 2^shift, rounded twice as TensorFlow Lite does. shift in [-31, 30]; x << shift must not overflow
// by the caller's promise (it wraps if it does, as there).
inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  const int32_t scaled = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  return rounding_divide_by_pot(rounding_doubling_high_mul(scaled, multiplier), right);
}

}  // namespace device
}  // namespace thimble
