#include "formats/tflite/biases.h"

#include "graph/op_spec.h"

namespace thimble {

namespace {

bool needs_bias(const Graph& graph, const Node& node) {
  if (node.op->name != "conv2d" && node.op->name != "depthwise_conv2d") return false;
  const auto at = static_cast<size_t>(node.op->quantize->bias);
  return (node.inputs.size() <= at || node.inputs[at] == kNoValue) && node.inputs.size() > 1 &&
         graph[node.inputs[1]].constant;
}

// In the scale of the sums, as a converter gives it.
Value zero_bias(const Graph& graph, const Node& node) {
  const Value &input = graph[node.inputs[0]], &weights = graph[node.inputs[1]];
  const Shape shape{weights.type.shape[static_cast<size_t>(node.op->quantize->weights_axis)]};
  const DType dtype = input.type.dtype == DType::f32   ? DType::f32
                      : input.type.dtype == DType::i16 ? DType::i64
                                                       : DType::i32;
  Value bias{.name = node.name + ".bias", .type = {dtype, shape}};
  bias.constant = std::make_shared<Tensor>(
      Tensor{dtype, shape, std::vector<std::byte>(static_cast<size_t>(shape[0]) * size_of(dtype))});
  if (dtype == DType::f32 || input.quantization.empty()) return bias;
  for (float scale : weights.quantization.scale) bias.quantization.scale.push_back(input.quantization.scale[0] * scale);
  bias.quantization.zero_point.assign(bias.quantization.scale.size(), 0);
  return bias;
}

}  // namespace

Graph with_biases(Graph graph) {
  for (Node& node : graph.nodes) {
    if (!needs_bias(graph, node)) continue;
    const ValueId bias = graph.add(zero_bias(graph, node));
    const auto at = static_cast<size_t>(node.op->quantize->bias);
    node.inputs.resize(at + 1, kNoValue);
    node.inputs[at] = bias;
  }
  return graph;
}

}  // namespace thimble
