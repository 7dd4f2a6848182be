#include "graph/graph.h"

#include <cmath>
#include <set>

#include "graph/op_spec.h"

namespace thimble {

namespace {

tl::unexpected<Error> broken(const std::string& where, std::string message) {
  return fail(ErrorCode::bad_data, std::move(message), where);
}

Outcome verify_shape(const Value& value) {
  constexpr int64_t kMostElements = int64_t{1} << 31;
  int64_t elements = 1;
  for (int64_t extent : value.type.shape) {
    if (extent < 1) return broken(value.name, fmt::format("shape {} has an empty axis", to_string(value.type.shape)));
    if (extent > kMostElements / elements)
      return broken(value.name,
                    fmt::format("shape {} has more than {} elements", to_string(value.type.shape), kMostElements));
    elements *= extent;
  }
  return {};
}

Outcome verify_quantization(const Value& value) {
  const Quantization& q = value.quantization;
  if (q.empty()) return {};
  if (q.zero_point.size() != q.scale.size())
    return broken(value.name, fmt::format("{} scales but {} zero points", q.scale.size(), q.zero_point.size()));
  for (float scale : q.scale)
    if (!std::isfinite(scale) || scale <= 0)
      return broken(value.name, fmt::format("quantisation scale {} is not a positive number", scale));
  if (q.per_channel()) {
    if (q.axis < 0 || q.axis >= static_cast<int>(value.type.shape.size()) ||
        value.type.shape[static_cast<size_t>(q.axis)] != static_cast<int64_t>(q.scale.size()))
      return broken(value.name, fmt::format("{} scales do not match axis {} of shape {}", q.scale.size(), q.axis,
                                            to_string(value.type.shape)));
  }
  if (value.type.dtype == DType::i8)
    for (int32_t zero : q.zero_point)
      if (zero < -128 || zero > 127) return broken(value.name, fmt::format("zero point {} is outside int8", zero));
  if (value.type.dtype == DType::u8)
    for (int32_t zero : q.zero_point)
      if (zero < 0 || zero > 255) return broken(value.name, fmt::format("zero point {} is outside uint8", zero));
  if (value.type.dtype == DType::i16)
    for (int32_t zero : q.zero_point)
      if (zero != 0) return broken(value.name, fmt::format("int16 is symmetric, found zero point {}", zero));
  return {};
}

Outcome verify_constant(const Value& value) {
  if (value.initial &&
      (value.constant || value.initial->dtype != value.type.dtype || value.initial->shape != value.type.shape ||
       value.initial->bytes.size() != static_cast<size_t>(value.initial->size()) * size_of(value.type.dtype)))
    return broken(value.name,
                  fmt::format("state is {} {}, declared {} {}", name_of(value.initial->dtype),
                              to_string(value.initial->shape), name_of(value.type.dtype), to_string(value.type.shape)));
  if (!value.constant) return {};
  if (value.constant->dtype != value.type.dtype || value.constant->shape != value.type.shape)
    return broken(value.name, fmt::format("constant is {} {}, declared {} {}", name_of(value.constant->dtype),
                                          to_string(value.constant->shape), name_of(value.type.dtype),
                                          to_string(value.type.shape)));
  if (value.constant->bytes.size() != static_cast<size_t>(value.constant->size()) * size_of(value.type.dtype))
    return broken(value.name, "constant has the wrong number of bytes");
  return {};
}

Outcome verify_activation(const Node& node) {
  const std::string activation = node.attrs.word("activation", "none");
  if (!node.op->traits.fuses_activation || activation == "none" || activation == "relu" || activation == "relu6" ||
      activation == "relu_n1_to_1")
    return {};
  return broken(node.name, fmt::format("activation must be none, relu, relu6 or relu_n1_to_1, found {}", activation));
}

// Absent inputs are biases and the like behind those that an op needs; an op that takes a list needs all of it. Ops
// with state judge their own: those of LSTM lie anywhere.
bool may_be_absent(const OpTraits& traits, int input) {
  constexpr int kMostNamed = 8;  // an op that takes more takes a list
  return !traits.state_inputs.empty() || (input >= traits.min_inputs && traits.max_inputs <= kMostNamed);
}

Outcome verify_node(const Graph& graph, const Node& node, std::vector<bool>& defined) {
  const auto count = static_cast<ValueId>(graph.values.size());
  const OpTraits& traits = node.op->traits;
  const auto inputs = static_cast<int>(node.inputs.size());
  if (inputs < traits.min_inputs || inputs > traits.max_inputs)
    return broken(node.name, fmt::format("{} takes {} to {} inputs, found {}", node.op->name, traits.min_inputs,
                                         traits.max_inputs, inputs));
  if (inputs > 0 && node.inputs[0] == kNoValue) return broken(node.name, "its first input is absent");
  for (int i = 1; i < inputs; ++i)
    if (node.inputs[static_cast<size_t>(i)] == kNoValue && !may_be_absent(traits, i))
      return broken(node.name, fmt::format("input {} of {} is absent", i, node.op->name));
  THIMBLE_TRY(verify_activation(node));
  for (int state : traits.state_inputs)
    if (state < inputs && node.inputs[static_cast<size_t>(state)] != kNoValue) {
      const ValueId id = node.inputs[static_cast<size_t>(state)];
      if (id < 0 || id >= count || !graph[id].initial)
        return broken(node.name, fmt::format("input {} must be state that survives an inference", state));
    }
  std::vector<ValueType> types;
  std::vector<const Tensor*> constants;
  for (ValueId id : node.inputs) {
    if (id == kNoValue) {
      types.push_back({});
      constants.push_back(nullptr);
      continue;
    }
    if (id < 0 || id >= count) return broken(node.name, fmt::format("input {} does not exist", id));
    if (!defined[static_cast<size_t>(id)])
      return broken(node.name, fmt::format("reads {} before anything wrote it", graph[id].name));
    types.push_back(graph[id].type);
    constants.push_back(graph[id].constant.get());
  }
  auto inferred = (*node.op->infer)({node.attrs, types, constants});
  if (!inferred) {
    Error error = std::move(inferred).error();
    error.where = node.name;
    return tl::unexpected<Error>(std::move(error));
  }
  if (inferred->size() != node.outputs.size())
    return broken(node.name, fmt::format("{} outputs, expected {}", node.outputs.size(), inferred->size()));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId id = node.outputs[i];
    if (id < 0 || id >= count) return broken(node.name, fmt::format("output {} does not exist", id));
    if (defined[static_cast<size_t>(id)]) return broken(node.name, fmt::format("{} is written twice", graph[id].name));
    if (graph[id].type != (*inferred)[i])
      return broken(node.name, fmt::format("output {} is {} {}, but the op gives {} {}", graph[id].name,
                                           name_of(graph[id].type.dtype), to_string(graph[id].type.shape),
                                           name_of((*inferred)[i].dtype), to_string((*inferred)[i].shape)));
    defined[static_cast<size_t>(id)] = true;
  }
  return {};
}

}  // namespace

Graph deep_copy(const Graph& graph) {
  Graph copy = graph;
  for (Value& value : copy.values)
    if (value.constant) value.constant = std::make_shared<Tensor>(*value.constant);
  return copy;
}

Outcome verify(const Graph& graph) {
  const auto count = static_cast<ValueId>(graph.values.size());
  std::vector<bool> defined(graph.values.size(), false);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    THIMBLE_TRY(verify_shape(graph.values[i]));
    THIMBLE_TRY(verify_constant(graph.values[i]));
    THIMBLE_TRY(verify_quantization(graph.values[i]));
    defined[i] = graph.values[i].constant || graph.values[i].initial;
  }
  for (ValueId id : graph.inputs) {
    if (id < 0 || id >= count) return broken(graph.name, fmt::format("graph input {} does not exist", id));
    if (graph[id].initial) return broken(graph[id].name, "state cannot also be an input of the model");
    defined[static_cast<size_t>(id)] = true;
  }
  for (const Node& node : graph.nodes) THIMBLE_TRY(verify_node(graph, node, defined));
  for (ValueId id : graph.outputs)
    if (id < 0 || id >= count || !defined[static_cast<size_t>(id)])
      return broken(graph.name, fmt::format("graph output {} is written by nothing", id));
  return {};
}

void remove_unused_values(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  const auto mark = [&](const std::vector<ValueId>& ids) {
    for (ValueId id : ids)
      if (id != kNoValue) used[static_cast<size_t>(id)] = true;
  };
  mark(graph.inputs);
  mark(graph.outputs);
  for (const Node& node : graph.nodes) {
    mark(node.inputs);
    mark(node.outputs);
  }
  std::vector<ValueId> renumbered(graph.values.size(), kNoValue);
  std::vector<Value> kept;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!used[i]) continue;
    renumbered[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  const auto renumber = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (id != kNoValue) id = renumbered[static_cast<size_t>(id)];
  };
  graph.values = std::move(kept);
  renumber(graph.inputs);
  renumber(graph.outputs);
  for (Node& node : graph.nodes) {
    renumber(node.inputs);
    renumber(node.outputs);
  }
}

std::vector<size_t> readers_of(const Graph& graph, ValueId value) {
  std::vector<size_t> readers;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (ValueId input : graph.nodes[i].inputs)
      if (input == value) {
        readers.push_back(i);
        break;
      }
  return readers;
}

int64_t count_macs(const Graph& graph) {
  int64_t macs = 0;
  for (const Node& node : graph.nodes)
    if (node.op->macs) macs += (*node.op->macs)(graph, node);
  return macs;
}

int64_t count_parameters(const Graph& graph) {
  int64_t trainable = 0, constant = 0;
  for (const Value& value : graph.values) {
    if (!value.constant) continue;
    constant += value.constant->size();
    if (value.trainable) trainable += value.constant->size();
  }
  return trainable > 0 ? trainable : constant;
}

}  // namespace thimble
