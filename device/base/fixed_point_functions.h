// Transcendental functions in fixed point, with the rounding of TensorFlow Lite's int8 reference (the method of
// gemmlowp's fixedpoint: a Taylor series about -1/8 and a barrel shifter for exp, Newton and Raphson for the
// reciprocal), bit for bit. Qm.n is an int32 of m integer and n fractional bits. The host makes its exact tables with
// these too.
#pragma once
#include "device/base/fixed_point.h"

namespace thimble {
namespace device {

inline int32_t saturating_shift_left(int32_t x, int32_t exponent) {
  const int32_t limit = static_cast<int32_t>((uint32_t{1} << (31 - exponent)) - 1);
  if (x > limit) return INT32_MAX;
  if (x < -limit) return INT32_MIN;
  return static_cast<int32_t>(static_cast<uint32_t>(x) << exponent);
}

// exp(x) as Q0.31 for x in [-1/4, 0), Q0.31.
inline int32_t exp_below_quarter(int32_t x) {
  constexpr int32_t kExpMinusEighth = 1895147668, kOneThird = 715827883;
  const int32_t t = x + (1 << 28);
  const int32_t t2 = rounding_doubling_high_mul(t, t);
  const int32_t t3 = rounding_doubling_high_mul(t2, t);
  const int32_t t4 = rounding_doubling_high_mul(t2, t2);
  const int32_t cubic = rounding_doubling_high_mul(rounding_divide_by_pot(t4, 2) + t3, kOneThird);
  const int32_t series = t + rounding_divide_by_pot(cubic + t2, 1);
  return kExpMinusEighth + rounding_doubling_high_mul(kExpMinusEighth, series);
}

// exp(x) as Q0.31 for x <= 0, Q5.26.
inline int32_t exp_on_negative_values(int32_t x) {
  if (x == 0) return INT32_MAX;
  constexpr int32_t kQuarter = 1 << 24;
  // exp(-2^k) as Q0.31 for k = -2 ... 4.
  constexpr int32_t kPowers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int32_t fraction = (x & (kQuarter - 1)) - kQuarter;
  const int32_t remainder = fraction - x;
  int32_t result = exp_below_quarter(saturating_shift_left(fraction, 5));
  for (int32_t bit = 0; bit < 7; ++bit)
    if (remainder & (kQuarter << bit)) result = rounding_doubling_high_mul(result, kPowers[bit]);
  return result;
}

// 1 / (1 + x) as Q0.31 for x in [0, 1), Q0.31.
inline int32_t one_over_one_plus(int32_t x) {
  constexpr int32_t k48Over17 = 1515870810, kMinus32Over17 = -1010580540, kOne = 1 << 29;  // Q2.29
  const int32_t half_denominator = static_cast<int32_t>((static_cast<int64_t>(x) + INT32_MAX + 1) / 2);
  int32_t estimate = k48Over17 + rounding_doubling_high_mul(half_denominator, kMinus32Over17);
  for (int i = 0; i < 3; ++i) {
    const int32_t error = kOne - rounding_doubling_high_mul(half_denominator, estimate);
    estimate += saturating_shift_left(rounding_doubling_high_mul(estimate, error), 2);
  }
  return saturating_shift_left(estimate, 1);
}

// 1 / x = mantissa / 2^31 / 2^exponent.
struct Reciprocal {
  int32_t mantissa;
  int32_t exponent;
};

// x > 0 with the given number of integer bits.
inline Reciprocal reciprocal(int32_t x, int32_t integer_bits) {
  const int32_t headroom = __builtin_clz(static_cast<uint32_t>(x));
  const uint32_t above_one = (static_cast<uint32_t>(x) << headroom) - (uint32_t{1} << 31);
  return {one_over_one_plus(static_cast<int32_t>(above_one)), integer_bits - headroom};
}

}  // namespace device
}  // namespace thimble
