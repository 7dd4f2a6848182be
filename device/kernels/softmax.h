// output[r, i] = exp(beta * input[r, i]) / sum_j exp(beta * input[r, j]), and its logarithm (log_softmax).
#pragma once
#include "device/base/exp_f32.h"
#include "device/base/fixed_point_functions.h"
#include "device/base/math_f32.h"
#include "device/base/table_s16.h"

namespace thimble {
namespace device {

// Of the sum of exponentials, Q12.19. An exponential below half its last place counts in neither sum nor output.
constexpr int32_t kSoftmaxSumIntegerBits = 12;

// entries: of the table; differences beyond it count as nothing.
THIMBLE_PARAMS(SoftmaxS8Params, rows, depth, entries);

// input, output [rows, depth], may be the same memory; output scale 1/256, zero point -128. exp_table [entries]: exp of
// minus d input steps as Q0.31. Arithmetic: TFLite int8 reference.
inline void softmax_s8(const SoftmaxS8Params& p, const int8_t* input, const int32_t* exp_table, int8_t* output) {
  constexpr int32_t kSumIntegerBits = kSoftmaxSumIntegerBits;
  const auto exp_of = [&p, exp_table](int32_t d) { return d < p.entries ? exp_table[d] : 0; };
  for (int32_t row = 0; row < p.rows; ++row) {
    int32_t top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    uint64_t sum = 0;
    for (int32_t i = 0; i < p.depth; ++i)
      sum += static_cast<uint32_t>(rounding_divide_by_pot(exp_of(top - input[i]), kSumIntegerBits));
    // From 512 on all shares round to nothing, so that the sum may stop here.
    if (sum > UINT32_MAX) sum = UINT32_MAX;
    const Reciprocal scale = reciprocal(static_cast<int32_t>(static_cast<uint32_t>(sum)), kSumIntegerBits);
    const int32_t exponent = scale.exponent + 31 - 8;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t product = rounding_doubling_high_mul(scale.mantissa, exp_of(top - input[i]));
      // Beyond 31 every share is below half a step.
      const int32_t share = exponent > 31 ? 0 : rounding_divide_by_pot(product, exponent);
      output[i] = static_cast<int8_t>(clamp(share - 128, -128, 127));
    }
    input += p.depth;
    output += p.depth;
  }
}

// input_multiplier and input_shift bring a difference of inputs to the exponential table's range: -65535 is -10.
THIMBLE_PARAMS(SoftmaxS16Params, rows, depth, input_multiplier, input_shift);

// input, output [rows, depth], may be the same memory; output scale 1/32768, zero point 0. exp_table [513]: exp on
// [-10, 0]; reciprocal_table [513]: 1 / (1 + x) on [0, 1]. depth < 65536. Arithmetic: TFLite int16 reference.
inline void softmax_s16(const SoftmaxS16Params& p, const int16_t* input, const int16_t* exp_table,
                        const int16_t* reciprocal_table, int16_t* output) {
  for (int32_t row = 0; row < p.rows; ++row) {
    int32_t top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    int32_t sum = 0;  // Q16.15
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t scaled = requantize(input[i] - top, p.input_multiplier, p.input_shift);
      const int32_t centred = scaled > 0 ? 32767 : scaled < -65535 ? -32768 : scaled + 32767;
      output[i] = lookup_s16(centred, exp_table);
      sum += output[i];
    }
    const int32_t zeros = __builtin_clz(static_cast<uint32_t>(sum));
    const int32_t mantissa =
        static_cast<int32_t>(((static_cast<int64_t>(sum) << (zeros - 1)) + (1 << 13)) >> 14) - ((1 << 15) + (1 << 16));
    const int32_t share = lookup_s16(clamp(mantissa, -32768, 32767), reciprocal_table);
    const int32_t shift = 31 - zeros;
    for (int32_t i = 0; i < p.depth; ++i)
      output[i] = static_cast<int16_t>(clamp((output[i] * share + (1 << (shift - 1))) >> shift, 0, 32767));
    input += p.depth;
    output += p.depth;
  }
}

// beta: bits of a float.
THIMBLE_PARAMS(SoftmaxF32Params, rows, depth, beta);

// input, output [rows, depth], may be the same memory.
inline void softmax_f32(const SoftmaxF32Params& p, const float* input, float* output) {
  const float beta = float_of(p.beta);
  for (int32_t row = 0; row < p.rows; ++row) {
    float top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    float sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) {
      output[i] = exp_f32((input[i] - top) * beta);
      sum += output[i];
    }
    for (int32_t i = 0; i < p.depth; ++i) output[i] /= sum;
    input += p.depth;
    output += p.depth;
  }
}

// input_multiplier and input_shift bring a difference of inputs to Q5.26, inverse_multiplier and inverse_shift back;
// differences below least_difference count as nothing.
THIMBLE_PARAMS(LogSoftmaxS8Params, rows, depth, input_multiplier, input_shift, inverse_multiplier, inverse_shift,
               least_difference);

// input, output [rows, depth], may be the same memory; output scale 16/256, zero point 127. exp_table as in softmax_s8.
// depth < 4096. Arithmetic: TFLite int8 reference.
inline void log_softmax_s8(const LogSoftmaxS8Params& p, const int8_t* input, const int32_t* exp_table, int8_t* output) {
  constexpr int32_t kSumIntegerBits = 12, kOutputShift = 22;
  for (int32_t row = 0; row < p.rows; ++row) {
    int32_t top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    int32_t sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) sum += rounding_divide_by_pot(exp_table[top - input[i]], kSumIntegerBits);
    const int32_t log_sum = log_at_least_one(sum);
    const int32_t representable = requantize(static_cast<int32_t>(static_cast<uint32_t>(log_sum) + (1u << 31)),
                                             p.inverse_multiplier, p.inverse_shift);
    const int32_t least = p.least_difference - 1 > representable ? p.least_difference - 1 : representable;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t difference = input[i] - top;
      int32_t value = -128;
      if (difference > least) {
        const int32_t scaled = requantize(difference, p.input_multiplier, p.input_shift);
        value = clamp(rounding_divide_by_pot(scaled - log_sum, kOutputShift) + 127, -128, 127);
      }
      output[i] = static_cast<int8_t>(value);
    }
    input += p.depth;
    output += p.depth;
  }
}

THIMBLE_PARAMS(LogSoftmaxF32Params, rows, depth);

// input, output [rows, depth], may be the same memory.
inline void log_softmax_f32(const LogSoftmaxF32Params& p, const float* input, float* output) {
  for (int32_t row = 0; row < p.rows; ++row) {
    float top = input[0];
    for (int32_t i = 1; i < p.depth; ++i) top = input[i] > top ? input[i] : top;
    float sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) sum += exp_f32(input[i] - top);
    const float log_sum = log_of(sum);
    for (int32_t i = 0; i < p.depth; ++i) output[i] = input[i] - top - log_sum;
    input += p.depth;
    output += p.depth;
  }
}

}  // namespace device
}  // namespace thimble
