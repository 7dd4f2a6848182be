// Singular value decomposition filter: each input gives one activation per filter, which enters that filter's memory of
// the last `memory` of them (state); output = bias + the sum over a unit's `rank` filters of memory times time weights.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Every filter's memory moves on by one place; the last place is the new activation's. memory: [filters * places].
template <class T>
inline void svdf_shift(T* memory, int32_t filters, int32_t places) {
  for (int32_t f = 0; f < filters; ++f, memory += places)
    for (int32_t i = 0; i + 1 < places; ++i) memory[i] = memory[i + 1];
}

THIMBLE_PARAMS(SvdfF32Params, batch, inputs, filters, rank, memory, activation_min, activation_max);

// input [batch, inputs], feature_weights [filters, inputs], time_weights [filters, memory], bias [filters / rank],
// state [batch, filters, memory], output [batch, filters / rank].
inline void svdf_f32(const SvdfF32Params& p, const float* input, const float* feature_weights,
                     const float* time_weights, const float* bias, float* state, float* output) {
  const float low = float_of(p.activation_min), high = float_of(p.activation_max);
  const int32_t units = p.filters / p.rank;
  svdf_shift(state, p.batch * p.filters, p.memory);
  for (int32_t b = 0; b < p.batch; ++b, input += p.inputs, output += units) {
    const float *weights = feature_weights, *times = time_weights;
    for (int32_t u = 0; u < units; ++u) {
      float sum = bias[u];
      for (int32_t r = 0; r < p.rank; ++r, state += p.memory, times += p.memory, weights += p.inputs) {
        float feature = 0, filtered = 0;
        for (int32_t i = 0; i < p.inputs; ++i) feature += weights[i] * input[i];
        state[p.memory - 1] = feature;
        for (int32_t i = 0; i < p.memory; ++i) filtered += times[i] * state[i];
        sum += filtered;
      }
      output[u] = sum < low ? low : sum > high ? high : sum;
    }
  }
}

THIMBLE_PARAMS(SvdfS8Params, batch, inputs, filters, rank, memory, input_zero_point, state_zero_point, state_multiplier,
               state_shift, output_zero_point, output_multiplier, output_shift);

// As svdf_f32. T: int16 or int8. Arithmetic: TFLite's integer reference, which clamps to the type, not to an
// activation.
template <class T>
inline void svdf_integer(const SvdfS8Params& p, const int8_t* input, const int8_t* feature_weights,
                         const T* time_weights, const int32_t* bias, T* state, int8_t* output) {
  constexpr int32_t kLow = sizeof(T) == 1 ? INT8_MIN : INT16_MIN, kHigh = sizeof(T) == 1 ? INT8_MAX : INT16_MAX;
  const int32_t units = p.filters / p.rank;
  svdf_shift(state, p.batch * p.filters, p.memory);
  for (int32_t b = 0; b < p.batch; ++b, input += p.inputs, output += units) {
    const int8_t* weights = feature_weights;
    const T* times = time_weights;
    for (int32_t u = 0; u < units; ++u) {
      int32_t sum = bias[u];
      for (int32_t r = 0; r < p.rank; ++r, state += p.memory, times += p.memory, weights += p.inputs) {
        int32_t feature = 0, filtered = 0;
        for (int32_t i = 0; i < p.inputs; ++i) feature += weights[i] * (input[i] - p.input_zero_point);
        feature = clamp(requantize(feature, p.state_multiplier, p.state_shift), kLow, kHigh);
        state[p.memory - 1] = static_cast<T>(p.state_zero_point + feature);
        for (int32_t i = 0; i < p.memory; ++i)
          filtered = wrapping_add(filtered, times[i] * (state[i] - p.state_zero_point));
        sum = wrapping_add(sum, filtered);
      }
      const int32_t value = wrapping_add(requantize(sum, p.output_multiplier, p.output_shift), p.output_zero_point);
      output[u] = static_cast<int8_t>(clamp(value, -128, 127));
    }
  }
}

// int16 state and time weights.
inline void svdf_s8(const SvdfS8Params& p, const int8_t* input, const int8_t* feature_weights,
                    const int16_t* time_weights, const int32_t* bias, int16_t* state, int8_t* output) {
  svdf_integer(p, input, feature_weights, time_weights, bias, state, output);
}

// int8 state and time weights.
inline void svdf_state8_s8(const SvdfS8Params& p, const int8_t* input, const int8_t* feature_weights,
                           const int8_t* time_weights, const int32_t* bias, int8_t* state, int8_t* output) {
  svdf_integer(p, input, feature_weights, time_weights, bias, state, output);
}

}  // namespace device
}  // namespace thimble
