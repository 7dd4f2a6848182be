// Arithmetic of two float32 inputs with broadcasting.
#pragma once
#include "device/base/math_f32.h"
#include "device/kernels/broadcast.h"

namespace thimble {
namespace device {

// activation_min/max: bits of floats.
THIMBLE_PARAMS(BinaryF32Params, THIMBLE_BROADCAST, activation_min, activation_max);

template <class Function>
inline void clamped_binary_f32(const BinaryF32Params& p, const float* a, const float* b, float* output,
                               const Function& function) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  broadcast(p, a, b, output, [low, high, &function](float x, float y) {
    const float value = function(x, y);
    return value < low ? low : value > high ? high : value;
  });
}
inline void add_f32(const BinaryF32Params& p, const float* a, const float* b, float* output) {
  clamped_binary_f32(p, a, b, output, [](float x, float y) { return x + y; });
}
inline void sub_f32(const BinaryF32Params& p, const float* a, const float* b, float* output) {
  clamped_binary_f32(p, a, b, output, [](float x, float y) { return x - y; });
}
inline void mul_f32(const BinaryF32Params& p, const float* a, const float* b, float* output) {
  clamped_binary_f32(p, a, b, output, [](float x, float y) { return x * y; });
}
inline void div_f32(const BinaryF32Params& p, const float* a, const float* b, float* output) {
  clamped_binary_f32(p, a, b, output, [](float x, float y) { return x / y; });
}

THIMBLE_PARAMS(BroadcastParams, THIMBLE_BROADCAST);

inline void squared_difference_f32(const BroadcastParams& p, const float* a, const float* b, float* output) {
  broadcast(p, a, b, output, [](float x, float y) { return (x - y) * (x - y); });
}
inline void floor_div_f32(const BroadcastParams& p, const float* a, const float* b, float* output) {
  broadcast(p, a, b, output, [](float x, float y) { return floor_divide(x, y); });
}
inline void floor_mod_f32(const BroadcastParams& p, const float* a, const float* b, float* output) {
  broadcast(p, a, b, output, [](float x, float y) { return floor_modulo(x, y); });
}
inline void pow_f32(const BroadcastParams& p, const float* a, const float* b, float* output) {
  broadcast(p, a, b, output, [](float x, float y) { return pow_of(x, y); });
}
// a: y, b: x.
inline void atan2_f32(const BroadcastParams& p, const float* a, const float* b, float* output) {
  broadcast(p, a, b, output, [](float y, float x) { return atan2_of(y, x); });
}
// b holds alpha: output is a where a >= 0, else a times alpha.
inline void prelu_f32(const BroadcastParams& p, const float* input, const float* alpha, float* output) {
  broadcast(p, input, alpha, output, [](float x, float slope) { return x >= 0 ? x : x * slope; });
}

// The larger of two numbers of any type, or the smaller.
THIMBLE_PARAMS(MaximumParams, THIMBLE_BROADCAST, smaller);

template <class T>
inline void maximum_of(const MaximumParams& p, const T* a, const T* b, T* output) {
  broadcast(p, a, b, output, [p](T x, T y) { return p.smaller ? (x < y ? x : y) : (x > y ? x : y); });
}
inline void maximum_f32(const MaximumParams& p, const float* a, const float* b, float* output) {
  maximum_of(p, a, b, output);
}
inline void maximum_s8(const MaximumParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
  maximum_of(p, a, b, output);
}
inline void maximum_s16(const MaximumParams& p, const int16_t* a, const int16_t* b, int16_t* output) {
  maximum_of(p, a, b, output);
}

}  // namespace device
}  // namespace thimble
