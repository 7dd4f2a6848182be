#include "formats/recurrent_steps.h"

#include <algorithm>
#include <map>
#include <set>

#include "formats/simplify.h"
#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"
#include "ops/ops.h"

namespace thimble {

namespace {

constexpr int64_t kMaxSteps = 1024;
constexpr size_t kMaxParts = 24;  // of one concatenation: a kernel takes few operands

Tensor rows_of(const Tensor& matrix, int64_t begin, int64_t end) {
  const int64_t width = matrix.shape[1];
  return Tensor::from({end - begin, width}, matrix.as<float>().subspan(static_cast<size_t>(begin * width),
                                                                       static_cast<size_t>((end - begin) * width)));
}

struct Steps {
  const RecurrentSteps& layer;
  const StepNodes& nodes;
  ValueId projected = kNoValue;  // [steps, gates * units]
  ValueId recurrent = kNoValue, candidate = kNoValue;
  std::vector<ValueId> state;

  Result<ValueId> part(ValueId x, int64_t row, int64_t column, int64_t width) const {
    return nodes.add(
        "slice", {x},
        Attrs().set("begin", std::vector<int64_t>{row, column}).set("size", std::vector<int64_t>{1, width}));
  }
  Result<ValueId> gate(ValueId x, int64_t index) const { return part(x, 0, index * layer.units, layer.units); }
  Result<ValueId> product(ValueId x, ValueId weights, ValueId bias = kNoValue) const {
    std::vector<ValueId> inputs{x, weights};
    if (bias != kNoValue) inputs.push_back(bias);
    return nodes.add("fully_connected", std::move(inputs), {});
  }
  Result<ValueId> apply(std::string_view op, ValueId a, ValueId b) const { return nodes.add(op, {a, b}, {}); }
};

Outcome simple_step(Steps& s, int64_t t) {
  THIMBLE_LET(const ValueId x, s.part(s.projected, t, 0, s.layer.units));
  THIMBLE_LET(ValueId h, s.product(s.state[0], s.recurrent));
  THIMBLE_LET(h, s.apply("add", x, h));
  THIMBLE_LET(s.state[0], s.nodes.activation(h));
  return {};
}

Outcome lstm_step(Steps& s, int64_t t) {
  THIMBLE_LET(const ValueId x, s.part(s.projected, t, 0, 4 * s.layer.units));
  THIMBLE_LET(ValueId sum, s.product(s.state[0], s.recurrent));
  THIMBLE_LET(sum, s.apply("add", x, sum));
  ValueId gates[4] = {};
  for (int64_t i = 0; i < 4; ++i) {
    THIMBLE_LET(const ValueId gate, s.gate(sum, i));
    THIMBLE_LET(gates[i], i == 2 ? s.nodes.activation(gate) : s.nodes.gate_activation(gate));
  }
  THIMBLE_LET(const ValueId kept, s.apply("mul", gates[1], s.state[1]));
  THIMBLE_LET(const ValueId added, s.apply("mul", gates[0], gates[2]));
  THIMBLE_LET(s.state[1], s.apply("add", kept, added));
  THIMBLE_LET(const ValueId active, s.nodes.activation(s.state[1]));
  THIMBLE_LET(s.state[0], s.apply("mul", gates[3], active));
  return {};
}

// h' = z * h + (1 - z) * candidate = candidate + z * (h - candidate).
Outcome gru_step(Steps& s, int64_t t) {
  THIMBLE_LET(const ValueId x, s.part(s.projected, t, 0, 3 * s.layer.units));
  THIMBLE_LET(const ValueId inner,
              s.product(s.state[0], s.recurrent, s.layer.reset_after ? s.layer.recurrent_bias : kNoValue));
  ValueId gates[2] = {};
  for (int64_t i = 0; i < 2; ++i) {
    THIMBLE_LET(const ValueId from_x, s.gate(x, i));
    THIMBLE_LET(const ValueId from_h, s.gate(inner, i));
    THIMBLE_LET(const ValueId sum, s.apply("add", from_x, from_h));
    THIMBLE_LET(gates[i], s.nodes.gate_activation(sum));
  }
  ValueId candidate = kNoValue;
  if (s.layer.reset_after) {
    THIMBLE_LET(candidate, s.gate(inner, 2));
    THIMBLE_LET(candidate, s.apply("mul", gates[1], candidate));
  } else {
    THIMBLE_LET(candidate, s.apply("mul", gates[1], s.state[0]));
    THIMBLE_LET(candidate, s.product(candidate, s.candidate));
  }
  THIMBLE_LET(const ValueId from_x, s.gate(x, 2));
  THIMBLE_LET(candidate, s.apply("add", from_x, candidate));
  THIMBLE_LET(candidate, s.nodes.activation(candidate));
  THIMBLE_LET(ValueId change, s.apply("sub", s.state[0], candidate));
  THIMBLE_LET(change, s.apply("mul", gates[0], change));
  THIMBLE_LET(s.state[0], s.apply("add", candidate, change));
  return {};
}

}  // namespace

Result<SteppedLayer> write_steps(const RecurrentSteps& layer, const StepNodes& nodes) {
  if (layer.steps > kMaxSteps)
    return fail(ErrorCode::unsupported,
                fmt::format("{} time steps, at most {} are written out one by one", layer.steps, kMaxSteps), {},
                "shorten the sequence, by convolutions or pooling before it");
  Steps s{layer, nodes};
  THIMBLE_LET(s.projected, s.product(layer.input, layer.weights, layer.bias));
  const int64_t units = layer.units;
  if (layer.kind == CellKind::gru && !layer.reset_after) {
    s.recurrent = nodes.constant(rows_of(*layer.recurrent_weights, 0, 2 * units));
    s.candidate = nodes.constant(rows_of(*layer.recurrent_weights, 2 * units, 3 * units));
  } else {
    s.recurrent = nodes.constant(*layer.recurrent_weights);
  }
  s.state = layer.initial;
  while (s.state.size() < (layer.kind == CellKind::lstm ? 2u : 1u))
    s.state.push_back(nodes.constant(Tensor::zeros(DType::f32, {1, units})));
  SteppedLayer result{.hidden = std::vector<ValueId>(static_cast<size_t>(layer.steps), kNoValue)};
  const auto step = layer.kind == CellKind::lstm ? lstm_step : layer.kind == CellKind::gru ? gru_step : simple_step;
  for (int64_t i = 0; i < layer.steps; ++i) {
    const int64_t t = layer.reverse ? layer.steps - 1 - i : i;
    THIMBLE_TRY(step(s, t));
    result.hidden[static_cast<size_t>(t)] = s.state[0];
  }
  result.states = std::move(s.state);
  return result;
}

Result<ValueId> join_rows(std::vector<ValueId> rows, const StepNodes& nodes) {
  while (rows.size() > 1) {
    std::vector<ValueId> joined;
    for (size_t i = 0; i < rows.size(); i += kMaxParts) {
      const std::vector<ValueId> some(rows.begin() + static_cast<ptrdiff_t>(i),
                                      rows.begin() + static_cast<ptrdiff_t>(std::min(rows.size(), i + kMaxParts)));
      THIMBLE_LET(const ValueId value, some.size() == 1
                                           ? Result<ValueId>(some[0])
                                           : nodes.add("concatenation", some, Attrs().set("axis", int64_t{0})));
      joined.push_back(value);
    }
    rows = std::move(joined);
  }
  return rows.at(0);
}

// ---- the pass

namespace {

const std::map<std::string_view, CellKind> kCells{
    {"lstm", CellKind::lstm}, {"gru", CellKind::gru}, {"simple_rnn", CellKind::simple_rnn}};

struct Rewrite {
  Graph& graph;
  std::set<std::string> names;  // taken by values
  std::vector<Node> nodes;
  std::vector<std::pair<ValueId, ValueId>> replaced;
  int count = 0;

  std::string fresh(const std::string& base) {
    std::string name;
    do name = fmt::format("{}/{}", base, ++count);
    while (!names.insert(name).second);
    return name;
  }
  ValueId constant(const std::string& base, Tensor tensor) {
    Value value{.name = fresh(base), .type = {tensor.dtype, tensor.shape}};
    value.constant = std::make_shared<Tensor>(std::move(tensor));
    return graph.add(std::move(value));
  }
  Result<ValueId> add(const std::string& base, std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
    Node node{ops::find(op), fresh(base), std::move(inputs), {}, std::move(attrs)};
    std::vector<ValueType> types;
    std::vector<const Tensor*> constants;
    for (ValueId id : node.inputs) {
      types.push_back(graph[id].type);
      constants.push_back(graph[id].constant.get());
    }
    THIMBLE_LET(const auto outputs, (*node.op->infer)({node.attrs, types, constants}));
    node.outputs.push_back(graph.add({.name = node.name, .type = outputs.at(0)}));
    nodes.push_back(node);
    return node.outputs[0];
  }
  Outcome write_out(const Node& node);
};

Outcome Rewrite::write_out(const Node& node) {
  const auto input = [&](size_t index) { return index < node.inputs.size() ? node.inputs[index] : kNoValue; };
  const bool time_major = node.attrs.integer("time_major", 1) != 0;
  const Shape shape = graph[input(0)].type.shape;
  const Value& recurrent = graph[input(2)];
  if (shape[time_major ? 1 : 0] != 1 || !recurrent.constant || recurrent.type.dtype != DType::f32)
    return fail(ErrorCode::unsupported, "can be written out only for one sample and constant float32 weights",
                node.name, "export the model for a batch of 1");
  const std::shared_ptr<Tensor> weights = recurrent.constant;  // adding values moves the others
  RecurrentSteps layer{.kind = kCells.at(node.op->name), .steps = shape[time_major ? 0 : 1]};
  layer.units = weights->shape[1];
  layer.reverse = node.attrs.integer("reverse") != 0;
  layer.reset_after = node.attrs.integer("reset_after") != 0;
  layer.weights = input(1), layer.bias = input(3), layer.recurrent_weights = weights.get();
  size_t next = 4;
  if (layer.kind == CellKind::gru) layer.recurrent_bias = input(next++);
  const std::string activation = node.attrs.word("activation", "tanh");
  StepNodes steps;
  steps.add = [&](std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
    return add(node.name, op, std::move(inputs), std::move(attrs));
  };
  steps.constant = [&](Tensor tensor) { return constant(node.name, std::move(tensor)); };
  steps.activation = [&](ValueId x) { return add(node.name, activation, {x}, {}); };
  steps.gate_activation = [&](ValueId x) { return add(node.name, "logistic", {x}, {}); };
  // Without reset_after both biases of the GRU are added to one sum, so one stands for both.
  if (layer.kind == CellKind::gru && !layer.reset_after && layer.recurrent_bias != kNoValue) {
    if (layer.bias != kNoValue) {
      const auto first = graph[layer.bias].constant, second = graph[layer.recurrent_bias].constant;
      if (!first || !second)
        return fail(ErrorCode::unsupported, "can be written out only with constant biases", node.name,
                    "export the model with constant weights");
      Tensor sum = *first;
      for (size_t k = 0; k < sum.as<float>().size(); ++k) sum.as<float>()[k] += second->as<float>()[k];
      layer.bias = steps.constant(std::move(sum));
    } else {
      layer.bias = layer.recurrent_bias;
    }
  }
  for (size_t i = 0; i < (layer.kind == CellKind::lstm ? 2u : 1u); ++i) {
    const ValueId given = input(next++);
    layer.initial.push_back(given != kNoValue ? given : steps.constant(Tensor::zeros(DType::f32, {1, layer.units})));
  }
  THIMBLE_LET(layer.input, steps.add("reshape", {input(0)}, Attrs().set("shape", Shape{layer.steps, shape[2]})));
  THIMBLE_LET(const SteppedLayer result, write_steps(layer, steps));
  THIMBLE_LET(ValueId all, join_rows(result.hidden, steps));
  THIMBLE_LET(all, steps.add("reshape", {all}, Attrs().set("shape", graph[node.outputs[0]].type.shape)));
  replaced.emplace_back(node.outputs[0], all);
  for (size_t i = 1; i < node.outputs.size(); ++i) replaced.emplace_back(node.outputs[i], result.states.at(i - 1));
  return {};
}

}  // namespace

Result<Graph> write_out_recurrent(Graph graph) {
  if (std::ranges::none_of(graph.nodes, [](const Node& node) { return kCells.contains(node.op->name); })) return graph;
  Rewrite rewrite{graph};
  for (const Value& value : graph.values) rewrite.names.insert(value.name);
  for (const Node& node : std::vector<Node>(graph.nodes)) {
    if (!kCells.contains(node.op->name)) {
      rewrite.nodes.push_back(node);
      continue;
    }
    if (Outcome done = rewrite.write_out(node); !done) {
      if (done.error().where.empty()) done.error().where = node.name;
      return tl::unexpected<Error>(std::move(done).error());
    }
  }
  graph.nodes = std::move(rewrite.nodes);
  for (const auto& [from, to] : rewrite.replaced) {
    std::swap(graph[from].name, graph[to].name);
    replace_reads(graph, from, to);
  }
  remove_unused_nodes(graph);
  return finish_pass(std::move(graph));
}

}  // namespace thimble
