// Functions of one float32 input, element by element. input and output [size] may be the same memory.
#pragma once
#include "device/base/math_f32.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(UnaryParams, size);

template <class T, class Function>
inline void each(int32_t size, const T* input, T* output, const Function& function) {
  for (int32_t i = 0; i < size; ++i) output[i] = function(input[i]);
}

// alpha: bits of a float.
THIMBLE_PARAMS(LeakyReluF32Params, size, alpha);
inline void leaky_relu_f32(const LeakyReluF32Params& p, const float* input, float* output) {
  const float alpha = float_of(p.alpha);
  each(p.size, input, output, [alpha](float x) { return x > 0 ? x : x * alpha; });
}
inline void elu_f32(const UnaryParams& p, const float* input, float* output) {
  each(p.size, input, output, [](float x) { return x < 0 ? expm1_of(x) : x; });
}
// approximate: by the hyperbolic tangent, else by the error function.
THIMBLE_PARAMS(GeluF32Params, size, approximate);
inline void gelu_f32(const GeluF32Params& p, const float* input, float* output) {
  each(p.size, input, output, [p](float x) {
    const float bend = p.approximate ? tanh_of(0.797884583f * (x + 0.044715f * x * x * x)) : erf_of(x * 0.707106769f);
    return 0.5f * x * (1.0f + bend);
  });
}
inline void hard_swish_f32(const UnaryParams& p, const float* input, float* output) {
  each(p.size, input, output, [](float x) {
    const float gate = x + 3.0f;
    return x * (gate < 0 ? 0.0f : gate > 6.0f ? 6.0f : gate) / 6.0f;
  });
}
inline void logistic_f32(const UnaryParams& p, const float* input, float* output) {
  each(p.size, input, output, logistic_of);
}
inline void tanh_f32(const UnaryParams& p, const float* input, float* output) { each(p.size, input, output, tanh_of); }
inline void exponential_f32(const UnaryParams& p, const float* input, float* output) {
  each(p.size, input, output, [](float x) { return is_nan(x) ? x : exp_f32(x); });
}
inline void log_f32(const UnaryParams& p, const float* input, float* output) { each(p.size, input, output, log_of); }
inline void sqrt_f32(const UnaryParams& p, const float* input, float* output) { each(p.size, input, output, sqrt_of); }
inline void rsqrt_f32(const UnaryParams& p, const float* input, float* output) {
  each(p.size, input, output, [](float x) { return 1.0f / sqrt_of(x); });
}
inline void sin_f32(const UnaryParams& p, const float* input, float* output) { each(p.size, input, output, sin_of); }
inline void cos_f32(const UnaryParams& p, const float* input, float* output) { each(p.size, input, output, cos_of); }

// The numbers are part of stored plans.
enum class SimpleOp : int32_t { abs = 0, neg = 1, square = 2, sign = 3, floor = 4, ceil = 5, round = 6 };

// operation: a SimpleOp; round takes ties to even.
THIMBLE_PARAMS(SimpleParams, size, operation);
inline void simple_f32(const SimpleParams& p, const float* input, float* output) {
  each(p.size, input, output, [p](float x) {
    switch (static_cast<SimpleOp>(p.operation)) {
      case SimpleOp::abs:
        return abs_of(x);
      case SimpleOp::neg:
        return -x;
      case SimpleOp::square:
        return x * x;
      case SimpleOp::sign:
        return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
      case SimpleOp::floor:
        return floor_of(x);
      case SimpleOp::ceil:
        return ceil_of(x);
      default:
        return round_half_even(x);
    }
  });
}

// abs, neg, square and sign of integers; what overflows wraps.
template <class T, class Unsigned>
inline void simple_integer(const SimpleParams& p, const T* input, T* output) {
  each(p.size, input, output, [p](T x) {
    const Unsigned bits = static_cast<Unsigned>(x);
    switch (static_cast<SimpleOp>(p.operation)) {
      case SimpleOp::abs:
        return static_cast<T>(x < 0 ? 0 - bits : bits);
      case SimpleOp::neg:
        return static_cast<T>(0 - bits);
      case SimpleOp::square:
        return static_cast<T>(bits * bits);
      default:
        return static_cast<T>(x > 0 ? 1 : x < 0 ? -1 : 0);
    }
  });
}
inline void simple_i32(const SimpleParams& p, const int32_t* input, int32_t* output) {
  simple_integer<int32_t, uint32_t>(p, input, output);
}
inline void simple_i64(const SimpleParams& p, const int64_t* input, int64_t* output) {
  simple_integer<int64_t, uint64_t>(p, input, output);
}

inline void logical_not_u8(const UnaryParams& p, const uint8_t* input, uint8_t* output) {
  each(p.size, input, output, [](uint8_t x) { return static_cast<uint8_t>(x == 0); });
}

}  // namespace device
}  // namespace thimble
