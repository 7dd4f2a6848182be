// LSTM, GRU and SimpleRNN: one operator each where their activations are the usual ones. Else they are unrolled: the
// input's product with the kernel is one matrix product for all time steps, then come the nodes of each step. Gates lie
// in the order i, f, c, o (LSTM) and z, r, h (GRU), in Keras as in the operators.
#include <algorithm>

#include "formats/keras/translate.h"
#include "ops/ops.h"

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
  int64_t units = 0;
  size_t states = 0;
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
  std::string_view op;
  int64_t gates;
  size_t biases, states;
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

// The bias of GRU's newer form has two rows: of the input and of the hidden state.
bool has_two_biases(const Use& use) { return use.weights.size() > 2 && use.weights[2].shape.size() == 2; }

struct Settings {
  int64_t units = 0;
  bool sequences = false, backwards = false, states = false, stateful = false, reset_after = false;
  std::string activation, recurrent_activation;
};

Result<Settings> settings_of(const Use& use) {
  Settings s;
  THIMBLE_LET(s.units, use.integer("units", 1, 1, 1 << 20));
  THIMBLE_LET(s.sequences, use.flag("return_sequences", false));
  THIMBLE_LET(s.backwards, use.flag("go_backwards", false));
  THIMBLE_LET(s.states, use.flag("return_state", false));
  THIMBLE_LET(s.stateful, use.flag("stateful", false));
  if (use.layer.class_name == "GRU") {
    THIMBLE_LET(s.reset_after, use.flag("reset_after", use.to.keras3()));
  }
  const auto name = [&](const char* key) {
    const Json json = use.config().value(key, Json());
    return json.is_string() ? json.get<std::string>() : std::string();
  };
  s.activation = name("activation"), s.recurrent_activation = name("recurrent_activation");
  return s;
}

// What a layer gives: hidden states in the order in which it saw the steps, or in the order of time, and its last
// states.
struct Given {
  ValueId sequence = kNoValue;  // [1, steps, units]
  std::vector<ValueId> states;  // [1, units] each
  bool time_order = false;
};

// One operator, where it knows the activations.
Result<Given> as_operator(const Use& use, const Kind& kind, const Settings& s, std::vector<ValueId> initial) {
  const Tensor* bias = use.weights.size() > 2 ? &use.weights[2] : nullptr;
  std::vector<ValueId> inputs(3 + kind.biases, kNoValue);
  THIMBLE_LET(inputs[0], use.plain(use.inputs[0]));
  inputs[1] = use.constant("kernel", use.weights[0], turned);
  inputs[2] = use.constant("recurrent_kernel", use.weights[1], turned);
  if (bias && has_two_biases(use)) {
    inputs[3] = use.constant("bias", row_of(*bias, 0));
    inputs[4] = use.constant("recurrent_bias", row_of(*bias, 1));
  } else if (bias) {
    inputs[3] = use.weight("bias", 2);
  }
  inputs.insert(inputs.end(), initial.begin(), initial.end());
  Attrs attrs = Attrs().set("time_major", int64_t{0}).set("reverse", int64_t{s.backwards});
  if (kind.op == "gru") attrs.set("reset_after", int64_t{s.reset_after});
  if (kind.op == "simple_rnn") attrs.set("activation", s.activation);
  THIMBLE_LET(const auto outputs, use.to.emit_all(use.name, kind.op, use.name, std::move(inputs), std::move(attrs)));
  return Given{outputs.at(0), {outputs.begin() + 1, outputs.end()}, true};
}

bool has_operator(const Kind& kind, const Settings& s) {
  if (!ops::find(kind.op)) return false;
  if (kind.op == "simple_rnn") return s.activation == "tanh" || s.activation == "relu";
  return s.activation == "tanh" && s.recurrent_activation == "sigmoid";
}

Outcome prepare(Recurrent& r) {
  const Use& use = r.use;
  const Shape& shape = use.inputs[0].shape;
  const int64_t units = r.units;
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, {shape[1], shape[2]}));
  std::vector<ValueId> inputs{x, use.constant("kernel", use.weights[0], turned)};
  if (use.weights.size() > 2)
    inputs.push_back(has_two_biases(use) ? use.constant("bias", row_of(use.weights[2], 0)) : use.weight("bias", 2));
  THIMBLE_LET(r.projected, use.emit("fully_connected", "input", std::move(inputs)));
  if (has_two_biases(use)) r.recurrent_bias = use.constant("recurrent_bias", row_of(use.weights[2], 1));
  if (use.layer.class_name == "GRU" && !r.reset_after) {
    r.recurrent = use.constant("recurrent_kernel", columns(use.weights[1], 0, 2 * units));
    r.candidate_kernel = use.constant("candidate_kernel", columns(use.weights[1], 2 * units, 3 * units));
  } else {
    r.recurrent = use.constant("recurrent_kernel", use.weights[1], turned);
  }
  while (r.state.size() < r.states) r.state.push_back(use.constant("initial", Tensor::zeros(DType::f32, {1, units})));
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

Result<Given> unrolled(const Use& use, const Kind& kind, const Settings& s, std::vector<ValueId> initial) {
  Recurrent r{use};
  r.units = s.units;
  r.states = kind.states;
  r.reset_after = s.reset_after;
  r.state = std::move(initial);
  const int64_t steps = use.inputs[0].shape[1];
  if (steps > kMaxSteps)
    return use.refuse(fmt::format("{} time steps, at most {} are unrolled", steps, kMaxSteps),
                      "use the usual activations (tanh, sigmoid), or shorten the sequence before it");
  THIMBLE_TRY(prepare(r));
  std::vector<ValueId> rows;
  for (int64_t i = 0; i < steps; ++i) {
    THIMBLE_TRY(kind.step(r, s.backwards ? steps - 1 - i : i));
    rows.push_back(r.state[0]);
  }
  Given given{.states = r.state};
  if (s.sequences) {
    THIMBLE_LET(given.sequence, join(use, std::move(rows), s.units));
  }
  return given;
}

Outcome check_call(const Use& use, const Kind& kind, const Settings& s) {
  if (use.inputs.size() != 1 && use.inputs.size() != 1 + kind.states)
    return use.damaged(fmt::format("{} inputs, expected 1 or {}", use.inputs.size(), 1 + kind.states));
  THIMBLE_TRY(use.expect_rank(3, 3));
  if (use.inputs[0].shape[0] != 1) return use.refuse("inside TimeDistributed is not supported", "put it outside");
  if (use.inputs[0].masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  if (s.stateful && use.inputs.size() > 1)
    return use.refuse("stateful=True with an initial state is not supported", "give it one of the two");
  THIMBLE_LET(const bool time_major, use.flag("time_major", false));
  if (time_major) return use.refuse("time_major=True is not supported", "use time_major=False");
  return check_weights(use, use.inputs[0].shape[2], s.units, kind.gates, s.reset_after && has_two_biases(use));
}

Result<Flows> run(const Use& use, const Kind& kind, bool in_time_order) {
  THIMBLE_LET(const Settings s, settings_of(use));
  THIMBLE_TRY(check_call(use, kind, s));
  std::vector<ValueId> initial, kept;
  for (size_t i = 0; i < kind.states && (s.stateful || use.inputs.size() > 1); ++i) {
    ValueId state = kNoValue;
    if (s.stateful) {
      kept.push_back(
          use.to.builder().state(fmt::format("{}/state", clean(use.name)), Tensor::zeros(DType::f32, {1, s.units})));
      THIMBLE_LET(state, use.emit("read_variable", "state", {kept.back()}));
    } else {
      THIMBLE_LET(state, use.reshaped(use.inputs[i + 1].value, {1, s.units}));
    }
    initial.push_back(state);
  }
  THIMBLE_LET(const Given given, has_operator(kind, s) ? as_operator(use, kind, s, std::move(initial))
                                                       : unrolled(use, kind, s, std::move(initial)));
  for (size_t i = 0; i < kept.size(); ++i)
    THIMBLE_TRY(use.to.emit_all(use.name, "assign_variable", use.name + "/keep", {kept[i], given.states[i]}));
  Flows outputs;
  if (s.sequences) {
    ValueId sequence = given.sequence;
    if (s.backwards && in_time_order != given.time_order) {
      THIMBLE_LET(sequence,
                  use.emit("reverse_v2", "reverse", {sequence}, Attrs().set("axes", std::vector<int64_t>{1})));
    }
    outputs.push_back({sequence, {1, use.inputs[0].shape[1], s.units}});
  } else {
    outputs.push_back({given.states[0], {1, s.units}});
  }
  if (s.states)
    for (ValueId state : given.states) outputs.push_back({state, {1, s.units}});
  return outputs;
}

Result<Flows> in_keras_order(const Use& use) { return recurrent_layer(use, false); }

}  // namespace

Result<Flows> recurrent_layer(const Use& use, bool in_time_order) {
  static const std::map<std::string_view, Kind> kinds{{"LSTM", {"lstm", 4, 1, 2, lstm_step}},
                                                      {"GRU", {"gru", 3, 2, 1, gru_step}},
                                                      {"SimpleRNN", {"simple_rnn", 1, 1, 1, simple_step}}};
  const auto kind = kinds.find(use.layer.class_name);
  if (kind == kinds.end()) return use.refuse("is not a recurrent layer", "use LSTM, GRU or SimpleRNN");
  // Where a file does not name the activations, Keras's own hold.
  Layer layer = use.layer;
  if (!layer.config.contains("activation")) layer.config["activation"] = "tanh";
  if (!layer.config.contains("recurrent_activation")) layer.config["recurrent_activation"] = "sigmoid";
  return run({use.to, layer, use.name, use.inputs, use.call, use.weights}, kind->second, in_time_order);
}

std::span<const NamedHandler> recurrent_layers() {
  static constexpr NamedHandler kTable[] = {
      {"LSTM", in_keras_order}, {"GRU", in_keras_order}, {"SimpleRNN", in_keras_order}};
  return kTable;
}

}  // namespace thimble::keras
