// Arithmetic of two integer inputs (indices, counters) with broadcasting; what overflows wraps.
#pragma once
#include "device/kernels/broadcast.h"

namespace thimble {
namespace device {

// The numbers are part of stored plans.
enum class IntegerOp : int32_t {
  add = 0,
  sub = 1,
  mul = 2,
  div = 3,  // towards 0
  floor_div = 4,
  floor_mod = 5,
  squared_difference = 6,
  maximum = 7,
  minimum = 8,
  pow = 9,
};

template <class T, class Unsigned>
inline T integer_quotient(T x, T y, IntegerOp operation) {
  if (y == 0) return 0;
  // The one quotient that overflows.
  if (y == -1) return operation == IntegerOp::floor_mod ? T{0} : static_cast<T>(0 - static_cast<Unsigned>(x));
  const T quotient = x / y, rest = x % y;
  const bool below = rest != 0 && (rest < 0) != (y < 0);
  if (operation == IntegerOp::floor_mod) return below ? rest + y : rest;
  return operation == IntegerOp::floor_div && below ? quotient - 1 : quotient;
}

template <class T, class Unsigned>
inline T integer_power(T base, T exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  Unsigned result = 1, factor = static_cast<Unsigned>(base);
  for (Unsigned left = static_cast<Unsigned>(exponent); left != 0; left >>= 1, factor *= factor)
    if (left & 1) result *= factor;
  return static_cast<T>(result);
}

template <class T, class Unsigned>
inline T integer_result(IntegerOp operation, T x, T y) {
  const Unsigned a = static_cast<Unsigned>(x), b = static_cast<Unsigned>(y);
  switch (operation) {
    case IntegerOp::add:
      return static_cast<T>(a + b);
    case IntegerOp::sub:
      return static_cast<T>(a - b);
    case IntegerOp::mul:
      return static_cast<T>(a * b);
    case IntegerOp::squared_difference:
      return static_cast<T>((a - b) * (a - b));
    case IntegerOp::maximum:
      return x > y ? x : y;
    case IntegerOp::minimum:
      return x < y ? x : y;
    case IntegerOp::pow:
      return integer_power<T, Unsigned>(x, y);
    default:
      return integer_quotient<T, Unsigned>(x, y, operation);
  }
}

// operation: an IntegerOp.
THIMBLE_PARAMS(BinaryI32Params, THIMBLE_BROADCAST, operation, activation_min, activation_max);

inline void binary_i32(const BinaryI32Params& p, const int32_t* a, const int32_t* b, int32_t* output) {
  broadcast(p, a, b, output, [p](int32_t x, int32_t y) {
    const int32_t value = integer_result<int32_t, uint32_t>(static_cast<IntegerOp>(p.operation), x, y);
    return value < p.activation_min ? p.activation_min : value > p.activation_max ? p.activation_max : value;
  });
}

// A limit at the end of int32 is none.
inline void binary_i64(const BinaryI32Params& p, const int64_t* a, const int64_t* b, int64_t* output) {
  broadcast(p, a, b, output, [p](int64_t x, int64_t y) {
    const int64_t value = integer_result<int64_t, uint64_t>(static_cast<IntegerOp>(p.operation), x, y);
    if (value < p.activation_min && p.activation_min != INT32_MIN) return int64_t{p.activation_min};
    return value > p.activation_max && p.activation_max != INT32_MAX ? int64_t{p.activation_max} : value;
  });
}

}  // namespace device
}  // namespace thimble
