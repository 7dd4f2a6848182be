// Cases of the recurrent layers, with their formulas in double.
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

struct Sizes {
  size_t steps, batch, inputs, units;
  bool time_major = true, reverse = false;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// sums(gate, u): of input and bias, and of the hidden state, before any activation.
struct Step {
  const Sizes& size;
  const std::vector<float>&weights, &recurrent, &bias;
  const float* x;
  const std::vector<double>& hidden;

  double from_input(size_t row) const {
    double sum = bias.empty() ? 0 : bias[row];
    for (size_t i = 0; i < size.inputs; ++i) sum += static_cast<double>(weights[row * size.inputs + i]) * x[i];
    return sum;
  }
  double from_hidden(size_t row, const std::vector<double>& state) const {
    double sum = 0;
    for (size_t i = 0; i < size.units; ++i) sum += recurrent[row * size.units + i] * state[i];
    return sum;
  }
  double both(size_t row) const { return from_input(row) + from_hidden(row, hidden); }
};

// next(step, hidden, cell) gives the new hidden state.
template <class Next>
Values run(const Sizes& size, const Values& in, const std::vector<float>& first_hidden,
           const std::vector<float>& first_cell, bool gives_cell, const Next& next) {
  Values outputs(gives_cell ? 3 : 2);
  outputs[0].resize(size.steps * size.batch * size.units);
  for (size_t b = 0; b < size.batch; ++b) {
    const auto state = [&](const std::vector<float>& first) {
      std::vector<double> values(size.units, 0);
      for (size_t u = 0; u < size.units && !first.empty(); ++u) values[u] = first[b * size.units + u];
      return values;
    };
    std::vector<double> hidden = state(first_hidden), cell = state(first_cell);
    for (size_t t = 0; t < size.steps; ++t) {
      const size_t time = size.reverse ? size.steps - 1 - t : t;
      const size_t row = size.time_major ? time * size.batch + b : b * size.steps + time;
      const Step step{size, in[1], in[2], in.size() > 3 ? in[3] : first_cell, in[0].data() + row * size.inputs, hidden};
      const std::vector<double> now = next(step, cell);
      hidden = now;
      for (size_t u = 0; u < size.units; ++u) outputs[0][row * size.units + u] = static_cast<float>(hidden[u]);
    }
    for (double h : hidden) outputs[1].push_back(static_cast<float>(h));
    if (gives_cell)
      for (double c : cell) outputs[2].push_back(static_cast<float>(c));
  }
  return outputs;
}

std::vector<double> lstm_step(const Step& step, std::vector<double>& cell) {
  const size_t units = step.size.units;
  std::vector<double> hidden(units);
  for (size_t u = 0; u < units; ++u) {
    cell[u] = sigmoid(step.both(units + u)) * cell[u] + sigmoid(step.both(u)) * std::tanh(step.both(2 * units + u));
    hidden[u] = std::tanh(cell[u]) * sigmoid(step.both(3 * units + u));
  }
  return hidden;
}

Values lstm_reference(const Sizes& size, const Values& in, bool initial) {
  const std::vector<float> none;
  return run(size, in, initial ? in[4] : none, initial ? in[5] : none, true, lstm_step);
}

Values gru_reference(const Sizes& size, const Values& in, bool reset_after) {
  const std::vector<float> none;
  const auto step = [&](const Step& s, std::vector<double>&) {
    const size_t units = size.units;
    std::vector<double> reset(units), kept(units), hidden(units);
    for (size_t u = 0; u < units; ++u) {
      reset[u] = sigmoid(s.both(units + u) + in[4][units + u]);
      kept[u] = reset[u] * s.hidden[u];
    }
    for (size_t u = 0; u < units; ++u) {
      const size_t row = 2 * units + u;
      const double update = sigmoid(s.both(u) + in[4][u]);
      const double recurrent =
          reset_after ? reset[u] * (s.from_hidden(row, s.hidden) + in[4][row]) : s.from_hidden(row, kept) + in[4][row];
      hidden[u] = (1 - update) * std::tanh(s.from_input(row) + recurrent) + update * s.hidden[u];
    }
    return hidden;
  };
  return run(size, in, in.size() > 5 ? in[5] : none, none, false, step);
}

Values simple_reference(const Sizes& size, const Values& in, bool relu) {
  const auto step = [&](const Step& s, std::vector<double>&) {
    std::vector<double> hidden(size.units);
    for (size_t u = 0; u < size.units; ++u) hidden[u] = relu ? std::max(0.0, s.both(u)) : std::tanh(s.both(u));
    return hidden;
  };
  return run(size, in, {}, {}, false, step);
}

OpCase with_reference(std::string name, std::vector<CaseInput> inputs, Attrs attrs,
                      std::function<Values(const Values&)> reference) {
  OpCase result{std::move(name), std::move(inputs), std::move(attrs)};
  result.reference = std::move(reference);
  return result;
}

constexpr int64_t kNo = 0, kYes = 1;

}  // namespace

THIMBLE_OP_CASES(lstm) {
  return {with_reference("from_zeros", {flows({5, 1, 3}), constant({16, 3}), constant({16, 4}), constant({16})}, {},
                         [](const Values& in) {
                           return lstm_reference({5, 1, 3, 4}, in, false);
                         }),
          with_reference("initial_state_batch_major",
                         {flows({2, 3, 5}), constant({12, 5}), constant({12, 3}), constant({12}), flows({2, 3}),
                          flows({2, 3}, -2, 2)},
                         Attrs().set("time_major", kNo),
                         [](const Values& in) {
                           return lstm_reference({3, 2, 5, 3, false}, in, true);
                         }),
          with_reference("reverse", {flows({4, 2, 3}), constant({8, 3}), constant({8, 2})},
                         Attrs().set("reverse", kYes), [](const Values& in) {
                           return lstm_reference({4, 2, 3, 2, true, true}, in, false);
                         })};
}

THIMBLE_OP_CASES(unidirectional_sequence_lstm) {
  const auto inputs = [](Shape input, int64_t batch, int64_t units) {
    std::vector<CaseInput> list(24, absent());
    for (size_t gate = 0; gate < 4; ++gate) {
      list[1 + gate] = constant({units, input[2]});
      list[5 + gate] = constant({units, units});
      list[12 + gate] = constant({units});
    }
    list[18] = list[19] = state({batch, units});
    list[0] = flows(std::move(input));
    return list;
  };
  const auto reference = [](Sizes sizes) {
    return [sizes](const Values& in) {
      Values stacked(6);
      stacked[0] = in[0];
      const auto stack = [&](size_t to, size_t first) {
        for (size_t gate = 0; gate < 4; ++gate)
          stacked[to].insert(stacked[to].end(), in[first + gate].begin(), in[first + gate].end());
      };
      stack(1, 1);
      stack(2, 5);
      stack(3, 12);
      stacked[4] = in[18];
      stacked[5] = in[19];
      return Values{lstm_reference(sizes, stacked, true)[0]};
    };
  };
  return {
      with_reference("batch_major", inputs({2, 3, 5}, 2, 4), Attrs().set("time_major", kNo).set("cell_clip", 10.0),
                     reference({3, 2, 5, 4, false})),
      with_reference("time_major", inputs({3, 2, 5}, 2, 4), Attrs().set("time_major", kYes), reference({3, 2, 5, 4}))};
}

THIMBLE_OP_CASES(gru) {
  const std::vector<CaseInput> inputs = {flows({4, 2, 3}), constant({15, 3}), constant({15, 5}), constant({15}),
                                         constant({15})};
  std::vector<CaseInput> with_initial = inputs;
  with_initial.push_back(flows({2, 5}));
  return {with_reference("reset_before", inputs, Attrs().set("reset_after", kNo),
                         [](const Values& in) {
                           return gru_reference({4, 2, 3, 5}, in, false);
                         }),
          with_reference("reset_after", inputs, Attrs().set("reset_after", kYes),
                         [](const Values& in) {
                           return gru_reference({4, 2, 3, 5}, in, true);
                         }),
          with_reference("initial_state_reverse", with_initial, Attrs().set("reverse", kYes), [](const Values& in) {
            return gru_reference({4, 2, 3, 5, true, true}, in, false);
          })};
}

THIMBLE_OP_CASES(simple_rnn) {
  return {with_reference("tanh", {flows({6, 1, 2}), constant({3, 2}), constant({3, 3}), constant({3})}, {},
                         [](const Values& in) {
                           return simple_reference({6, 1, 2, 3}, in, false);
                         }),
          with_reference("relu_batch_major", {flows({2, 3, 2}), constant({4, 2}), constant({4, 4}), constant({4})},
                         Attrs().set("activation", "relu").set("time_major", kNo), [](const Values& in) {
                           return simple_reference({3, 2, 2, 4, false}, in, true);
                         })};
}

}  // namespace thimble::test
