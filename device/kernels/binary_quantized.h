// Arithmetic of two quantised inputs, int8 and int16, with broadcasting. Formulas and rounding: TensorFlow Lite's
// integer reference.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/fixed_point_functions.h"
#include "device/kernels/broadcast.h"

namespace thimble {
namespace device {

// Each input, shifted left by left_shift bits, is brought to a common scale, then their sum to the output's.
// subtract: a - b.
THIMBLE_PARAMS(AddQuantizedParams, THIMBLE_BROADCAST, subtract, left_shift, a_zero_point, a_multiplier, a_shift,
               b_zero_point, b_multiplier, b_shift, output_zero_point, output_multiplier, output_shift, activation_min,
               activation_max);

template <class T>
inline void add_quantized(const AddQuantizedParams& p, const T* a, const T* b, T* output) {
  const int32_t unit = 1 << p.left_shift;
  broadcast(p, a, b, output, [p, unit](T x, T y) {
    const int32_t scaled_x = requantize((x - p.a_zero_point) * unit, p.a_multiplier, p.a_shift);
    const int32_t scaled_y = requantize((y - p.b_zero_point) * unit, p.b_multiplier, p.b_shift);
    const int32_t sum = p.subtract ? scaled_x - scaled_y : scaled_x + scaled_y;
    const int32_t value = requantize(sum, p.output_multiplier, p.output_shift) + p.output_zero_point;
    return static_cast<T>(clamp(value, p.activation_min, p.activation_max));
  });
}
inline void add_s8(const AddQuantizedParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
  add_quantized(p, a, b, output);
}
inline void add_s16(const AddQuantizedParams& p, const int16_t* a, const int16_t* b, int16_t* output) {
  add_quantized(p, a, b, output);
}

THIMBLE_PARAMS(MulQuantizedParams, THIMBLE_BROADCAST, a_zero_point, b_zero_point, output_zero_point, output_multiplier,
               output_shift, activation_min, activation_max);

template <class T>
inline void mul_quantized(const MulQuantizedParams& p, const T* a, const T* b, T* output) {
  broadcast(p, a, b, output, [p](T x, T y) {
    const int32_t product = (x - p.a_zero_point) * (y - p.b_zero_point);
    const int32_t value = requantize(product, p.output_multiplier, p.output_shift) + p.output_zero_point;
    return static_cast<T>(clamp(value, p.activation_min, p.activation_max));
  });
}
inline void mul_s8(const MulQuantizedParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
  mul_quantized(p, a, b, output);
}
inline void mul_s16(const MulQuantizedParams& p, const int16_t* a, const int16_t* b, int16_t* output) {
  mul_quantized(p, a, b, output);
}

// a / b by the reciprocal of b. The reference shifts by amounts that its language leaves open where the quotient is far
// from the output's steps, and where it divides by zero; here they give what they give on the machines it is tested on:
// a shift counts modulo 32.
inline int32_t divide_by_open_pot(int32_t x, int32_t exponent) {
  if (exponent >= 0 && exponent <= 31) return rounding_divide_by_pot(x, exponent);
  return (x >> (exponent & 31)) + (x >= 0 ? 1 : 0);
}
inline void div_s8(const MulQuantizedParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
  broadcast(p, a, b, output, [p](int8_t x, int8_t y) {
    int32_t dividend = x - p.a_zero_point, divisor = y - p.b_zero_point;
    if (divisor < 0) {
      dividend = -dividend;
      divisor = -divisor;
    }
    const Reciprocal inverse = divisor != 0 ? reciprocal(divisor, 31) : Reciprocal{-1515870788, -1};
    const int32_t magnitude = dividend < 0 ? ~dividend : dividend;
    const int32_t headroom = magnitude == 0 ? 31 : __builtin_clz(static_cast<uint32_t>(magnitude)) - 1;
    const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(dividend) << headroom);
    const int32_t quotient = rounding_doubling_high_mul(shifted, inverse.mantissa);
    const int32_t scaled = rounding_doubling_high_mul(quotient, p.output_multiplier);
    const int32_t value = divide_by_open_pot(scaled, inverse.exponent + headroom - p.output_shift);
    const int32_t low = p.activation_min - p.output_zero_point, high = p.activation_max - p.output_zero_point;
    return static_cast<int8_t>(clamp(value, low, high) + p.output_zero_point);
  });
}

// The square of the difference of both inputs at a common scale with left_shift extra bits.
template <class T>
inline void squared_difference_quantized(const AddQuantizedParams& p, const T* a, const T* b, T* output) {
  const int32_t unit = 1 << p.left_shift;
  broadcast(p, a, b, output, [p, unit](T x, T y) {
    const int32_t difference = requantize((x - p.a_zero_point) * unit, p.a_multiplier, p.a_shift) -
                               requantize((y - p.b_zero_point) * unit, p.b_multiplier, p.b_shift);
    const int32_t square = static_cast<int32_t>(static_cast<uint32_t>(difference) * static_cast<uint32_t>(difference));
    const int32_t value = requantize(square, p.output_multiplier, p.output_shift) + p.output_zero_point;
    return static_cast<T>(clamp(value, p.activation_min, p.activation_max));
  });
}
inline void squared_difference_s8(const AddQuantizedParams& p, const int8_t* a, const int8_t* b, int8_t* output) {
  squared_difference_quantized(p, a, b, output);
}
inline void squared_difference_s16(const AddQuantizedParams& p, const int16_t* a, const int16_t* b, int16_t* output) {
  squared_difference_quantized(p, a, b, output);
}

// b holds alpha: output is a where a >= 0, else a times alpha.
THIMBLE_PARAMS(PreluQuantizedParams, THIMBLE_BROADCAST, input_zero_point, alpha_zero_point, output_zero_point,
               positive_multiplier, positive_shift, negative_multiplier, negative_shift, output_min, output_max);

template <class T>
inline void prelu_quantized(const PreluQuantizedParams& p, const T* input, const int8_t* alpha, T* output) {
  broadcast(p, input, alpha, output, [p](T x, int8_t slope) {
    const int32_t value = x - p.input_zero_point;
    const int32_t scaled =
        value >= 0 ? requantize(value, p.positive_multiplier, p.positive_shift)
                   : requantize(value * (slope - p.alpha_zero_point), p.negative_multiplier, p.negative_shift);
    return static_cast<T>(clamp(scaled + p.output_zero_point, p.output_min, p.output_max));
  });
}
inline void prelu_s8(const PreluQuantizedParams& p, const int8_t* input, const int8_t* alpha, int8_t* output) {
  prelu_quantized(p, input, alpha, output);
}
inline void prelu_s16(const PreluQuantizedParams& p, const int16_t* input, const int8_t* alpha, int16_t* output) {
  prelu_quantized(p, input, alpha, output);
}

}  // namespace device
}  // namespace thimble
