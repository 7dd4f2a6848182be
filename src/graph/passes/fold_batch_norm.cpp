#include "graph/passes/fold_batch_norm.h"

#include <algorithm>

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

// The float weights of a linear op, when it has them as constants.
const Value* linear_weights(const Graph& graph, const Node& node) {
  if (!node.op->quantize || node.op->quantize->weights < 0 || node.op->quantize->bias < 0) return nullptr;
  const Value& weights = graph[node.inputs[static_cast<size_t>(node.op->quantize->weights)]];
  return weights.constant && weights.type.dtype == DType::f32 ? &weights : nullptr;
}

// Elements of the weights from one output channel to the next.
int64_t channel_stride(const Shape& weights, int axis) {
  int64_t stride = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < weights.size(); ++i) stride *= weights[i];
  return stride;
}

// The bias as floats, zeros when there is none.
std::vector<float> bias_of(const Graph& graph, const Node& node, int64_t channels) {
  const auto index = static_cast<size_t>(node.op->quantize->bias);
  std::vector<float> bias(static_cast<size_t>(channels), 0.0f);
  if (index < node.inputs.size() && node.inputs[index] != kNoValue)
    std::ranges::copy(graph[node.inputs[index]].constant->as<float>(), bias.begin());
  return bias;
}

// Gives a node new constants, as values of its own: the old ones may have other readers.
void set_weights(Graph& graph, size_t node_index, const std::vector<float>& weights, const std::vector<float>& bias) {
  Node& node = graph.nodes[node_index];
  const QuantizeRule& rule = *node.op->quantize;
  const auto weights_index = static_cast<size_t>(rule.weights), bias_index = static_cast<size_t>(rule.bias);
  Value new_weights = graph[node.inputs[weights_index]];
  const bool has_bias = bias_index < node.inputs.size() && node.inputs[bias_index] != kNoValue;
  const Shape bias_shape{static_cast<int64_t>(bias.size())};
  Value new_bias =
      has_bias
          ? graph[node.inputs[bias_index]]
          : Value{.name = node.name + ".bias", .type = {DType::f32, bias_shape}, .trainable = new_weights.trainable};
  new_weights.constant = std::make_shared<Tensor>(Tensor::from(new_weights.type.shape, weights));
  new_bias.constant = std::make_shared<Tensor>(Tensor::from(bias_shape, bias));
  if (node.inputs.size() <= bias_index) node.inputs.resize(bias_index + 1, kNoValue);
  node.inputs[weights_index] = graph.add(std::move(new_weights));
  node.inputs[bias_index] = graph.add(std::move(new_bias));
}

bool has_activation(const Node& node) { return node.attrs.word("activation", "none") != "none"; }

bool has_constant_bias(const Graph& graph, const Node& node) {
  const auto index = static_cast<size_t>(node.op->quantize->bias);
  return index >= node.inputs.size() || node.inputs[index] == kNoValue || graph[node.inputs[index]].constant;
}

// y = scale * (w x + b) + offset.
bool fold_into_producer(Graph& graph, size_t index, const PerChannelAffine& affine) {
  const Node& node = graph.nodes[index];
  const std::optional<size_t> writer = writer_of(graph, node.inputs[0]);
  if (!writer || !only_reader_of(graph, node.inputs[0])) return false;
  const Node& producer = graph.nodes[*writer];
  const Value* weights = linear_weights(graph, producer);
  if (!weights || has_activation(producer) || !has_constant_bias(graph, producer)) return false;
  const int axis = producer.op->quantize->weights_axis;
  const Shape& shape = weights->type.shape;
  const auto channels = static_cast<int64_t>(affine.scale.size());
  if (shape[static_cast<size_t>(axis)] != channels) return false;

  const int64_t stride = channel_stride(shape, axis);
  const auto old_weights = weights->constant->as<float>();
  std::vector<float> new_weights(old_weights.begin(), old_weights.end());
  for (size_t i = 0; i < new_weights.size(); ++i)
    new_weights[i] *= affine.scale[static_cast<size_t>(static_cast<int64_t>(i) / stride % channels)];
  std::vector<float> bias = bias_of(graph, producer, channels);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * affine.scale[c] + affine.offset[c];
  set_weights(graph, *writer, new_weights, bias);
  graph.nodes[*writer].outputs[0] = node.outputs[0];
  remove_node(graph, index);
  return true;
}

// The only linear op that reads a value, perhaps through aliases (a flatten between them).
std::optional<size_t> linear_reader(const Graph& graph, ValueId value) {
  for (;;) {
    const std::optional<size_t> reader = only_reader_of(graph, value);
    if (!reader) return std::nullopt;
    const Node& node = graph.nodes[*reader];
    if (!node.op->traits.alias) return node.inputs[0] == value && linear_weights(graph, node) ? reader : std::nullopt;
    value = node.outputs[0];
  }
}

// y = w (scale * x + offset) + b. Zero padding would stand for zeros of the affine's output, so it is exact only
// without.
bool fold_into_reader(Graph& graph, size_t index, const PerChannelAffine& affine) {
  const std::optional<size_t> reader = linear_reader(graph, graph.nodes[index].outputs[0]);
  if (!reader || !has_constant_bias(graph, graph.nodes[*reader])) return false;
  const Node& linear = graph.nodes[*reader];
  const bool shifts = std::ranges::any_of(affine.offset, [](float offset) { return offset != 0; });
  if (shifts && linear.attrs.word("padding", "valid") != "valid") return false;
  const Value& weights = *linear_weights(graph, linear);
  const Shape& shape = weights.type.shape;
  const int axis = linear.op->quantize->weights_axis;
  // Input channels lie along the last axis; where that counts output channels instead (depthwise), each input channel
  // has a run of them.
  const int64_t input_channels = graph[linear.inputs[0]].type.shape.back();
  const int64_t last = shape.back(), run = axis == 0 ? 1 : last / input_channels;
  const auto channels = static_cast<int64_t>(affine.scale.size());
  if (run == 0 || (last / run) % channels != 0) return false;

  const auto old_weights = weights.constant->as<float>();
  std::vector<float> new_weights(old_weights.begin(), old_weights.end());
  const int64_t outputs = shape[static_cast<size_t>(axis)], stride = channel_stride(shape, axis);
  const std::vector<float> old_bias = bias_of(graph, linear, outputs);
  std::vector<double> bias(old_bias.begin(), old_bias.end());
  for (size_t i = 0; i < new_weights.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto c = static_cast<size_t>(at % last / run % channels);
    bias[static_cast<size_t>(at / stride % outputs)] +=
        static_cast<double>(new_weights[i]) * static_cast<double>(affine.offset[c]);
    new_weights[i] *= affine.scale[c];
  }
  set_weights(graph, *reader, new_weights, std::vector<float>(bias.begin(), bias.end()));
  replace_reads(graph, graph.nodes[index].outputs[0], graph.nodes[index].inputs[0]);
  remove_node(graph, index);
  return true;
}

}  // namespace

Result<Graph> fold_batch_norm_where_possible(Graph graph) {
  for (size_t i = 0; i < graph.nodes.size();) {
    const Node& node = graph.nodes[i];
    if (!node.op->traits.as_affine) {
      ++i;
      continue;
    }
    const PerChannelAffine affine = node.op->traits.as_affine(graph, node);
    if (!fold_into_producer(graph, i, affine) && !fold_into_reader(graph, i, affine)) ++i;
  }
  return finish_pass(std::move(graph));
}

Result<Graph> fold_batch_norm(Graph graph) {
  THIMBLE_LET(graph, fold_batch_norm_where_possible(std::move(graph)));
  for (const Node& node : graph.nodes)
    if (node.op->traits.as_affine)
      return fail(
          ErrorCode::unsupported,
          fmt::format("{} can be folded neither into the op before it nor into the one after", node.op->name),
          node.name,
          "put it directly after a convolution or fully connected layer without activation, or directly before one "
          "without padding");
  return graph;
}

}  // namespace thimble
