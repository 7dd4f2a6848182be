// From one type of numbers to another, element by element: casts, quantisation, its inverse, and from one scale to
// another. input and output [size] may be the same memory where their elements have one size.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/math_f32.h"

namespace thimble {
namespace device {

// The numbers are part of stored plans.
enum class NumberType : int32_t { f32 = 0, i8 = 1, u8 = 2, i16 = 3, i32 = 4, i64 = 5, boolean = 6 };

// ---- casts: towards 0, and whole numbers keep their low bits

// What does not fit gives the least number, as on the machines that the reference is tested on.
inline int64_t whole_of(float x, bool wide) {
  const float limit = wide ? 9223372036854775808.0f : 2147483648.0f;
  if (!(x < limit && x >= -limit)) return wide ? INT64_MIN : INT32_MIN;
  if (abs_of(x) < 2147483648.0f) return static_cast<int32_t>(x);
  const SplitFloat split = split_float(x);  // a mantissa shifted left: no fraction left here
  const uint64_t size = static_cast<uint64_t>(split.mantissa) << split.exponent;
  return static_cast<int64_t>(x < 0 ? 0 - size : size);
}

// The nearest float, in 32-bit steps: a core without 64-bit conversions needs no helper.
inline float real_of(int64_t x) {
  const uint64_t size = x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
  int32_t shift = 0;
  uint64_t top = size;
  for (; top >> 32; top >>= 1) ++shift;
  // What was shifted out only matters as "more than nothing".
  const bool lost = shift > 0 && (size & ((uint64_t{1} << shift) - 1)) != 0;
  const float value = static_cast<float>(static_cast<uint32_t>(top) | (lost ? 1u : 0u)) * float_of((127 + shift) << 23);
  return x < 0 ? -value : value;
}

template <class To, class From>
struct Cast {
  static To of(From x) { return static_cast<To>(x); }
};
template <class To>
struct Cast<To, float> {
  static To of(float x) { return static_cast<To>(whole_of(x, sizeof(To) == 8)); }
};
template <>
struct Cast<float, float> {
  static float of(float x) { return x; }
};
template <>
struct Cast<float, int64_t> {
  static float of(int64_t x) { return real_of(x); }
};

template <class To, class From>
inline void cast_each(int32_t size, const From* input, void* output) {
  To* to = static_cast<To*>(output);
  for (int32_t i = 0; i < size; ++i) to[i] = Cast<To, From>::of(input[i]);
}

// to: a NumberType.
THIMBLE_PARAMS(CastParams, size, to);

template <class From>
inline void cast_from(const CastParams& p, const From* input, void* output) {
  switch (static_cast<NumberType>(p.to)) {
    case NumberType::f32:
      return cast_each<float>(p.size, input, output);
    case NumberType::i8:
      return cast_each<int8_t>(p.size, input, output);
    case NumberType::u8:
      return cast_each<uint8_t>(p.size, input, output);
    case NumberType::i16:
      return cast_each<int16_t>(p.size, input, output);
    case NumberType::i32:
      return cast_each<int32_t>(p.size, input, output);
    case NumberType::i64:
      return cast_each<int64_t>(p.size, input, output);
    default:
      break;
  }
  uint8_t* to = static_cast<uint8_t*>(output);
  for (int32_t i = 0; i < p.size; ++i) to[i] = input[i] != 0;
}
inline void cast_f32(const CastParams& p, const float* input, void* output) { cast_from(p, input, output); }
inline void cast_s8(const CastParams& p, const int8_t* input, void* output) { cast_from(p, input, output); }
inline void cast_u8(const CastParams& p, const uint8_t* input, void* output) { cast_from(p, input, output); }
inline void cast_s16(const CastParams& p, const int16_t* input, void* output) { cast_from(p, input, output); }
inline void cast_i32(const CastParams& p, const int32_t* input, void* output) { cast_from(p, input, output); }
inline void cast_i64(const CastParams& p, const int64_t* input, void* output) { cast_from(p, input, output); }

// ---- quantisation

// scale: bits of a float. to: int8, uint8 or int16.
THIMBLE_PARAMS(QuantizeF32Params, size, to, scale, zero_point);

template <class To>
inline void quantize_each(const QuantizeF32Params& p, const float* input, void* output, int32_t least, int32_t most) {
  To* to = static_cast<To*>(output);
  const float scale = float_of(p.scale);
  const int32_t zero_point = p.zero_point;
  for (int32_t i = 0; i < p.size; ++i) {
    const int32_t steps = clamp(round_to_int32(input[i] / scale), -100000, 100000);
    to[i] = static_cast<To>(clamp(steps + zero_point, least, most));
  }
}
inline void quantize_f32(const QuantizeF32Params& p, const float* input, void* output) {
  if (p.to == static_cast<int32_t>(NumberType::i8)) return quantize_each<int8_t>(p, input, output, -128, 127);
  if (p.to == static_cast<int32_t>(NumberType::u8)) return quantize_each<uint8_t>(p, input, output, 0, 255);
  quantize_each<int16_t>(p, input, output, -32768, 32767);
}

THIMBLE_PARAMS(DequantizeParams, size, scale, zero_point);

template <class From>
inline void dequantize_each(const DequantizeParams& p, const From* input, float* output) {
  const float scale = float_of(p.scale);
  for (int32_t i = 0; i < p.size; ++i) output[i] = scale * static_cast<float>(input[i] - p.zero_point);
}
inline void dequantize_s8(const DequantizeParams& p, const int8_t* input, float* output) {
  dequantize_each(p, input, output);
}
inline void dequantize_u8(const DequantizeParams& p, const uint8_t* input, float* output) {
  dequantize_each(p, input, output);
}
inline void dequantize_s16(const DequantizeParams& p, const int16_t* input, float* output) {
  dequantize_each(p, input, output);
}

// ---- from one scale to another

THIMBLE_PARAMS(RequantizeParams, size, to, input_zero_point, output_zero_point, multiplier, shift);

template <class To, class From>
inline void requantize_each(const RequantizeParams& p, const From* input, void* output, int32_t least, int32_t most) {
  To* to = static_cast<To*>(output);
  const RequantizeParams q = p;
  for (int32_t i = 0; i < q.size; ++i) {
    const uint32_t centred = static_cast<uint32_t>(input[i]) - static_cast<uint32_t>(q.input_zero_point);
    const int32_t scaled = requantize(static_cast<int32_t>(centred), q.multiplier, q.shift);
    const uint32_t value = static_cast<uint32_t>(scaled) + static_cast<uint32_t>(q.output_zero_point);
    to[i] = static_cast<To>(clamp(static_cast<int32_t>(value), least, most));
  }
}
template <class From>
inline void requantize_from(const RequantizeParams& p, const From* input, void* output) {
  switch (static_cast<NumberType>(p.to)) {
    case NumberType::i8:
      return requantize_each<int8_t>(p, input, output, -128, 127);
    case NumberType::u8:
      return requantize_each<uint8_t>(p, input, output, 0, 255);
    case NumberType::i16:
      return requantize_each<int16_t>(p, input, output, -32768, 32767);
    default:
      return requantize_each<int32_t>(p, input, output, INT32_MIN, INT32_MAX);
  }
}
inline void requantize_s8(const RequantizeParams& p, const int8_t* input, void* output) {
  requantize_from(p, input, output);
}
inline void requantize_u8(const RequantizeParams& p, const uint8_t* input, void* output) {
  requantize_from(p, input, output);
}
inline void requantize_s16(const RequantizeParams& p, const int16_t* input, void* output) {
  requantize_from(p, input, output);
}
inline void requantize_i32(const RequantizeParams& p, const int32_t* input, void* output) {
  requantize_from(p, input, output);
}

}  // namespace device
}  // namespace thimble
