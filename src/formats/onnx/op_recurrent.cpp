// RNN, GRU and LSTM. ONNX's gates lie in the order i, o, f, c (LSTM) and z, r, h (GRU).
#include <algorithm>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

struct Kind {
  std::string_view op;
  std::vector<int64_t> gates;  // of the operator, by ONNX's numbers
  std::vector<std::string> activations;
};

const std::map<std::string, Kind, std::less<>> kKinds = {{"RNN", {"simple_rnn", {0}, {"Tanh"}}},
                                                         {"GRU", {"gru", {0, 1, 2}, {"Sigmoid", "Tanh"}}},
                                                         {"LSTM", {"lstm", {0, 2, 3, 1}, {"Sigmoid", "Tanh", "Tanh"}}}};

// One direction of a layer.
struct Direction {
  Call& call;
  const Kind& kind;
  int64_t index = 0, batch = 0, inputs = 0, units = 0;
  int64_t rows() const { return static_cast<int64_t>(kind.gates.size()) * units; }
};

Outcome check_weights(const Direction& d, int64_t directions) {
  const auto expect = [&](size_t input, const Shape& shape) -> Outcome {
    if (!d.call.has_input(input)) return {};
    const Shape& found = d.call.inputs[input]->shape;
    if (found != shape)
      return damaged(fmt::format("input {} is {}, expected {}", input, to_string(found), to_string(shape)));
    return {};
  };
  THIMBLE_TRY(d.call.input(1));
  THIMBLE_TRY(d.call.input(2));
  THIMBLE_TRY(expect(1, {directions, d.rows(), d.inputs}));
  THIMBLE_TRY(expect(2, {directions, d.rows(), d.units}));
  return expect(3, {directions, 2 * d.rows()});
}

// The gates of this direction that begin at `first` of [directions, ..., width], in the operator's order.
Result<std::vector<float>> gates(const Direction& d, size_t input, int64_t first, int64_t width) {
  THIMBLE_LET(const std::vector<float> all, d.call.constant_floats(input));
  const int64_t block = d.units * width;
  const auto begin = all.begin() + d.index * d.call.inputs[input]->shape[1] * width + first * width;
  THIMBLE_TRY(d.call.in.spend(d.rows() * width * 4));
  std::vector<float> ordered;
  for (int64_t gate : d.kind.gates) ordered.insert(ordered.end(), begin + gate * block, begin + (gate + 1) * block);
  return ordered;
}

ValueId constant(const Direction& d, std::string_view what, Shape shape, const std::vector<float>& values) {
  return d.call.in.builder.constant(fmt::format("{}.{}", d.call.in.layer, what),
                                    Tensor::from(std::move(shape), values));
}

// The input's bias and the state's: one sum, but for a GRU, whose reset comes between them.
Outcome add_biases(const Direction& d, std::vector<ValueId>& ids) {
  const bool two = d.call.op() == "GRU";
  if (!d.call.has_input(3)) {
    ids.insert(ids.end(), two ? 2 : 1, kNoValue);
    return {};
  }
  THIMBLE_LET(std::vector<float> bias, gates(d, 3, 0, 1));
  THIMBLE_LET(const std::vector<float> inner, gates(d, 3, d.rows(), 1));
  if (!two)
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += inner[i];
  ids.push_back(constant(d, "bias", {d.rows()}, bias));
  if (two) ids.push_back(constant(d, "recurrent_bias", {d.rows()}, inner));
  return {};
}

// Direction d of [directions, batch, units], or of [batch, directions, units].
Result<ValueId> initial(const Direction& d, size_t input, bool batch_first) {
  if (!d.call.has_input(input)) return kNoValue;
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
  if (call.has_input(7)) return refuse("an LSTM with peephole connections", "export the layer without them");
  if (!call.has_input(4)) return {};
  THIMBLE_LET(const auto lengths, call.constant_integers(4));
  if (std::ranges::any_of(lengths, [&](int64_t length) { return length != steps; }))
    return refuse("sequences of different lengths", "run one sequence of full length at a time");
  return {};
}

// The attribute activation of a simple_rnn; other layers must have the usual ones.
Result<std::string> activation_of(const Direction& d) {
  const auto* given = d.call.attribute("activations");
  const auto count = static_cast<int64_t>(d.kind.activations.size());
  for (int64_t i = 0; given && i < count; ++i) {
    const int64_t at = d.index * count + i;
    if (at >= given->strings_size()) break;
    const std::string& name = given->strings(static_cast<int>(at));
    if (d.call.op() == "RNN" && name == "Relu") return std::string("relu");
    if (name != d.kind.activations[static_cast<size_t>(i)])
      return refuse(fmt::format("{} with activation {}", d.call.op(), clean_name(name)),
                    fmt::format("use {}", fmt::join(d.kind.activations, ", ")));
  }
  return std::string("tanh");
}

// x: [steps, batch, inputs] in memory. Gives all hidden states [steps, batch, units], the last one and the last cell.
Result<Items> run_direction(const Direction& d, ValueId x, bool backward, bool batch_first) {
  THIMBLE_LET(const std::vector<float> weights, gates(d, 1, 0, d.inputs));
  THIMBLE_LET(const std::vector<float> recurrent, gates(d, 2, 0, d.units));
  std::vector<ValueId> ids{x, constant(d, "weights", {d.rows(), d.inputs}, weights),
                           constant(d, "recurrent", {d.rows(), d.units}, recurrent)};
  THIMBLE_TRY(add_biases(d, ids));
  for (size_t input : {size_t{5}, size_t{6}}) {
    if (input == 6 && d.call.op() != "LSTM") continue;
    THIMBLE_LET(const ValueId state, initial(d, input, batch_first));
    ids.push_back(state);
  }
  while (ids.back() == kNoValue) ids.pop_back();
  THIMBLE_LET(const std::string activation, activation_of(d));
  Attrs attrs;
  attrs.set("time_major", int64_t{1}).set("reverse", int64_t{backward});
  if (d.call.op() == "GRU") attrs.set("reset_after", int64_t{d.call.integer("linear_before_reset") != 0});
  if (d.call.op() == "RNN") attrs.set("activation", activation);
  return d.call.in.emit(d.kind.op, ids, attrs, {});
}

// One part per direction, joined along a new axis.
Result<Item> joined(Call& call, const std::vector<Items>& directions, size_t output, size_t axis) {
  std::vector<ValueId> ids;
  for (const Items& direction : directions) {
    Shape shape = direction[output].shape;
    shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), 1);
    THIMBLE_LET(const Item wide, call.in.reshaped(direction[output], shape));
    THIMBLE_LET(const ValueId id, call.in.plain(wide));
    ids.push_back(id);
  }
  THIMBLE_LET(const ValueId id, emit_concat(call.in, ids, static_cast<int64_t>(axis)));
  Item item{.shape = call.in.builder[id].type.shape, .id = id};
  item.before = item.shape;
  item.order = same_order(item.rank());
  return item;
}

// What ONNX's batchwise form has with the batch first: only the order differs.
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
  THIMBLE_TRY(check_attributes(call, real.shape[batch_first ? 1 : 0]));
  THIMBLE_LET(const ValueId x, call.in.in_order(real, batch_first ? Order{1, 0, 2} : Order{0, 1, 2}));
  const std::string way = call.word("direction", "forward");
  if (way != "forward" && way != "reverse" && way != "bidirectional")
    return damaged(fmt::format("direction {}", clean_name(way)));
  const int64_t count = way == "bidirectional" ? 2 : 1;
  std::vector<Items> directions;
  for (int64_t i = 0; i < count; ++i) {
    const Direction d{call, kind, i, real.shape[batch_first ? 0 : 1], real.shape[2], weights->shape[2]};
    THIMBLE_TRY(check_weights(d, count));
    THIMBLE_LET(Items outputs, run_direction(d, x, way == "reverse" || i == 1, batch_first));
    directions.push_back(std::move(outputs));
  }
  Items items;
  for (size_t output = 0; output < std::min(directions[0].size(), call.outputs()); ++output) {
    THIMBLE_LET(Item item, joined(call, directions, output, output == 0 ? 1 : 0));
    items.push_back(!batch_first  ? std::move(item)
                    : output == 0 ? turned(std::move(item), {1, 2, 0, 3})
                                  : turned(std::move(item), {1, 0, 2}));
  }
  return items;
}

}  // namespace

void add_recurrent(HandlerTable& table) {
  for (const auto& [name, kind] : kKinds) table[name] = recurrent;
}

}  // namespace thimble::onnx_import
