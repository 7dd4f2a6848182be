// exp of a float32 without libm, relative error below 3e-7. Method: x = n * ln 2 + r with |r| <= ln 2 / 2, a Taylor
// polynomial of degree 7 in r, and 2^n by building the float's exponent bits.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// 0 below -87 (no denormals), infinity above 88.7; not-a-number stays what it is.
inline float exp_f32(float x) {
  if (!(x >= -87.0f)) return x < -87.0f ? 0.0f : x;
  if (x > 88.7f) return float_of(0x7F800000);
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // their sum is ln 2; n * high is exact
  const int32_t n = static_cast<int32_t>(x * kLog2E + (x < 0 ? -0.5f : 0.5f));
  const float whole = static_cast<float>(n);
  const float r = (x - whole * kLn2High) - whole * kLn2Low;
  float series = 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r * r + r + 1.0f;
  // In two factors, because 2^128 is not a float.
  const int32_t half = n / 2;
  return series * float_of((half + 127) << 23) * float_of((n - half + 127) << 23);
}

}  // namespace device
}  // namespace thimble
