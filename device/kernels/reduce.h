// Reductions over any axes: sum, mean, product, maximum, minimum. The host joins neighbouring axes of one kind, so that
// at most three kept and three reduced axes remain; an axis that is not there has extent 1. Elements are folded in
// row-major order.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

// Extents and strides (in elements of the input) of the kept and the reduced axes.
#define THIMBLE_REDUCED_AXES                                                                            \
  kept_0, kept_1, kept_2, kept_stride_0, kept_stride_1, kept_stride_2, reduced_0, reduced_1, reduced_2, \
      reduced_stride_0, reduced_stride_1, reduced_stride_2

namespace thimble {
namespace device {

THIMBLE_PARAMS(ReduceParams, THIMBLE_REDUCED_AXES);

// visit(first element of its window), for each output in turn.
template <class Params, class T, class Visit>
inline void for_each_kept(const Params& p, T* input, Visit&& visit) {
  for (int32_t i = 0; i < p.kept_0; ++i)
    for (int32_t j = 0; j < p.kept_1; ++j) {
      T* corner = input + i * p.kept_stride_0 + j * p.kept_stride_1;
      for (int32_t k = 0; k < p.kept_2; ++k, corner += p.kept_stride_2) visit(corner);
    }
}

// visit(element), for each element of the window at `corner`.
template <class Params, class T, class Visit>
inline void for_each_reduced(const Params& p, T* corner, Visit&& visit) {
  for (int32_t i = 0; i < p.reduced_0; ++i)
    for (int32_t j = 0; j < p.reduced_1; ++j) {
      T* at = corner + i * p.reduced_stride_0 + j * p.reduced_stride_1;
      for (int32_t k = 0; k < p.reduced_2; ++k, at += p.reduced_stride_2) visit(*at);
    }
}

// ---- sum and mean

// sum_offset = input zero point * elements of a window. multiplier and shift hold input scale / output scale, for the
// mean divided by the elements of a window.
THIMBLE_PARAMS(SumQuantizedParams, THIMBLE_REDUCED_AXES, sum_offset, multiplier, shift, output_zero_point);

// Arithmetic: TFLite reference (a sum in 32 bits, which wraps where it overflows, is requantised once).
template <class T>
inline void sum_quantized(const SumQuantizedParams& p, int32_t low, int32_t high, const T* input, T* output) {
  for_each_kept(p, input, [&](const T* corner) {
    uint32_t sum = 0u - static_cast<uint32_t>(p.sum_offset);
    for_each_reduced(p, corner, [&](T x) { sum += static_cast<uint32_t>(static_cast<int32_t>(x)); });
    const int32_t value = requantize(static_cast<int32_t>(sum), p.multiplier, p.shift) + p.output_zero_point;
    *output++ = static_cast<T>(clamp(value, low, high));
  });
}

inline void sum_s8(const SumQuantizedParams& p, const int8_t* input, int8_t* output) {
  sum_quantized(p, -128, 127, input, output);
}
inline void sum_s16(const SumQuantizedParams& p, const int16_t* input, int16_t* output) {
  sum_quantized(p, -32768, 32767, input, output);
}

// divisor: 1, or for the mean the elements of a window.
THIMBLE_PARAMS(SumParams, THIMBLE_REDUCED_AXES, divisor);

inline void sum_f32(const SumParams& p, const float* input, float* output) {
  const auto divisor = static_cast<float>(p.divisor);
  for_each_kept(p, input, [&](const float* corner) {
    float sum = 0;
    for_each_reduced(p, corner, [&](float x) { sum += x; });
    *output++ = sum / divisor;
  });
}

// The mean is rounded towards zero.
inline void sum_i32(const SumParams& p, const int32_t* input, int32_t* output) {
  for_each_kept(p, input, [&](const int32_t* corner) {
    int64_t sum = 0;
    for_each_reduced(p, corner, [&](int32_t x) { sum += x; });
    *output++ = static_cast<int32_t>(p.divisor == 1 ? sum : sum / p.divisor);
  });
}

inline void sum_i64(const SumParams& p, const int64_t* input, int64_t* output) {
  for_each_kept(p, input, [&](const int64_t* corner) {
    uint64_t sum = 0;
    for_each_reduced(p, corner, [&](int64_t x) { sum += static_cast<uint64_t>(x); });
    *output++ = p.divisor == 1 ? static_cast<int64_t>(sum) : static_cast<int64_t>(sum) / p.divisor;
  });
}

// ---- maximum, minimum; of conditions (0, 1): any, all

template <class T>
struct Maximum {
  static T next(T top, T x) { return x > top ? x : top; }
};
template <class T>
struct Minimum {
  static T next(T bottom, T x) { return x < bottom ? x : bottom; }
};

// start: what an element is compared with first; of floats the least or greatest finite number, as the reference has
// it.
template <template <class> class Fold, class T>
inline void reduce_extreme(const ReduceParams& p, T start, const T* input, T* output) {
  for_each_kept(p, input, [&](const T* corner) {
    T value = start;
    for_each_reduced(p, corner, [&](T x) { value = Fold<T>::next(value, x); });
    *output++ = value;
  });
}

constexpr float kLargestFloat = 3.402823466e38f;

inline void reduce_max_f32(const ReduceParams& p, const float* input, float* output) {
  reduce_extreme<Maximum>(p, -kLargestFloat, input, output);
}
inline void reduce_max_s8(const ReduceParams& p, const int8_t* input, int8_t* output) {
  reduce_extreme<Maximum>(p, static_cast<int8_t>(-128), input, output);
}
inline void reduce_max_s16(const ReduceParams& p, const int16_t* input, int16_t* output) {
  reduce_extreme<Maximum>(p, static_cast<int16_t>(-32768), input, output);
}
inline void reduce_max_i32(const ReduceParams& p, const int32_t* input, int32_t* output) {
  reduce_extreme<Maximum>(p, static_cast<int32_t>(INT32_MIN), input, output);
}
inline void reduce_max_i64(const ReduceParams& p, const int64_t* input, int64_t* output) {
  reduce_extreme<Maximum>(p, static_cast<int64_t>(INT64_MIN), input, output);
}
inline void reduce_max_u8(const ReduceParams& p, const uint8_t* input, uint8_t* output) {
  reduce_extreme<Maximum>(p, static_cast<uint8_t>(0), input, output);
}

inline void reduce_min_f32(const ReduceParams& p, const float* input, float* output) {
  reduce_extreme<Minimum>(p, kLargestFloat, input, output);
}
inline void reduce_min_s8(const ReduceParams& p, const int8_t* input, int8_t* output) {
  reduce_extreme<Minimum>(p, static_cast<int8_t>(127), input, output);
}
inline void reduce_min_s16(const ReduceParams& p, const int16_t* input, int16_t* output) {
  reduce_extreme<Minimum>(p, static_cast<int16_t>(32767), input, output);
}
inline void reduce_min_i32(const ReduceParams& p, const int32_t* input, int32_t* output) {
  reduce_extreme<Minimum>(p, static_cast<int32_t>(INT32_MAX), input, output);
}
inline void reduce_min_i64(const ReduceParams& p, const int64_t* input, int64_t* output) {
  reduce_extreme<Minimum>(p, static_cast<int64_t>(INT64_MAX), input, output);
}
inline void reduce_min_u8(const ReduceParams& p, const uint8_t* input, uint8_t* output) {
  reduce_extreme<Minimum>(p, static_cast<uint8_t>(255), input, output);
}

// ---- product

inline void reduce_prod_f32(const ReduceParams& p, const float* input, float* output) {
  for_each_kept(p, input, [&](const float* corner) {
    float product = 1;
    for_each_reduced(p, corner, [&](float x) { product *= x; });
    *output++ = product;
  });
}
// Products wrap where they overflow.
template <class Unsigned, class T>
inline void prod_integer(const ReduceParams& p, const T* input, T* output) {
  for_each_kept(p, input, [&](const T* corner) {
    Unsigned product = 1;
    for_each_reduced(p, corner, [&](T x) { product *= static_cast<Unsigned>(x); });
    *output++ = static_cast<T>(product);
  });
}
inline void reduce_prod_i32(const ReduceParams& p, const int32_t* input, int32_t* output) {
  prod_integer<uint32_t>(p, input, output);
}
inline void reduce_prod_i64(const ReduceParams& p, const int64_t* input, int64_t* output) {
  prod_integer<uint64_t>(p, input, output);
}

// multiplier in [0, 32767] and shift: input scale / (output scale)^(1 / elements of a window), in 16 bits.
THIMBLE_PARAMS(ProdQuantizedParams, THIMBLE_REDUCED_AXES, input_zero_point, multiplier, shift, output_zero_point);

// Arithmetic: TFLite reference. The product is rescaled after every factor but the last, and once at the end.
template <class T>
inline void prod_quantized(const ProdQuantizedParams& p, int32_t low, int32_t high, const T* input, T* output) {
  const int32_t total_shift = 15 - p.shift;
  const auto rescale = [&](int64_t x) {
    const uint64_t product = static_cast<uint64_t>(x) * static_cast<uint64_t>(p.multiplier);
    return static_cast<int32_t>(static_cast<int64_t>(product + (uint64_t{1} << (total_shift - 1))) >> total_shift);
  };
  for_each_kept(p, input, [&](const T* corner) {
    int32_t product = 0;
    bool first = true;
    for_each_reduced(p, corner, [&](T x) {
      const int32_t centred = static_cast<int32_t>(x) - p.input_zero_point;
      product = first ? centred : rescale(static_cast<int64_t>(product) * centred);
      first = false;
    });
    const int64_t value = static_cast<int64_t>(rescale(product)) + p.output_zero_point;
    *output++ = static_cast<T>(value < low ? low : value > high ? high : value);
  });
}

inline void reduce_prod_s8(const ProdQuantizedParams& p, const int8_t* input, int8_t* output) {
  prod_quantized(p, -128, 127, input, output);
}
inline void reduce_prod_s16(const ProdQuantizedParams& p, const int16_t* input, int16_t* output) {
  prod_quantized(p, -32768, 32767, input, output);
}

}  // namespace device
}  // namespace thimble
