// Recurrent layers over a sequence, in float32: LSTM, GRU and the simple one. Gates stand one after the other in
// weights and biases.
#pragma once
#include "device/base/math_f32.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Input and output are [batch, steps, ...], or [steps, batch, ...] where time_major; reverse: from the last step to the
// first. cell_clip (LSTM): bits of the largest cell state, 0 for none. reset_after (GRU): the reset gate acts on the
// hidden state's product, not on the hidden state. relu (simple): instead of tanh.
THIMBLE_PARAMS(RecurrentF32Params, batch, steps, inputs, units, time_major, reverse, option);

namespace recurrent_detail {

inline float dot(const float* x, const float* weights, int32_t count) {
  float sum = 0;
  for (int32_t i = 0; i < count; ++i) sum += x[i] * weights[i];
  return sum;
}

// For each sequence of the batch: step(b, x, y) in the order of time, where x are the inputs and y [units] takes the
// new hidden state, which it then becomes.
template <class Step>
inline void for_each_step(const RecurrentF32Params& p, const float* input, float* hidden, float* output,
                          const Step& step) {
  for (int32_t b = 0; b < p.batch; ++b)
    for (int32_t t = 0; t < p.steps; ++t) {
      const int32_t time = p.reverse ? p.steps - 1 - t : t;
      const int32_t row = p.time_major ? time * p.batch + b : b * p.steps + time;
      float *y = output + row * p.units, *h = hidden + b * p.units;
      step(b, input + row * p.inputs, h, y);
      for (int32_t u = 0; u < p.units; ++u) h[u] = y[u];
    }
}

inline void copy(const float* from, float* to, int32_t count) {
  for (int32_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace recurrent_detail

// Gates: input, forget, cell, output. input_weights [4, units, inputs], recurrent_weights [4, units, units], bias
// [4, units]; hidden and cell [batch, units] start as first_hidden and first_cell (which may be the same memory) and
// end as the last step leaves them.
inline void lstm_f32(const RecurrentF32Params& p, const float* input, const float* input_weights,
                     const float* recurrent_weights, const float* bias, const float* first_hidden,
                     const float* first_cell, float* hidden, float* cell, float* output) {
  using namespace recurrent_detail;
  copy(first_hidden, hidden, p.batch * p.units);
  copy(first_cell, cell, p.batch * p.units);
  const float clip = float_of(p.option);
  for_each_step(p, input, hidden, output, [&](int32_t b, const float* x, const float* h, float* y) {
    const auto gate = [&](int32_t g, int32_t u) {
      const int32_t row = g * p.units + u;
      return dot(x, input_weights + row * p.inputs, p.inputs) + bias[row] +
             dot(h, recurrent_weights + row * p.units, p.units);
    };
    float* c = cell + b * p.units;
    for (int32_t u = 0; u < p.units; ++u) {
      float value = logistic_of(gate(1, u)) * c[u] + logistic_of(gate(0, u)) * tanh_of(gate(2, u));
      if (clip > 0) value = value < -clip ? -clip : value > clip ? clip : value;
      c[u] = value;
      y[u] = tanh_of(value) * logistic_of(gate(3, u));
    }
  });
}

// Gates: update, reset, candidate. bias and recurrent_bias [3, units]; scratch [2, units].
inline void gru_f32(const RecurrentF32Params& p, const float* input, const float* input_weights,
                    const float* recurrent_weights, const float* bias, const float* recurrent_bias,
                    const float* first_hidden, float* hidden, float* output, float* scratch) {
  using namespace recurrent_detail;
  copy(first_hidden, hidden, p.batch * p.units);
  float *reset = scratch, *kept = scratch + p.units;
  for_each_step(p, input, hidden, output, [&](int32_t, const float* x, const float* h, float* y) {
    const auto from_input = [&](int32_t row) { return dot(x, input_weights + row * p.inputs, p.inputs) + bias[row]; };
    const auto from_hidden = [&](int32_t row, const float* state) {
      return dot(state, recurrent_weights + row * p.units, p.units) + recurrent_bias[row];
    };
    for (int32_t u = 0; u < p.units; ++u) {
      reset[u] = logistic_of(from_input(p.units + u) + from_hidden(p.units + u, h));
      kept[u] = reset[u] * h[u];
    }
    for (int32_t u = 0; u < p.units; ++u) {
      const int32_t row = 2 * p.units + u;
      const float recurrent = p.option ? reset[u] * from_hidden(row, h) : from_hidden(row, kept);
      const float update = logistic_of(from_input(u) + from_hidden(u, h));
      y[u] = (1.0f - update) * tanh_of(from_input(row) + recurrent) + update * h[u];
    }
  });
}

// bias [units].
inline void simple_rnn_f32(const RecurrentF32Params& p, const float* input, const float* input_weights,
                           const float* recurrent_weights, const float* bias, const float* first_hidden, float* hidden,
                           float* output) {
  using namespace recurrent_detail;
  copy(first_hidden, hidden, p.batch * p.units);
  for_each_step(p, input, hidden, output, [&](int32_t, const float* x, const float* h, float* y) {
    for (int32_t u = 0; u < p.units; ++u) {
      const float sum =
          dot(x, input_weights + u * p.inputs, p.inputs) + bias[u] + dot(h, recurrent_weights + u * p.units, p.units);
      y[u] = p.option ? (sum < 0 ? 0.0f : sum) : tanh_of(sum);
    }
  });
}

}  // namespace device
}  // namespace thimble
