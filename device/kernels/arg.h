// Where the largest or least elements are: arg_max, arg_min, top_k.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// Input [outer, count, inner] -> output [outer, inner]. least: 1 finds the least element, 0 the largest.
THIMBLE_PARAMS(ArgParams, outer, count, inner, least);

// The first of equal elements counts.
template <class T, class Index>
inline void arg_extreme(const ArgParams& p, const T* input, Index* output) {
  for (int32_t outer = 0; outer < p.outer; ++outer, input += p.count * p.inner)
    for (int32_t inner = 0; inner < p.inner; ++inner) {
      T best = input[inner];
      Index index = 0;
      for (int32_t i = 1; i < p.count; ++i) {
        const T x = input[i * p.inner + inner];
        if (p.least ? x < best : x > best) {
          best = x;
          index = i;
        }
      }
      *output++ = index;
    }
}

inline void arg_f32_i32(const ArgParams& p, const float* input, int32_t* output) { arg_extreme(p, input, output); }
inline void arg_s8_i32(const ArgParams& p, const int8_t* input, int32_t* output) { arg_extreme(p, input, output); }
inline void arg_s16_i32(const ArgParams& p, const int16_t* input, int32_t* output) { arg_extreme(p, input, output); }
inline void arg_i32_i32(const ArgParams& p, const int32_t* input, int32_t* output) { arg_extreme(p, input, output); }
inline void arg_f32_i64(const ArgParams& p, const float* input, int64_t* output) { arg_extreme(p, input, output); }
inline void arg_s8_i64(const ArgParams& p, const int8_t* input, int64_t* output) { arg_extreme(p, input, output); }
inline void arg_i32_i64(const ArgParams& p, const int32_t* input, int64_t* output) { arg_extreme(p, input, output); }

// input [rows, size] -> values, indices [rows, k], from the largest down; of equal elements the first comes first.
THIMBLE_PARAMS(TopKParams, rows, size, k);

template <class T>
inline void top_k(const TopKParams& p, const T* input, T* values, int32_t* indices) {
  for (int32_t row = 0; row < p.rows; ++row, input += p.size, values += p.k, indices += p.k)
    for (int32_t i = 0; i < p.size; ++i) {
      const T x = input[i];
      int32_t at = i < p.k ? i : p.k;
      if (at == p.k && !(x > values[at - 1])) continue;
      if (at == p.k) --at;
      for (; at > 0 && x > values[at - 1]; --at) {
        values[at] = values[at - 1];
        indices[at] = indices[at - 1];
      }
      values[at] = x;
      indices[at] = i;
    }
}

inline void top_k_f32(const TopKParams& p, const float* input, float* values, int32_t* indices) {
  top_k(p, input, values, indices);
}
inline void top_k_s8(const TopKParams& p, const int8_t* input, int8_t* values, int32_t* indices) {
  top_k(p, input, values, indices);
}
inline void top_k_i32(const TopKParams& p, const int32_t* input, int32_t* values, int32_t* indices) {
  top_k(p, input, values, indices);
}

}  // namespace device
}  // namespace thimble
