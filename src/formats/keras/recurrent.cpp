// LSTM, GRU and SimpleRNN, unrolled: the input's product with the kernel is one matrix product for all time steps, then
// come the nodes of each step. Keras's gates lie in the order i, f, c, o (LSTM) and z, r, h (GRU).
#include <algorithm>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

constexpr int64_t kMaxSteps = 1024;
constexpr size_t kMaxParts = 24;  // of one concatenation: a kernel takes few operands

Tensor turned(const Tensor& kernel) { return permuted(kernel, {1, 0}); }

Tensor columns(const Tensor& kernel, int64_t begin, int64_t end) {
  const int64_t rows = kernel.shape[0], width = kernel.shape[1];
  Tensor result = Tensor::zeros(DType::f32, {end - begin, rows});
  for (int64_t column = begin; column < end; ++column)
    for (int64_t row = 0; row < rows; ++row)
      result.as<float>()[static_cast<size_t>((column - begin) * rows + row)] =
          kernel.as<float>()[static_cast<size_t>(row * width + column)];
  return result;
}

struct Recurrent {
  const Use& use;
  int64_t units = 0, steps = 0;
  ValueId projected = kNoValue;  // [steps, gates * units]
  // Shared by all steps.
  ValueId recurrent = kNoValue, recurrent_bias = kNoValue, candidate_kernel = kNoValue;
  bool reset_after = false;
  std::vector<ValueId> state;  // [1, units] each

  Result<ValueId> part(ValueId x, int64_t row, int64_t column, int64_t width) const {
    return use.emit(
        "slice", "slice", {x},
        Attrs().set("begin", std::vector<int64_t>{row, column}).set("size", std::vector<int64_t>{1, width}));
  }
  Result<ValueId> product(ValueId x, ValueId weights, ValueId bias = kNoValue) const {
    std::vector<ValueId> inputs{x, weights};
    if (bias != kNoValue) inputs.push_back(bias);
    return use.emit("fully_connected", "recurrent", std::move(inputs));
  }
  Result<ValueId> apply(std::string_view op, ValueId a, ValueId b) const { return use.emit(op, op, {a, b}); }
  Result<ValueId> gate(ValueId x, int64_t index) const {
    THIMBLE_LET(const ValueId gate, part(x, 0, index * units, units));
    return gate;
  }
  Result<ValueId> recurrent_activation(ValueId x) const { return use.activate(x, "recurrent_activation"); }
};

Outcome simple_step(Recurrent& r, int64_t t) {
  THIMBLE_LET(const ValueId x, r.part(r.projected, t, 0, r.units));
  THIMBLE_LET(ValueId h, r.product(r.state[0], r.recurrent));
  THIMBLE_LET(h, r.apply("add", x, h));
  THIMBLE_LET(r.state[0], r.use.activate(h));
  return {};
}

Outcome lstm_step(Recurrent& r, int64_t t) {
  THIMBLE_LET(const ValueId x, r.part(r.projected, t, 0, 4 * r.units));
  THIMBLE_LET(ValueId sum, r.product(r.state[0], r.recurrent));
  THIMBLE_LET(sum, r.apply("add", x, sum));
  ValueId gates[4] = {};
  for (int64_t i = 0; i < 4; ++i) {
    THIMBLE_LET(const ValueId gate, r.gate(sum, i));
    THIMBLE_LET(gates[i], i == 2 ? r.use.activate(gate) : r.recurrent_activation(gate));
  }
  THIMBLE_LET(const ValueId kept, r.apply("mul", gates[1], r.state[1]));
  THIMBLE_LET(const ValueId added, r.apply("mul", gates[0], gates[2]));
  THIMBLE_LET(r.state[1], r.apply("add", kept, added));
  THIMBLE_LET(const ValueId active, r.use.activate(r.state[1]));
  THIMBLE_LET(r.state[0], r.apply("mul", gates[3], active));
  return {};
}

// h' = z * h + (1 - z) * candidate = candidate + z * (h - candidate).
Outcome gru_step(Recurrent& r, int64_t t) {
  THIMBLE_LET(const ValueId x, r.part(r.projected, t, 0, 3 * r.units));
  THIMBLE_LET(const ValueId inner, r.product(r.state[0], r.recurrent, r.recurrent_bias));
  ValueId gates[2] = {};
  for (int64_t i = 0; i < 2; ++i) {
    THIMBLE_LET(const ValueId from_x, r.gate(x, i));
    THIMBLE_LET(const ValueId from_h, r.gate(inner, i));
    THIMBLE_LET(const ValueId sum, r.apply("add", from_x, from_h));
    THIMBLE_LET(gates[i], r.recurrent_activation(sum));
  }
  ValueId candidate = kNoValue;
  if (r.reset_after) {
    THIMBLE_LET(candidate, r.gate(inner, 2));
    THIMBLE_LET(candidate, r.apply("mul", gates[1], candidate));
  } else {
    THIMBLE_LET(candidate, r.apply("mul", gates[1], r.state[0]));
    THIMBLE_LET(candidate, r.product(candidate, r.candidate_kernel));
  }
  THIMBLE_LET(const ValueId from_x, r.gate(x, 2));
  THIMBLE_LET(candidate, r.apply("add", from_x, candidate));
  THIMBLE_LET(candidate, r.use.activate(candidate));
  THIMBLE_LET(ValueId change, r.apply("sub", r.state[0], candidate));
  THIMBLE_LET(change, r.apply("mul", gates[0], change));
  THIMBLE_LET(r.state[0], r.apply("add", candidate, change));
  return {};
}

struct Kind {
  int64_t gates;
  size_t states;
  Outcome (*step)(Recurrent&, int64_t);
};

Outcome check_weights(const Use& use, int64_t features, int64_t units, int64_t gates, bool two_biases) {
  const auto is = [&](size_t slot, const Shape& shape) {
    return use.weights.size() > slot && use.weights[slot].shape == shape;
  };
  if (!is(0, {features, gates * units}) || !is(1, {units, gates * units}) ||
      (use.weights.size() > 2 && !is(2, two_biases ? Shape{2, gates * units} : Shape{gates * units})))
    return use.damaged(
        fmt::format("its weights do not fit {} units and its input {}", units, to_string(use.inputs[0].shape)));
  return {};
}

Tensor row_of(const Tensor& matrix, int64_t row) {
  const int64_t width = matrix.shape[1];
  return Tensor::from({width},
                      matrix.as<float>().subspan(static_cast<size_t>(row * width), static_cast<size_t>(width)));
}

Outcome prepare(Recurrent& r, const Kind& kind) {
  const Use& use = r.use;
  const Shape& shape = use.inputs[0].shape;
  const int64_t units = r.units;
  const bool two_biases = r.reset_after && use.weights.size() > 2 && use.weights[2].shape.size() == 2;
  THIMBLE_TRY(check_weights(use, shape[2], units, kind.gates, two_biases));
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, {shape[1], shape[2]}));
  std::vector<ValueId> inputs{x, use.constant("kernel", use.weights[0], turned)};
  if (use.weights.size() > 2)
    inputs.push_back(two_biases ? use.constant("bias", row_of(use.weights[2], 0)) : use.weight("bias", 2));
  THIMBLE_LET(r.projected, use.emit("fully_connected", "input", std::move(inputs)));
  if (two_biases) r.recurrent_bias = use.constant("recurrent_bias", row_of(use.weights[2], 1));
  if (kind.gates == 3 && !r.reset_after) {
    r.recurrent = use.constant("recurrent_kernel", columns(use.weights[1], 0, 2 * units));
    r.candidate_kernel = use.constant("candidate_kernel", columns(use.weights[1], 2 * units, 3 * units));
  } else {
    r.recurrent = use.constant("recurrent_kernel", use.weights[1], turned);
  }
  for (size_t i = 0; i < kind.states; ++i) {
    if (use.inputs.size() == 1) {
      r.state.push_back(use.constant("initial", Tensor::zeros(DType::f32, {1, units})));
      continue;
    }
    THIMBLE_LET(const ValueId initial, use.reshaped(use.inputs[i + 1].value, {1, units}));
    r.state.push_back(initial);
  }
  return {};
}

// [1, units] each -> [1, steps, units]
Result<ValueId> join(const Use& use, std::vector<ValueId> rows, int64_t units) {
  const auto steps = static_cast<int64_t>(rows.size());
  while (rows.size() > 1) {
    std::vector<ValueId> joined;
    for (size_t i = 0; i < rows.size(); i += kMaxParts) {
      const std::vector<ValueId> some(rows.begin() + static_cast<ptrdiff_t>(i),
                                      rows.begin() + static_cast<ptrdiff_t>(std::min(rows.size(), i + kMaxParts)));
      THIMBLE_LET(const ValueId value,
                  some.size() == 1 ? Result<ValueId>(some[0])
                                   : use.emit("concatenation", "sequence", some, Attrs().set("axis", int64_t{0})));
      joined.push_back(value);
    }
    rows = std::move(joined);
  }
  return use.reshaped(rows[0], {1, steps, units});
}

Outcome check_call(const Use& use, const Kind& kind) {
  if (use.inputs.size() != 1 && use.inputs.size() != 1 + kind.states)
    return use.damaged(fmt::format("{} inputs, expected 1 or {}", use.inputs.size(), 1 + kind.states));
  THIMBLE_TRY(use.expect_rank(3, 3));
  const Shape& shape = use.inputs[0].shape;
  if (shape[0] != 1) return use.refuse("inside TimeDistributed is not supported", "put it outside");
  if (use.inputs[0].masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  THIMBLE_LET(const bool stateful, use.flag("stateful", false));
  if (stateful)
    return use.refuse("stateful=True (state kept from one inference to the next) is not supported",
                      "rebuild the layer with stateful=False and give it the whole sequence");
  THIMBLE_LET(const bool time_major, use.flag("time_major", false));
  if (time_major) return use.refuse("time_major=True is not supported", "use time_major=False");
  if (shape[1] > kMaxSteps)
    return use.refuse(fmt::format("{} time steps, at most {} are unrolled", shape[1], kMaxSteps),
                      "shorten the sequence, by convolutions or pooling before it");
  return {};
}

Result<Flows> run(const Use& use, const Kind& kind, bool reset_after) {
  THIMBLE_TRY(check_call(use, kind));
  THIMBLE_LET(const bool sequences, use.flag("return_sequences", false));
  THIMBLE_LET(const bool backwards, use.flag("go_backwards", false));
  THIMBLE_LET(const bool states, use.flag("return_state", false));
  Recurrent r{use};
  r.steps = use.inputs[0].shape[1];
  r.reset_after = reset_after;
  THIMBLE_LET(r.units, use.integer("units", 1, 1, 1 << 20));
  THIMBLE_TRY(prepare(r, kind));
  std::vector<ValueId> rows;
  for (int64_t i = 0; i < r.steps; ++i) {
    THIMBLE_TRY(kind.step(r, backwards ? r.steps - 1 - i : i));
    rows.push_back(r.state[0]);
  }
  Flows outputs;
  if (sequences) {
    THIMBLE_LET(const ValueId all, join(use, std::move(rows), r.units));
    outputs.push_back({all, {1, r.steps, r.units}});
  } else {
    outputs.push_back({r.state[0], {1, r.units}});
  }
  if (states)
    for (ValueId state : r.state) outputs.push_back({state, {1, r.units}});
  return outputs;
}

// Where a file does not name the activations, Keras's own hold.
Result<Flows> with_defaults(const Use& use, const Kind& kind, bool reset_after) {
  Layer layer = use.layer;
  if (!layer.config.contains("activation")) layer.config["activation"] = "tanh";
  if (!layer.config.contains("recurrent_activation")) layer.config["recurrent_activation"] = "sigmoid";
  return run({use.to, layer, use.name, use.inputs, use.call, use.weights}, kind, reset_after);
}

Result<Flows> lstm(const Use& use) { return with_defaults(use, {4, 2, lstm_step}, false); }
Result<Flows> simple_rnn(const Use& use) { return with_defaults(use, {1, 1, simple_step}, false); }
Result<Flows> gru(const Use& use) {
  THIMBLE_LET(const bool reset_after, use.flag("reset_after", use.to.keras3()));
  return with_defaults(use, {3, 1, gru_step}, reset_after);
}

}  // namespace

std::span<const NamedHandler> recurrent_layers() {
  static constexpr NamedHandler kTable[] = {{"LSTM", lstm}, {"GRU", gru}, {"SimpleRNN", simple_rnn}};
  return kTable;
}

}  // namespace thimble::keras
