// Transcendental functions in fixed point, with the rounding of TensorFlow Lite's int8 reference (the method of
// gemmlowp's fixedpoint: a Taylor series about -1/8 and a barrel shifter for exp, Newton and Raphson for the
// reciprocal and the inverse root), bit for bit. Qm.n is an int32 of m integer and n fractional bits. The host makes
// its exact tables with these too.
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

// exp(x) as Q0.31 for x <= 0 with the given number of integer bits, 4 or 5.
inline int32_t exp_on_negative_values(int32_t x, int32_t integer_bits = 5) {
  if (x == 0) return INT32_MAX;
  const int32_t quarter = 1 << (29 - integer_bits);
  // exp(-2^k) as Q0.31 for k = -2 ... 4.
  constexpr int32_t kPowers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int32_t fraction = (x & (quarter - 1)) - quarter;
  const int32_t remainder = fraction - x;
  int32_t result = exp_below_quarter(saturating_shift_left(fraction, integer_bits));
  for (int32_t bit = 0; bit < integer_bits + 2; ++bit)
    if (remainder & (quarter << bit)) result = rounding_doubling_high_mul(result, kPowers[bit]);
  return result;
}

// 2 / (1 + x) as Q2.29 for x in [0, 1), Q0.31.
inline int32_t two_over_one_plus(int32_t x) {
  constexpr int32_t k48Over17 = 1515870810, kMinus32Over17 = -1010580540, kOne = 1 << 29;  // Q2.29
  const int32_t half_denominator = static_cast<int32_t>((static_cast<int64_t>(x) + INT32_MAX + 1) / 2);
  int32_t estimate = k48Over17 + rounding_doubling_high_mul(half_denominator, kMinus32Over17);
  for (int i = 0; i < 3; ++i) {
    const int32_t error = kOne - rounding_doubling_high_mul(half_denominator, estimate);
    estimate += saturating_shift_left(rounding_doubling_high_mul(estimate, error), 2);
  }
  return estimate;
}

// 1 / (1 + x) as Q0.31 for x in [0, 1), Q0.31.
inline int32_t one_over_one_plus(int32_t x) { return saturating_shift_left(two_over_one_plus(x), 1); }

// 1 / (1 + exp(-x)) as Q0.31 for x as Q4.27.
inline int32_t logistic_q4(int32_t x) {
  if (x == 0) return 1 << 30;
  const int32_t above_half = one_over_one_plus(exp_on_negative_values(x > 0 ? -x : x, 4));
  return x > 0 ? above_half : INT32_MAX - above_half;
}

// tanh(x) as Q0.31 for x as Q4.27: (1 - y) / (1 + y) with y = exp(-2 |x|).
inline int32_t tanh_q4(int32_t x) {
  if (x == 0) return 0;
  const int32_t size = saturating_shift_left(two_over_one_plus(exp_on_negative_values(x < 0 ? x : -x)) - (1 << 29), 2);
  return x < 0 ? -size : size;
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

// log(x) as Q5.26 for x >= 1, Q12.19. Method: the number is brought near the fourth root of 1/2 by a power of two, of
// two the nearer one, and a rational function of degree 3 does the rest.
inline int32_t log_at_least_one(int32_t x) {
  constexpr int32_t kLog2 = 1488522236, kRootHalf = 1518500250, kFourthRootHalf = 1805811301;
  constexpr int32_t kAlphaN = 117049297, kAlphaD = 127690142, kAlphaI = 1057819769, kAlphaF = 638450708;
  constexpr int32_t kQuarter = 1 << 23, kPowerBits = 25;  // powers of two are Q6.25
  const int32_t zeros = __builtin_clz(static_cast<uint32_t>(x));
  const int32_t near_a =
      saturating_shift_left(rounding_doubling_high_mul(saturating_shift_left(x, zeros - 1), kRootHalf), 1);
  const int32_t power_a = saturating_shift_left(12 - zeros, kPowerBits) + kQuarter;
  const int32_t headroom = __builtin_clz(static_cast<uint32_t>(rounding_doubling_high_mul(x, kRootHalf))) - 1;
  const int32_t near_b = saturating_shift_left(x, headroom);
  const int32_t power_b = saturating_shift_left(12 - headroom, kPowerBits) - kQuarter;
  const int32_t r = near_a < near_b ? near_a : near_b;
  const int32_t power = power_a > power_b ? power_a : power_b;

  const int32_t p = static_cast<int32_t>((static_cast<int64_t>(r) + kFourthRootHalf + 1) / 2);
  const int32_t q = 2 * (r - kFourthRootHalf);
  const int32_t square = rounding_doubling_high_mul(q, q);
  const int32_t numerator =
      rounding_doubling_high_mul(q, r) + rounding_doubling_high_mul(rounding_doubling_high_mul(q, square), kAlphaN);
  const int32_t factor = kAlphaI + q + rounding_doubling_high_mul(kAlphaD, square);
  const int32_t denominator_minus_one = rounding_doubling_high_mul(p, factor) + rounding_doubling_high_mul(kAlphaF, q);
  const int32_t fraction =
      rounding_doubling_high_mul(rounding_divide_by_pot(numerator, 6), one_over_one_plus(denominator_minus_one));
  return saturating_shift_left(rounding_doubling_high_mul(power, kLog2) + fraction, 1);
}

// 1 / sqrt(x) = multiplier / 2^31 * 2^shift for x > 1; what is less counts as 1. Method: five steps of Newton from 1.
struct InverseRoot {
  int32_t multiplier;
  int32_t shift;
};
inline InverseRoot inverse_root(int32_t x) {
  if (x <= 1) return {INT32_MAX, 0};
  int32_t right = 11;
  for (; x >= (1 << 29); ++right) x /= 4;
  const int32_t pairs = (__builtin_clz(static_cast<uint32_t>(x)) - 1) / 2 - 1;
  right -= pairs;
  const int32_t half = rounding_divide_by_pot((x << (2 * pairs)) >> 1, 1);  // Q3.28, as the root
  constexpr int32_t kThreeHalves = (1 << 28) + (1 << 27), kRootHalf = 1518500250;
  int32_t root = 1 << 28;
  for (int step = 0; step < 5; ++step) {
    const int32_t cube =
        saturating_shift_left(rounding_doubling_high_mul(rounding_doubling_high_mul(root, root), root), 6);
    root = saturating_shift_left(
        rounding_doubling_high_mul(kThreeHalves, root) - rounding_doubling_high_mul(half, cube), 3);
  }
  root = rounding_doubling_high_mul(root, kRootHalf);
  if (right < 0) return {static_cast<int32_t>(static_cast<uint32_t>(root) << -right), 0};
  return {root, -right};
}

}  // namespace device
}  // namespace thimble
