// RNN, GRU and LSTM, unrolled: the product of the input with its weights is one matrix product for all steps, then come
// the nodes of each step. The state begins anew with every inference, which TensorFlow Lite's own operators do not do.
// Gates lie in ONNX's order: i, o, f, c (LSTM) and z, r, h (GRU).
#include <algorithm>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

constexpr int64_t kMaxSteps = 1024;

struct Kind {
  int64_t gates = 1;
  std::vector<std::string> activations;
};

const std::map<std::string, Kind, std::less<>> kKinds = {
    {"RNN", {1, {"Tanh"}}}, {"GRU", {3, {"Sigmoid", "Tanh"}}}, {"LSTM", {4, {"Sigmoid", "Tanh", "Tanh"}}}};

// One direction of a layer. All values are [batch, units] or a run of such gates.
struct Direction {
  Call& call;
  const Kind& kind;
  int64_t index = 0, steps = 0, batch = 0, inputs = 0, units = 0;
  std::vector<std::string> activations = {};
  ValueId projected = kNoValue, recurrent = kNoValue, recurrent_bias = kNoValue;
  ValueId candidate = kNoValue, candidate_bias = kNoValue;  // GRU that resets before the product
  ValueId peephole[3] = {kNoValue, kNoValue, kNoValue};     // i, o, f
  ValueId h = kNoValue, c = kNoValue;

  Result<ValueId> emit(std::string_view op, const std::vector<ValueId>& ids, const Attrs& attrs = {}) const {
    THIMBLE_LET(const Items out, call.in.emit(op, ids, attrs, {}));
    return out[0].id;
  }
  Result<ValueId> part(ValueId x, int64_t row, int64_t column, int64_t width) const {
    Attrs attrs;
    attrs.set("begin", std::vector<int64_t>{row, column}).set("size", std::vector<int64_t>{batch, width});
    return emit("slice", {x}, attrs);
  }
  Result<ValueId> gate(ValueId x, int64_t i) const {
    return kind.gates == 1 ? Result<ValueId>(x) : part(x, 0, i * units, units);
  }
  Result<ValueId> activate(size_t which, ValueId x) const {
    const std::string& name = activations[which];
    return emit(name == "Sigmoid" ? "logistic" : name == "Tanh" ? "tanh" : "relu", {x});
  }
  Result<ValueId> seen(ValueId gate, int i, ValueId cell) const {
    if (peephole[i] == kNoValue) return gate;
    THIMBLE_LET(const ValueId term, emit("mul", {cell, peephole[i]}));
    return emit("add", {gate, term});
  }
};

Outcome rnn_step(Direction& d, ValueId x) {
  THIMBLE_LET(const ValueId inner, d.emit("fully_connected", {d.h, d.recurrent, d.recurrent_bias}));
  THIMBLE_LET(const ValueId sum, d.emit("add", {x, inner}));
  THIMBLE_LET(d.h, d.activate(0, sum));
  return {};
}

Outcome lstm_step(Direction& d, ValueId x) {
  THIMBLE_LET(const ValueId inner, d.emit("fully_connected", {d.h, d.recurrent, d.recurrent_bias}));
  THIMBLE_LET(const ValueId sum, d.emit("add", {x, inner}));
  ValueId gates[4] = {};
  for (int64_t i = 0; i < 4; ++i) {
    THIMBLE_LET(gates[i], d.gate(sum, i));
  }
  THIMBLE_LET(ValueId in, d.seen(gates[0], 0, d.c));
  THIMBLE_LET(in, d.activate(0, in));
  THIMBLE_LET(ValueId forget, d.seen(gates[2], 2, d.c));
  THIMBLE_LET(forget, d.activate(0, forget));
  THIMBLE_LET(const ValueId fresh, d.activate(1, gates[3]));
  THIMBLE_LET(const ValueId kept, d.emit("mul", {forget, d.c}));
  THIMBLE_LET(const ValueId added, d.emit("mul", {in, fresh}));
  THIMBLE_LET(d.c, d.emit("add", {kept, added}));
  THIMBLE_LET(ValueId out, d.seen(gates[1], 1, d.c));
  THIMBLE_LET(out, d.activate(0, out));
  THIMBLE_LET(const ValueId active, d.activate(2, d.c));
  THIMBLE_LET(d.h, d.emit("mul", {out, active}));
  return {};
}

// h' = (1 - z) * n + z * h = n + z * (h - n)
Outcome gru_step(Direction& d, ValueId x) {
  THIMBLE_LET(const ValueId inner, d.emit("fully_connected", {d.h, d.recurrent, d.recurrent_bias}));
  ValueId gates[2] = {};
  for (int64_t i = 0; i < 2; ++i) {
    THIMBLE_LET(const ValueId from_x, d.gate(x, i));
    THIMBLE_LET(const ValueId from_h, d.gate(inner, i));
    THIMBLE_LET(const ValueId sum, d.emit("add", {from_x, from_h}));
    THIMBLE_LET(gates[i], d.activate(0, sum));
  }
  ValueId next = kNoValue;
  if (d.candidate == kNoValue) {  // linear_before_reset
    THIMBLE_LET(next, d.gate(inner, 2));
    THIMBLE_LET(next, d.emit("mul", {gates[1], next}));
  } else {
    THIMBLE_LET(next, d.emit("mul", {gates[1], d.h}));
    THIMBLE_LET(next, d.emit("fully_connected", {next, d.candidate, d.candidate_bias}));
  }
  THIMBLE_LET(const ValueId from_x, d.gate(x, 2));
  THIMBLE_LET(next, d.emit("add", {from_x, next}));
  THIMBLE_LET(next, d.activate(1, next));
  THIMBLE_LET(ValueId change, d.emit("sub", {d.h, next}));
  THIMBLE_LET(change, d.emit("mul", {gates[0], change}));
  THIMBLE_LET(d.h, d.emit("add", {next, change}));
  return {};
}

// ---- weights

// Rows [begin, end) of direction d of a constant [directions, rows, ...].
Result<ValueId> rows(const Direction& d, size_t input, int64_t begin, int64_t end, const Shape& shape) {
  THIMBLE_LET(const std::vector<float> all, d.call.constant_floats(input));
  int64_t width = 1;
  for (size_t i = 1; i < shape.size(); ++i) width *= shape[i];
  const int64_t count = d.call.inputs[input]->shape[1] * width;
  const auto first = all.begin() + d.index * count + begin * width;
  THIMBLE_TRY(d.call.in.spend((end - begin) * width * 4));
  return d.call.in.builder.constant(d.call.in.layer + ".weights",
                                    Tensor::from(shape, std::vector<float>(first, first + (end - begin) * width)));
}

Outcome check_weights(const Direction& d, int64_t directions) {
  const int64_t all = d.kind.gates * d.units;
  const auto expect = [&](size_t input, const Shape& shape) -> Outcome {
    if (!d.call.has_input(input)) return {};
    const Shape& found = d.call.inputs[input]->shape;
    if (found != shape)
      return damaged(fmt::format("input {} is {}, expected {}", input, to_string(found), to_string(shape)));
    return {};
  };
  THIMBLE_TRY(d.call.input(1));
  THIMBLE_TRY(d.call.input(2));
  THIMBLE_TRY(expect(1, {directions, all, d.inputs}));
  THIMBLE_TRY(expect(2, {directions, all, d.units}));
  THIMBLE_TRY(expect(3, {directions, 2 * all}));
  return expect(7, {directions, 3 * d.units});
}

Result<ValueId> bias(const Direction& d, int64_t begin, int64_t end) {
  if (d.call.has_input(3)) return rows(d, 3, begin, end, {end - begin});
  return d.call.in.builder.constant(d.call.in.layer + ".bias", Tensor::zeros(DType::f32, {end - begin}));
}

// x: [steps, batch, inputs] in memory.
Outcome prepare(Direction& d, ValueId x) {
  const int64_t units = d.units, all = d.kind.gates * units;
  THIMBLE_LET(const ValueId weights, rows(d, 1, 0, all, {all, d.inputs}));
  THIMBLE_LET(const ValueId input_bias, bias(d, 0, all));
  THIMBLE_LET(d.projected, d.emit("fully_connected", {x, weights, input_bias}));
  const bool reset_first = d.call.op() == "GRU" && !d.call.integer("linear_before_reset");
  const int64_t shared = reset_first ? 2 * units : all;
  THIMBLE_LET(d.recurrent, rows(d, 2, 0, shared, {shared, units}));
  THIMBLE_LET(d.recurrent_bias, bias(d, all, all + shared));
  if (reset_first) {
    THIMBLE_LET(d.candidate, rows(d, 2, shared, all, {units, units}));
    THIMBLE_LET(d.candidate_bias, bias(d, all + shared, 2 * all));
  }
  if (d.call.op() == "LSTM" && d.call.has_input(7))
    for (int64_t i = 0; i < 3; ++i) {
      THIMBLE_LET(d.peephole[i], rows(d, 7, i * units, (i + 1) * units, {units}));
    }
  return {};
}

// Direction d of [directions, batch, units], or of [batch, directions, units].
Result<ValueId> initial(const Direction& d, size_t input, bool batch_first) {
  if (!d.call.has_input(input))
    return d.call.in.builder.constant(d.call.in.layer + ".initial", Tensor::zeros(DType::f32, {d.batch, d.units}));
  const Item& given = *d.call.inputs[input];
  const size_t axis = batch_first ? 1 : 0;
  if (given.rank() != 3 || given.shape[2] != d.units || given.shape[1 - axis] != d.batch ||
      given.shape[axis] <= d.index)
    return damaged(fmt::format("an initial state {}", to_string(given.shape)));
  Shape begin(3, 0), size = given.shape;
  begin[axis] = d.index;
  size[axis] = 1;
  THIMBLE_LET(const Item real, d.call.in.as_float(given));
  THIMBLE_LET(const Item own, emit_slice(d.call, real, begin, size));
  THIMBLE_LET(const Item flat, d.call.in.reshaped(own, {d.batch, d.units}));
  return d.call.in.plain(flat);
}

Outcome check_attributes(Call& call, int64_t steps) {
  if (call.has("clip")) return refuse(fmt::format("{} with clip", call.op()), "export the layer without clip");
  if (call.integer("input_forget")) return refuse("coupled input and forget gates", "export the layer with four gates");
  if (steps > kMaxSteps)
    return refuse(fmt::format("{} steps; at most {} are unrolled", steps, kMaxSteps), "use shorter sequences");
  if (!call.has_input(4)) return {};
  THIMBLE_LET(const auto lengths, call.constant_integers(4));
  if (std::ranges::any_of(lengths, [&](int64_t length) { return length != steps; }))
    return refuse("sequences of different lengths", "run one sequence of full length at a time");
  return {};
}

Result<std::vector<std::string>> activations_of(Call& call, const Kind& kind, int64_t direction) {
  const auto* given = call.attribute("activations");
  if (!given || given->strings_size() == 0) return kind.activations;
  std::vector<std::string> names;
  for (size_t i = 0; i < kind.activations.size(); ++i) {
    const int at = static_cast<int>(direction) * static_cast<int>(kind.activations.size()) + static_cast<int>(i);
    if (at >= given->strings_size()) return damaged("too few activations");
    names.push_back(given->strings(at));
    if (names.back() != "Sigmoid" && names.back() != "Tanh" && names.back() != "Relu")
      return refuse(fmt::format("activation {}", clean_name(names.back())), "use Sigmoid, Tanh or Relu");
  }
  return names;
}

struct Outputs {
  Item sequence, h, c;
};

Item as_item(const Importer& in, ValueId id, Shape shape) {
  Item item{.type = in.builder[id].type.dtype, .shape = shape, .id = id};
  item.before = std::move(shape);
  item.order = same_order(item.rank());
  return item;
}

Result<Outputs> run_direction(Direction& d, bool backward) {
  std::vector<ValueId> states(static_cast<size_t>(d.steps));
  for (int64_t i = 0; i < d.steps; ++i) {
    const int64_t t = backward ? d.steps - 1 - i : i;
    THIMBLE_LET(const ValueId x, d.part(d.projected, t * d.batch, 0, d.kind.gates * d.units));
    THIMBLE_TRY(d.kind.gates == 1 ? rnn_step(d, x) : d.kind.gates == 3 ? gru_step(d, x) : lstm_step(d, x));
    states[static_cast<size_t>(t)] = d.h;
  }
  Outputs outputs{.h = as_item(d.call.in, d.h, {1, d.batch, d.units}),
                  .c = as_item(d.call.in, d.c == kNoValue ? d.h : d.c, {1, d.batch, d.units})};
  ValueId sequence = states[0];
  if (d.call.wants_output(0)) {
    THIMBLE_LET(sequence, emit_concat(d.call.in, states, 0));
    outputs.sequence = as_item(d.call.in, sequence, {d.steps, 1, d.batch, d.units});
  }
  return outputs;
}

Result<Item> joined(Call& call, const std::vector<Item>& parts, size_t axis) {
  if (parts.size() == 1) return parts[0];
  std::vector<ValueId> ids;
  for (const Item& part : parts) {
    THIMBLE_LET(const ValueId id, call.in.plain(part));
    ids.push_back(id);
  }
  THIMBLE_LET(const ValueId id, emit_concat(call.in, ids, static_cast<int64_t>(axis)));
  return as_item(call.in, id, call.in.builder[id].type.shape);
}

// What lies with the batch late as ONNX's batchwise form has it: only the order differs.
Item turned(Item item, const Order& order) {
  item.shape = item.before = unpermuted(item.shape, order);
  item.order = order;
  return item;
}

Result<Items> recurrent(Call& call) {
  const Kind& kind = kKinds.find(call.op())->second;
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const Item* weights, call.input(2));
  if (given->rank() != 3 || weights->rank() != 3)
    return damaged(fmt::format("an input {} and weights {}", to_string(given->shape), to_string(weights->shape)));
  THIMBLE_LET(const Item real, call.in.as_float(*given));
  const bool batch_first = call.integer("layout") != 0;
  const int64_t steps = real.shape[batch_first ? 1 : 0], batch = real.shape[batch_first ? 0 : 1];
  THIMBLE_TRY(check_attributes(call, steps));
  THIMBLE_LET(const ValueId x, call.in.in_order(real, batch_first ? Order{1, 0, 2} : Order{0, 1, 2}));
  const std::string way = call.word("direction", "forward");
  if (way != "forward" && way != "reverse" && way != "bidirectional")
    return damaged(fmt::format("direction {}", clean_name(way)));
  const int64_t directions = way == "bidirectional" ? 2 : 1;
  std::vector<Item> sequences, hs, cs;
  for (int64_t i = 0; i < directions; ++i) {
    Direction d{call, kind, i, steps, batch, real.shape[2], weights->shape[2]};
    THIMBLE_TRY(check_weights(d, directions));
    THIMBLE_LET(d.activations, activations_of(call, kind, i));
    THIMBLE_TRY(prepare(d, x));
    THIMBLE_LET(d.h, initial(d, 5, batch_first));
    if (call.op() == "LSTM") {
      THIMBLE_LET(d.c, initial(d, 6, batch_first));
    }
    THIMBLE_LET(const Outputs outputs, run_direction(d, way == "reverse" || i == 1));
    sequences.push_back(outputs.sequence);
    hs.push_back(outputs.h);
    cs.push_back(outputs.c);
  }
  Items items(3);
  if (call.wants_output(0)) {
    THIMBLE_LET(items[0], joined(call, sequences, 1));
  }
  THIMBLE_LET(items[1], joined(call, hs, 0));
  THIMBLE_LET(items[2], joined(call, cs, 0));
  if (!call.wants_output(0)) items[0] = items[1];  // nobody reads it
  if (batch_first) {
    if (call.wants_output(0)) items[0] = turned(items[0], {1, 2, 0, 3});
    items[1] = turned(items[1], {1, 0, 2});
    items[2] = turned(items[2], {1, 0, 2});
  }
  items.resize(std::min(items.size(), call.outputs()));
  return items;
}

}  // namespace

void add_recurrent(HandlerTable& table) {
  for (const auto& [name, kind] : kKinds) table[name] = recurrent;
}

}  // namespace thimble::onnx_import
