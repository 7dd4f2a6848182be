// Comparisons, logic and selection, with broadcasting. Conditions are bytes, 0 or 1.
#pragma once
#include "device/base/fixed_point.h"
#include "device/kernels/broadcast.h"

namespace thimble {
namespace device {

// The numbers are part of stored plans.
enum class Comparison : int32_t { equal = 0, not_equal = 1, less = 2, less_equal = 3, greater = 4, greater_equal = 5 };

template <class T>
inline uint8_t compare(Comparison comparison, T x, T y) {
  switch (comparison) {
    case Comparison::equal:
      return x == y;
    case Comparison::not_equal:
      return x != y;
    case Comparison::less:
      return x < y;
    case Comparison::less_equal:
      return x <= y;
    case Comparison::greater:
      return x > y;
    default:
      return x >= y;
  }
}

// comparison: a Comparison.
THIMBLE_PARAMS(CompareParams, THIMBLE_BROADCAST, comparison);

template <class T>
inline void compare_each(const CompareParams& p, const T* a, const T* b, uint8_t* output) {
  broadcast(p, a, b, output, [p](T x, T y) { return compare<T>(static_cast<Comparison>(p.comparison), x, y); });
}
inline void compare_f32(const CompareParams& p, const float* a, const float* b, uint8_t* output) {
  compare_each(p, a, b, output);
}
inline void compare_i32(const CompareParams& p, const int32_t* a, const int32_t* b, uint8_t* output) {
  compare_each(p, a, b, output);
}
inline void compare_i64(const CompareParams& p, const int64_t* a, const int64_t* b, uint8_t* output) {
  compare_each(p, a, b, output);
}
inline void compare_s16(const CompareParams& p, const int16_t* a, const int16_t* b, uint8_t* output) {
  compare_each(p, a, b, output);
}
inline void compare_u8(const CompareParams& p, const uint8_t* a, const uint8_t* b, uint8_t* output) {
  compare_each(p, a, b, output);
}

// Both inputs with 8 extra bits times their scales.
THIMBLE_PARAMS(CompareS8Params, THIMBLE_BROADCAST, comparison, a_zero_point, a_multiplier, a_shift, b_zero_point,
               b_multiplier, b_shift);
inline void compare_s8(const CompareS8Params& p, const int8_t* a, const int8_t* b, uint8_t* output) {
  broadcast(p, a, b, output, [p](int8_t x, int8_t y) {
    const int32_t scaled_x = requantize((x - p.a_zero_point) * 256, p.a_multiplier, p.a_shift);
    const int32_t scaled_y = requantize((y - p.b_zero_point) * 256, p.b_multiplier, p.b_shift);
    return compare<int32_t>(static_cast<Comparison>(p.comparison), scaled_x, scaled_y);
  });
}

THIMBLE_PARAMS(LogicalParams, THIMBLE_BROADCAST, both);
// both: and, else or.
inline void logical_u8(const LogicalParams& p, const uint8_t* a, const uint8_t* b, uint8_t* output) {
  broadcast(p, a, b, output,
            [p](uint8_t x, uint8_t y) { return static_cast<uint8_t>(p.both ? x != 0 && y != 0 : x != 0 || y != 0); });
}

// a and b where the condition is true and false. c_repeats: of the condition.
THIMBLE_PARAMS(SelectParams, THIMBLE_BROADCAST, c_repeats);

template <class T>
inline void select(const SelectParams& p, const uint8_t* condition, const T* a, const T* b, T* output) {
  const int32_t extents[kBroadcastAxes] = {p.extent_0, p.extent_1, p.extent_2, p.extent_3, p.extent_4, p.extent_5};
  const BroadcastSteps a_steps(extents, p.a_repeats), b_steps(extents, p.b_repeats), c_steps(extents, p.c_repeats);
  int32_t index[kBroadcastAxes] = {};
  for (;;) {
    for (int32_t i = 0; i < extents[0]; ++i)
      output[i] = condition[i * c_steps.step[0]] ? a[i * a_steps.step[0]] : b[i * b_steps.step[0]];
    output += extents[0];
    const int32_t axis = advance(index, extents);
    if (axis == kBroadcastAxes) break;
    a = next_row(a, a_steps, extents, axis);
    b = next_row(b, b_steps, extents, axis);
    condition = next_row(condition, c_steps, extents, axis);
  }
}
// By the size of an element, whatever it means.
inline void select_8(const SelectParams& p, const uint8_t* condition, const void* a, const void* b, void* output) {
  select(p, condition, static_cast<const uint8_t*>(a), static_cast<const uint8_t*>(b), static_cast<uint8_t*>(output));
}
inline void select_16(const SelectParams& p, const uint8_t* condition, const void* a, const void* b, void* output) {
  select(p, condition, static_cast<const int16_t*>(a), static_cast<const int16_t*>(b), static_cast<int16_t*>(output));
}
inline void select_32(const SelectParams& p, const uint8_t* condition, const void* a, const void* b, void* output) {
  select(p, condition, static_cast<const int32_t*>(a), static_cast<const int32_t*>(b), static_cast<int32_t*>(output));
}
inline void select_64(const SelectParams& p, const uint8_t* condition, const void* a, const void* b, void* output) {
  select(p, condition, static_cast<const int64_t*>(a), static_cast<const int64_t*>(b), static_cast<int64_t*>(output));
}

}  // namespace device
}  // namespace thimble
