// Long short-term memory over a sequence, in integers: int8 or int16 activations, int8 weights, int16 cell state.
// Arithmetic: TFLite Micro's reference. The gates stand one after the other in weights, biases and scales: input,
// forget, cell, output.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"
#include "device/base/sigmoid_s16.h"

namespace thimble {
namespace device {

constexpr int32_t kLstmGates = 4;

// Input and output are [batch, steps, ...], or [steps, batch, ...] where time_major. cell_clip: below 0
// for none. cell_steps_*: of sigmoid_steps() for the cell's scale.
THIMBLE_PARAMS(LstmS8Params, batch, steps, inputs, units, time_major, cell_clip, cell_steps_multiplier,
               cell_steps_shift, forget_multiplier, forget_shift, input_multiplier, input_shift, hidden_multiplier,
               hidden_shift, hidden_zero_point);

namespace lstm_detail {

template <class Sum, class T>
inline Sum dot(const T* x, const int8_t* weights, int32_t count) {
  Sum sum = 0;
  for (int32_t i = 0; i < count; ++i) sum += x[i] * weights[i];
  return sum;
}

inline int32_t clamp16(int32_t value) { return clamp(value, INT16_MIN, INT16_MAX); }
inline int32_t limit_of(int8_t) { return 127; }
inline int32_t limit_of(int16_t) { return 32767; }

// T: activations; Sum: int32 for int8, int64 for int16. recurrent_bias may be null.
template <class T, class Sum>
inline void run(const LstmS8Params& p, const T* input, const int8_t* input_weights, const int8_t* recurrent_weights,
                const Sum* bias, const Sum* recurrent_bias, const int32_t* scales, const int16_t* table, T* hidden,
                int16_t* cell, T* output) {
  const int32_t most = limit_of(T{});
  // Q3.12 as it comes out of a gate's sums, Q0.15 behind the sigmoid.
  const auto gate = [&](int32_t g, int32_t u, const T* x, const T* h) {
    const int32_t row = g * p.units + u;
    const Sum from_input = wrapping_add(dot<Sum>(x, input_weights + row * p.inputs, p.inputs), bias[row]);
    Sum from_hidden = dot<Sum>(h, recurrent_weights + row * p.units, p.units);
    if (recurrent_bias) from_hidden = wrapping_add(from_hidden, recurrent_bias[row]);
    const int32_t* scale = scales + 4 * g;
    const int32_t sum = clamp16(clamp16(requantize_sum(from_input, scale[0], scale[1])) +
                                clamp16(requantize_sum(from_hidden, scale[2], scale[3])));
    return static_cast<int32_t>(g == 2 ? tanh_s16(3 * sum, table) : sigmoid_s16(3 * sum, table));
  };
  for (int32_t b = 0; b < p.batch; ++b, hidden += p.units, cell += p.units)
    for (int32_t t = 0; t < p.steps; ++t) {
      const int32_t row = p.time_major ? t * p.batch + b : b * p.steps + t;
      const T* x = input + row * p.inputs;
      T* y = output + row * p.units;
      for (int32_t u = 0; u < p.units; ++u) {
        const int32_t in = gate(0, u, x, hidden), forget = gate(1, u, x, hidden), news = gate(2, u, x, hidden);
        int32_t c = clamp16(clamp16(requantize(forget * cell[u], p.forget_multiplier, p.forget_shift)) +
                            clamp16(requantize(in * news, p.input_multiplier, p.input_shift)));
        if (p.cell_clip >= 0) c = clamp(c, -p.cell_clip, p.cell_clip);
        cell[u] = static_cast<int16_t>(c);
        const int32_t squashed = tanh_s16(sigmoid_steps(c, p.cell_steps_multiplier, p.cell_steps_shift), table);
        const int32_t h = requantize(squashed * gate(3, u, x, hidden), p.hidden_multiplier, p.hidden_shift);
        y[u] = static_cast<T>(clamp(wrapping_add(h, p.hidden_zero_point), -1 - most, most));
      }
      for (int32_t u = 0; u < p.units; ++u) hidden[u] = y[u];
    }
}

}  // namespace lstm_detail

// input_weights [4, units, inputs], recurrent_weights [4, units, units], bias and recurrent_bias [4, units] (with the
// zero points of input and hidden state folded in), scales [4, 4]: multiplier and shift of the input's sums, then of
// the hidden state's, each to Q3.12; table: of sigmoid_s16.h; hidden, cell [batch, units]: state.
inline void lstm_s8(const LstmS8Params& p, const int8_t* input, const int8_t* input_weights,
                    const int8_t* recurrent_weights, const int32_t* bias, const int32_t* recurrent_bias,
                    const int32_t* scales, const int16_t* table, int8_t* hidden, int16_t* cell, int8_t* output) {
  lstm_detail::run(p, input, input_weights, recurrent_weights, bias, recurrent_bias, scales, table, hidden, cell,
                   output);
}

// int16 is symmetric: no zero points.
inline void lstm_s16(const LstmS8Params& p, const int16_t* input, const int8_t* input_weights,
                     const int8_t* recurrent_weights, const int64_t* bias, const int32_t* scales, const int16_t* table,
                     int16_t* hidden, int16_t* cell, int16_t* output) {
  lstm_detail::run(p, input, input_weights, recurrent_weights, bias, static_cast<const int64_t*>(nullptr), scales,
                   table, hidden, cell, output);
}

}  // namespace device
}  // namespace thimble
