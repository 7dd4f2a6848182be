// 1 / sqrt(x) of an integer in fixed point, with the rounding of TensorFlow Lite's reference: Newton and Raphson from
// 1, five steps, on the number brought to [1/4, 1), bit for bit.
#pragma once
#include "device/base/fixed_point_functions.h"

namespace thimble {
namespace device {

// mantissa / 2^31 * 2^shift; shift is 0 or less.
struct InverseSqrt {
  int32_t mantissa;
  int32_t shift;
};

// 0 and 1 give the largest mantissa; x is 0 or more.
inline InverseSqrt inverse_sqrt(int32_t x) {
  if (x <= 1) return {INT32_MAX, 0};
  int32_t right_shift = 11;
  for (; x >= (1 << 29); x /= 4) ++right_shift;
  const int32_t pairs = (__builtin_clz(static_cast<uint32_t>(x)) - 1) / 2 - 1;
  right_shift -= pairs;
  x <<= 2 * pairs;
  constexpr int32_t kOne = 1 << 28, kThreeHalves = kOne + kOne / 2, kHalfRootOfTwo = 1518500250;  // Q3.28, Q0.31
  const int32_t half = rounding_divide_by_pot(x >> 1, 1);
  int32_t root = kOne;
  for (int i = 0; i < 5; ++i) {
    const int32_t cube =
        saturating_shift_left(rounding_doubling_high_mul(rounding_doubling_high_mul(root, root), root), 6);
    root = saturating_shift_left(
        rounding_doubling_high_mul(kThreeHalves, root) - rounding_doubling_high_mul(half, cube), 3);
  }
  root = rounding_doubling_high_mul(root, kHalfRootOfTwo);
  if (right_shift < 0) return {static_cast<int32_t>(static_cast<uint32_t>(root) << -right_shift), 0};
  return {root, -right_shift};
}

}  // namespace device
}  // namespace thimble
