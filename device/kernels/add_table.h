// Sum and difference of two int8 tensors of one shape. The input of the larger scale enters the sum in steps of 2^19,
// whatever the scales are, and what the other one brings depends on its byte alone: a table of 256 words. 9
// instructions per element with the DSP instructions, 11 where ties of negative sums count; without the table some 22.
// The portable kernel, which also repeats inputs, takes 60.
#pragma once
#include "device/base/params.h"
#include "device/kernels/requantize_right.h"

namespace thimble {
namespace device {

// step: 2^20, or -2^20 where the steps are subtracted. ties_away: half way between two outputs, the one away from zero
// counts; without it the one above, which is the same where negative sums end at the least output.
THIMBLE_PARAMS(AddTableParams, size, step, multiplier, right_shift, ties_away, output_zero_point, activation_min,
               activation_max);

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
// The doubled sum to int8. offset: zero point << right_shift, and half of 1 << right_shift.
template <bool kTiesAway>
inline int8_t scaled_sum(int32_t doubled, const AddTableParams& p, int32_t offset) {
  int32_t high;
  if (kTiesAway)
    __asm__(
        "smmulr %0, %1, %2\n"
        "add %0, %0, %0, asr #31\n"
        "add %0, %0, %3\n"
        : "=&r"(high)
        : "r"(doubled), "r"(p.multiplier), "r"(offset));
  else
    __asm__("smmlar %0, %1, %2, %3" : "=r"(high) : "r"(doubled), "r"(p.multiplier), "r"(offset));
  high >>= p.right_shift;
  __asm__("ssat %0, #8, %0" : "+r"(high));
  return static_cast<int8_t>(high);
}
#else
template <bool kTiesAway>
inline int8_t scaled_sum(int32_t doubled, const AddTableParams& p, int32_t) {
  const int32_t value = requantize(doubled >> 1, p.multiplier, -p.right_shift) + p.output_zero_point;
  return static_cast<int8_t>(clamp(value, -128, 127));
}
#endif

template <bool kTiesAway>
inline void add_with_table(AddTableParams p, const int8_t* x, const int8_t* other, const int32_t* table,
                           int8_t* output) {
  const int32_t half = p.right_shift > 0 ? 1 << (p.right_shift - 1) : 0;
  const int32_t offset = static_cast<int32_t>(static_cast<uint32_t>(p.output_zero_point) << p.right_shift) + half;
  const auto add = [p, table, offset](int8_t a, int8_t b) {
    return scaled_sum<kTiesAway>(a * p.step + table[static_cast<uint8_t>(b)], p, offset);
  };
  const int8_t* const end = x + p.size;
  for (const int8_t* end_4 = x + p.size / 4 * 4; x != end_4; x += 4, other += 4, output += 4) {
    output[0] = add(x[0], other[0]);
    output[1] = add(x[1], other[1]);
    output[2] = add(x[2], other[2]);
    output[3] = add(x[3], other[3]);
  }
  while (x != end) *output++ = add(*x++, *other++);
}

inline void clamp_values(int32_t size, int32_t least, int32_t most, int8_t* values) {
  if (least == -128 && most == 127) return;
  for (int32_t i = 0; i < size; ++i) values[i] = static_cast<int8_t>(clamp(values[i], least, most));
}

// x: the input of the larger scale. table [256]: for each byte of the other the double of what it brings, less the
// steps of x's zero point. right_shift in [0, 22]. output may be the memory of an input. Arithmetic: TFLite's integer
// reference.
inline void add_table_s8(const AddTableParams& p, const int8_t* x, const int8_t* other, const int32_t* table,
                         int8_t* output) {
  if (p.ties_away)
    add_with_table<true>(p, x, other, table, output);
  else
    add_with_table<false>(p, x, other, table, output);
  clamp_values(p.size, p.activation_min, p.activation_max, output);
}

// start: less the steps of x's zero point. The other input's distance from other_zero_point times other_unit is the
// double of what is scaled by other_multiplier and other_right_shift (1 to 31); other_factor, 2 or -2, doubles that for
// the sum. right_shift in [1, 22].
THIMBLE_PARAMS(AddScaledParams, size, step, start, other_zero_point, other_unit, other_multiplier, other_right_shift,
               other_factor, multiplier, right_shift, output_zero_point, activation_min, activation_max);

// The same without a table.
inline void add_scaled_s8(const AddScaledParams& params, const int8_t* x, const int8_t* other, int8_t* output) {
  const AddScaledParams p = params;
  const AddTableParams sum = {p.size, p.step, p.multiplier, p.right_shift, 1, p.output_zero_point, -128, 127};
  const int32_t zero = static_cast<int32_t>(static_cast<uint32_t>(p.output_zero_point) << p.right_shift),
                offset = zero + (1 << (p.right_shift - 1));
  for (int32_t i = 0; i < p.size; ++i) {
    const int32_t value = (other[i] - p.other_zero_point) * p.other_unit;
    const int32_t brings = requantize_right(value, p.other_multiplier, p.other_right_shift);
    output[i] = scaled_sum<true>(x[i] * p.step + p.start + brings * p.other_factor, sum, offset);
  }
  clamp_values(p.size, p.activation_min, p.activation_max, output);
}

}  // namespace device
}  // namespace thimble
