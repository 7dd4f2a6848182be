// LSTM, GRU and SimpleRNN: one operator each where their activations are the usual ones, else step by step. Gates lie
// in the order i, f, c, o (LSTM) and z, r, h (GRU), in Keras as in the operators.
#include <algorithm>

#include "formats/keras/translate.h"
#include "formats/recurrent_steps.h"
#include "ops/ops.h"

namespace thimble::keras {

namespace {

Tensor turned(const Tensor& kernel) { return permuted(kernel, {1, 0}); }

struct Kind {
  std::string_view op;
  int64_t gates;
  size_t biases, states;
  CellKind cell;
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

// What a layer gives: hidden states in the order of time, and its last states.
struct Given {
  ValueId sequence = kNoValue;  // [1, steps, units]
  std::vector<ValueId> states;  // [1, units] each
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
  return Given{outputs.at(0), {outputs.begin() + 1, outputs.end()}};
}

bool has_operator(const Kind& kind, const Settings& s) {
  if (!ops::find(kind.op)) return false;
  if (kind.op == "simple_rnn") return s.activation == "tanh" || s.activation == "relu";
  return s.activation == "tanh" && s.recurrent_activation == "sigmoid";
}

// Step by step, with any activations.
Result<Given> written_out(const Use& use, const Kind& kind, const Settings& s, std::vector<ValueId> initial) {
  const Shape& shape = use.inputs[0].shape;
  StepNodes nodes;
  nodes.add = [&](std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
    return use.emit(op, op, std::move(inputs), std::move(attrs));
  };
  nodes.constant = [&](Tensor tensor) { return use.constant("constant", std::move(tensor)); };
  nodes.activation = [&](ValueId x) { return use.activate(x); };
  nodes.gate_activation = [&](ValueId x) { return use.activate(x, "recurrent_activation"); };
  const Tensor recurrent = turned(use.weights[1]);
  RecurrentSteps layer{.kind = kind.cell, .steps = shape[1], .units = s.units};
  layer.reverse = s.backwards;
  layer.reset_after = s.reset_after;
  layer.recurrent_weights = &recurrent;
  layer.initial = std::move(initial);
  layer.weights = use.constant("kernel", use.weights[0], turned);
  if (has_two_biases(use)) {
    layer.bias = use.constant("bias", row_of(use.weights[2], 0));
    layer.recurrent_bias = use.constant("recurrent_bias", row_of(use.weights[2], 1));
  } else if (use.weights.size() > 2) {
    layer.bias = use.weight("bias", 2);
  }
  THIMBLE_LET(layer.input, use.reshaped(use.inputs[0].value, {shape[1], shape[2]}));
  auto steps = write_steps(layer, nodes);
  if (!steps) {
    if (steps.error().where.empty()) steps.error().where = clean(use.name);
    return tl::unexpected<Error>(std::move(steps).error());
  }
  Given given{.states = steps->states};
  if (s.sequences) {
    THIMBLE_LET(const ValueId rows, join_rows(std::move(steps->hidden), nodes));
    THIMBLE_LET(given.sequence, use.reshaped(rows, {1, shape[1], s.units}));
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
                                                       : written_out(use, kind, s, std::move(initial)));
  for (size_t i = 0; i < kept.size(); ++i)
    THIMBLE_TRY(use.to.emit_all(use.name, "assign_variable", use.name + "/keep", {kept[i], given.states[i]}));
  Flows outputs;
  if (s.sequences) {
    ValueId sequence = given.sequence;
    if (s.backwards && !in_time_order) {
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
  static const std::map<std::string_view, Kind> kinds{{"LSTM", {"lstm", 4, 1, 2, CellKind::lstm}},
                                                      {"GRU", {"gru", 3, 2, 1, CellKind::gru}},
                                                      {"SimpleRNN", {"simple_rnn", 1, 1, 1, CellKind::simple_rnn}}};
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
