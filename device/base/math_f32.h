// Functions of float32 without libm, within about 2 units in the last place unless said otherwise. Methods: argument
// reduction and short polynomials; the square root and the remainder are exact to the last bit.
#pragma once
#include "device/base/exp_f32.h"

namespace thimble {
namespace device {

constexpr float kLn2F32 = 0.693147182f;

inline bool is_nan(float x) { return x != x; }
inline float abs_of(float x) { return float_of(bits_of(x) & 0x7FFFFFFF); }
inline float with_sign_of(float magnitude, float sign) {
  return float_of((bits_of(magnitude) & 0x7FFFFFFF) | (bits_of(sign) & INT32_MIN));
}
inline float infinity_f32() { return float_of(0x7F800000); }
inline float nan_f32() { return float_of(0x7FC00000); }

// ---- rounding to whole numbers

constexpr float kAllWholeF32 = 8388608.0f;  // 2^23: floats from here on have no fraction

inline float truncate_of(float x) {
  if (!(abs_of(x) < kAllWholeF32)) return x;
  return with_sign_of(static_cast<float>(static_cast<int32_t>(x)), x);
}
inline float floor_of(float x) {
  const float whole = truncate_of(x);
  return whole > x ? whole - 1.0f : whole;
}
inline float ceil_of(float x) {
  const float whole = truncate_of(x);
  return whole < x ? whole + 1.0f : whole;
}
// Ties to even.
inline float round_half_even(float x) {
  const float low = floor_of(x), above = x - low;
  if (above < 0.5f || is_nan(above)) return low;
  if (above > 0.5f) return low + 1.0f;
  return static_cast<int32_t>(low) % 2 == 0 ? low : low + 1.0f;
}
// Ties away from zero; what int32 cannot hold saturates, not-a-number gives 0.
inline int32_t round_to_int32(float x) {
  if (is_nan(x)) return 0;
  if (x >= 2147483648.0f) return INT32_MAX;
  if (x < -2147483648.0f) return INT32_MIN;
  const float whole = truncate_of(x), rest = abs_of(x - whole);
  return static_cast<int32_t>(whole) + (rest >= 0.5f ? (x < 0 ? -1 : 1) : 0);
}

// ---- square root

// A positive number as mantissa in [2^23, 2^24) and exponent: x = mantissa * 2^exponent.
struct SplitFloat {
  uint32_t mantissa;
  int32_t exponent;
};
inline SplitFloat split_float(float x) {
  const int32_t bits = bits_of(x) & 0x7FFFFFFF;
  if (bits >= (1 << 23)) return {static_cast<uint32_t>((bits & 0x7FFFFF) | (1 << 23)), (bits >> 23) - 150};
  const int32_t shift = __builtin_clz(static_cast<uint32_t>(bits)) - 8;
  return {static_cast<uint32_t>(bits) << shift, -149 - shift};
}

inline float sqrt_of(float x) {
#if defined(__ARM_FP) && (__ARM_FP & 4)
  float root;
  __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
  return root;
#else
  if (x == 0 || is_nan(x) || x == infinity_f32()) return x;
  if (x < 0) return nan_f32();
  SplitFloat split = split_float(x);
  // A square of 49 or 50 bits has a root of 25: 24 and the one that decides the rounding.
  const int32_t up = split.exponent % 2 == 0 ? 26 : 25;
  uint64_t rest = static_cast<uint64_t>(split.mantissa) << up;
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 48; bit != 0; bit >>= 2) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  const int32_t exponent = (split.exponent - up) / 2 + 1;
  const uint32_t mantissa = (static_cast<uint32_t>(root) + 1) >> 1;
  return static_cast<float>(mantissa) * float_of((exponent + 127) << 23);
#endif
}

// ---- exponentials

// exp(x) - 1, accurate near 0.
inline float expm1_of(float x) {
  if (is_nan(x) || x > 88.0f) return exp_f32(x);
  if (x < -17.5f) return -1.0f;
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  const int32_t n = static_cast<int32_t>(x * kLog2E + (x < 0 ? -0.5f : 0.5f));
  const float whole = static_cast<float>(n);
  const float r = (x - whole * kLn2High) - whole * kLn2Low;
  float series = 1.0f / 40320;
  series = series * r + 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r * r + r;
  if (n == 0) return series;
  const float power = float_of((n + 127) << 23);
  return power * series + (power - 1.0f);
}

inline float tanh_of(float x) {
  if (is_nan(x)) return x;
  const float magnitude = abs_of(x);
  if (magnitude > 9.5f) return with_sign_of(1.0f, x);
  const float e = expm1_of(2.0f * magnitude);
  return with_sign_of(e / (e + 2.0f), x);
}

// As TensorFlow Lite's reference: below -9 it is exp(x).
inline float logistic_of(float x) {
  if (is_nan(x)) return x;
  if (x > 16.6190472f) return 1.0f;
  if (x < -9.0f) return exp_f32(x);
  return 1.0f / (1.0f + exp_f32(-x));
}

// The error function, within 3e-7. Method: its power series near 0; elsewhere erfc(x) = exp(-x * x) times a polynomial
// in 1 / (1 + x / 2), interpolated at Chebyshev points of [0.5, 4.2].
inline float erf_of(float x) {
  if (is_nan(x)) return x;
  const float z = abs_of(x), square = z * z;
  if (z < 0.5f) {
    float series = -1.0f / 1320;
    series = series * square + 1.0f / 216;
    series = series * square - 1.0f / 42;
    series = series * square + 0.1f;
    series = series * square - 1.0f / 3;
    series = series * square + 1.0f;
    return 1.12837917f * x * series;
  }
  if (z > 4.0f) return with_sign_of(1.0f, x);
  const float t = 1.0f / (1.0f + 0.5f * z);
  float tail = 0.11303287f;
  tail = tail * t - 0.44801474f;
  tail = tail * t + 0.5272752f;
  tail = tail * t - 0.07299139f;
  tail = tail * t + 0.33239082f;
  tail = tail * t + 0.26427633f;
  tail = tail * t + 0.2841643f;
  tail = tail * t - 0.00010263609f;
  return with_sign_of(1.0f - tail * exp_f32(-square), x);
}

// ---- logarithm and powers

// log(x) as the sum of two floats, for x positive and finite: x = 2^n * m with m in [sqrt(1/2), sqrt(2)), and
// log(m) = 2 artanh(f / (2 + f)) with f = m - 1.
struct LogParts {
  float high, low;
};
inline LogParts log_parts(float x) {
  constexpr float kLn2High = 0.693138123f, kLn2Low = 9.05800061e-6f;  // n * high is exact
  const SplitFloat split = split_float(x);
  const bool large = split.mantissa > 11863283u;  // sqrt(2) * 2^23
  const int32_t n = split.exponent + (large ? 24 : 23);
  const float m = static_cast<float>(split.mantissa) * (large ? 1.0f / 16777216 : 1.0f / 8388608);
  const float f = m - 1.0f, s = f / (2.0f + f), s2 = s * s, half_square = 0.5f * f * f;
  float series = 2.0f / 11;
  series = series * s2 + 2.0f / 9;
  series = series * s2 + 2.0f / 7;
  series = series * s2 + 2.0f / 5;
  series = series * s2 + 2.0f / 3;
  const float correction = s * (half_square + series * s2) - half_square;
  const float whole = static_cast<float>(n);
  const float base = whole * kLn2High;
  const float sum = base + f;
  // What the first sum lost (the larger term first), then the small terms.
  const float lost = n != 0 ? f - (sum - base) : 0.0f;
  const float rest = lost + (correction + whole * kLn2Low);
  const float high = sum + rest;
  return {high, rest - (high - sum)};
}

inline float log_of(float x) {
  if (is_nan(x) || x < 0) return nan_f32();
  if (x == 0) return -infinity_f32();
  if (x == infinity_f32()) return x;
  const LogParts parts = log_parts(x);
  return parts.high + parts.low;
}

// a * b as the sum of two floats (Dekker).
inline LogParts exact_product(float a, float b) {
  const float high = a * b;
  const auto upper = [](float value) { return float_of(bits_of(value) & static_cast<int32_t>(0xFFFFF000u)); };
  const float a1 = upper(a), a2 = a - a1, b1 = upper(b), b2 = b - b1;
  return {high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2};
}

inline float pow_of(float x, float y) {
  if (y == 0 || x == 1.0f) return 1.0f;
  if (is_nan(x) || is_nan(y)) return nan_f32();
  const bool whole = truncate_of(y) == y;
  const bool odd = whole && abs_of(y) < 16777216.0f && static_cast<int32_t>(y) % 2 != 0;
  const float magnitude = abs_of(x);
  if (x < 0 && !whole) return magnitude == infinity_f32() ? (y > 0 ? magnitude : 0.0f) : nan_f32();
  const bool negative = odd && bits_of(x) < 0;
  float result;
  if (magnitude == 1.0f) {
    result = 1.0f;
  } else if (magnitude == 0 || magnitude == infinity_f32()) {
    result = (magnitude == 0) == (y > 0) ? 0.0f : infinity_f32();
  } else if (abs_of(y) == infinity_f32()) {
    result = (magnitude > 1.0f) == (y > 0) ? infinity_f32() : 0.0f;
  } else {
    const LogParts log = log_parts(magnitude);
    const LogParts product = exact_product(y, log.high);
    if (!(abs_of(product.high) < 200.0f)) {
      result = product.high > 0 ? infinity_f32() : 0.0f;
    } else {
      const float power = exp_f32(product.high);
      result = power == infinity_f32() ? power : power + power * (product.low + y * log.low);
    }
  }
  return negative ? -result : result;
}

// ---- sine and cosine

// x = (quadrant + r * 2 / pi) quarter turns, |r| <= pi / 4.
struct QuarterTurns {
  int32_t quadrant;
  float r;
};
// x times the bits of 2 / pi that matter for it, in integers (Payne and Hanek): exact for every float.
inline QuarterTurns quarter_turns(float x) {
  constexpr uint32_t kTwoOverPi[] = {0,           0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u,
                                     0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu};
  const SplitFloat split = split_float(x);
  if (abs_of(x) < 0.785398185f || split.exponent > 104) return {0, abs_of(x)};
  const int32_t first = split.exponent - 2 + 32;  // the first bit of 2 / pi below 4 turns of x's last bit
  const int32_t word = first >> 5, shift = first & 31;
  uint64_t window[3];
  for (int32_t i = 0; i < 3; ++i) {
    const uint32_t next = word + i + 1 < 8 ? kTwoOverPi[word + i + 1] : 0;
    window[i] = shift == 0 ? kTwoOverPi[word + i] : (kTwoOverPi[word + i] << shift) | (next >> (32 - shift));
  }
  const uint64_t turns = ((split.mantissa * window[0]) << 32) + split.mantissa * window[1] +
                         ((split.mantissa * window[2]) >> 32);  // 2 bits of quadrant, 62 of fraction
  const uint64_t rounded = (turns + (uint64_t{1} << 61)) >> 62;
  const uint64_t difference = turns - (rounded << 62);
  const bool negative = (difference >> 63) != 0;
  const uint64_t size = negative ? 0 - difference : difference;
  if (size == 0) return {static_cast<int32_t>(rounded & 3), 0.0f};
  int32_t zeros = 0;
  for (uint64_t probe = size; !(probe >> 63); probe <<= 1) ++zeros;
  const float top = static_cast<float>(static_cast<uint32_t>((size << zeros) >> 32));
  const float r = top * float_of((127 - 30 - zeros) << 23) * 1.57079637f;
  return {static_cast<int32_t>(rounded & 3), negative ? -r : r};
}

inline float sine_near_zero(float r) {
  const float square = r * r;
  float series = 1.0f / 362880;
  series = series * square - 1.0f / 5040;
  series = series * square + 1.0f / 120;
  series = series * square - 1.0f / 6;
  return r + r * square * series;
}
inline float cosine_near_zero(float r) {
  const float square = r * r;
  float series = -1.0f / 3628800;
  series = series * square + 1.0f / 40320;
  series = series * square - 1.0f / 720;
  series = series * square + 1.0f / 24;
  return 1.0f - (0.5f * square - square * square * series);
}

inline float sin_of(float x) {
  if (x == 0 || !(abs_of(x) < infinity_f32())) return x - x + x * 0.0f;
  const QuarterTurns turns = quarter_turns(x);
  const float value = turns.quadrant & 1 ? cosine_near_zero(turns.r) : sine_near_zero(turns.r);
  return (turns.quadrant >= 2) != (x < 0) ? -value : value;
}
inline float cos_of(float x) {
  if (x == 0) return 1.0f;
  if (!(abs_of(x) < infinity_f32())) return nan_f32();
  const QuarterTurns turns = quarter_turns(x);
  const float value = turns.quadrant & 1 ? sine_near_zero(turns.r) : cosine_near_zero(turns.r);
  return turns.quadrant == 1 || turns.quadrant == 2 ? -value : value;
}

// The angle of (x, y). Method: arctangent of the smaller over the larger, about 1/2 where that is near.
inline float atan2_of(float y, float x) {
  if (is_nan(x) || is_nan(y)) return nan_f32();
  const float ax = abs_of(x), ay = abs_of(y);
  const bool steep = ay > ax;
  const float larger = steep ? ay : ax, smaller = steep ? ax : ay;
  float ratio = larger == 0 ? 0.0f : smaller == larger ? 1.0f : smaller / larger;
  float angle = 0;
  if (ratio > 0.267949192f) {  // tan(pi / 12): turn by pi / 6
    constexpr float kRoot3 = 1.73205081f;
    ratio = ((kRoot3 - 1.0f) * ratio - 0.5f - 0.5f + ratio) / (kRoot3 + ratio);
    angle = 0.52359878f;
  }
  const float square = ratio * ratio;
  float series = -1.0f / 11;
  series = series * square + 1.0f / 9;
  series = series * square - 1.0f / 7;
  series = series * square + 0.2f;
  series = series * square - 1.0f / 3;
  angle += ratio + ratio * square * series;
  if (steep) angle = 1.57079637f - angle;
  if (bits_of(x) < 0) angle = 3.14159274f - angle;
  return with_sign_of(angle, y);
}

// ---- division with a whole quotient

// The remainder of x / y with x's sign, exact.
inline float remainder_of(float x, float y) {
  const float ax = abs_of(x), ay = abs_of(y);
  if (is_nan(x) || is_nan(y) || ax == infinity_f32() || ay == 0) return nan_f32();
  if (ax < ay || ax == 0) return x;
  const SplitFloat a = split_float(ax), b = split_float(ay);
  uint32_t rest = a.mantissa;
  for (int32_t exponent = a.exponent; exponent > b.exponent; --exponent) {
    if (rest >= b.mantissa) rest -= b.mantissa;
    rest <<= 1;
  }
  if (rest >= b.mantissa) rest -= b.mantissa;
  const int32_t half = b.exponent / 2;  // in two factors: the least exponents are those of denormals
  return with_sign_of(
      static_cast<float>(rest) * float_of((half + 127) << 23) * float_of((b.exponent - half + 127) << 23), x);
}

// floor(x / y) of the exact quotient: where the rounded one is whole, the remainder says on which side it lies.
inline float floor_divide(float x, float y) {
  const float quotient = x / y;
  if (!(abs_of(quotient) < kAllWholeF32) || truncate_of(quotient) != quotient) return floor_of(quotient);
  const float rest = abs_of(remainder_of(x, y));
  if (rest == 0 || is_nan(rest)) return quotient;
  const bool smaller = rest > 0.5f * abs_of(y);  // |x / y| < |quotient|
  const bool negative = (x < 0) != (y < 0);
  return smaller != negative ? quotient - 1.0f : quotient;
}

// x - floor(x / y) * y, as TensorFlow Lite forms it.
inline float floor_modulo(float x, float y) {
  const float rest = remainder_of(x, y);
  return rest != 0 && (y < 0) != (rest < 0) ? rest + y : rest;
}

}  // namespace device
}  // namespace thimble
