#include "quantize/bias_correction.h"

#include <algorithm>
#include <cmath>

#include "graph/op_spec.h"

namespace thimble {

namespace {

// One layer's rounding error of its weights, and the sums of what that error does to each output channel.
struct LayerError {
  size_t node = 0;  // in the float graph
  ValueId int8_bias = kNoValue;
  Tensor weights;            // float32: weights - rounded weights
  Attrs attrs;               // without the fused activation: the error is linear before it
  std::vector<double> sums;  // by output channel
  int64_t count = 0;         // of outputs per channel
};

Tensor rounding_error(const Tensor& real, const Value& rounded) {
  Tensor error = real;
  const Quantization& q = rounded.quantization;
  size_t inner = 1;
  for (size_t axis = static_cast<size_t>(q.axis) + 1; axis < real.shape.size(); ++axis)
    inner *= static_cast<size_t>(real.shape[axis]);
  const auto codes = rounded.constant->as<int8_t>();
  const auto values = error.as<float>();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] -= q.scale[i / inner % q.scale.size()] * static_cast<float>(codes[i]);
  return error;
}

std::vector<LayerError> layer_errors(const Graph& float_graph, const Graph& int8_graph) {
  std::vector<LayerError> layers;
  for (size_t n = 0; n < float_graph.nodes.size(); ++n) {
    const Node& node = float_graph.nodes[n];
    const auto rounded = std::ranges::find(int8_graph.nodes, node.name, &Node::name);
    if (!node.op->quantize || rounded == int8_graph.nodes.end()) continue;
    const QuantizeRule& rule = *node.op->quantize;
    const auto bias = static_cast<size_t>(rule.bias);
    if (rule.weights < 0 || rule.bias < 0 || bias >= node.inputs.size() || node.inputs[bias] == kNoValue) continue;
    const auto weights = static_cast<size_t>(rule.weights);
    LayerError layer{.node = n, .int8_bias = rounded->inputs[bias], .attrs = node.attrs};
    layer.weights = rounding_error(*float_graph[node.inputs[weights]].constant, int8_graph[rounded->inputs[weights]]);
    if (node.op->traits.fuses_activation) layer.attrs.set("activation", "none");
    layer.sums.resize(static_cast<size_t>(float_graph[node.inputs[bias]].constant->size()), 0);
    layers.push_back(std::move(layer));
  }
  return layers;
}

// Runs the layer with the error as its weights and no bias.
void accumulate(LayerError& layer, const Graph& graph, Executor& executor, size_t rows) {
  const Node& node = graph.nodes[layer.node];
  const auto batched = [&](ValueId id) {
    Shape shape = graph[id].type.shape;
    shape[0] *= executor.batch();
    return shape;
  };
  std::vector<float> output(executor.value(node.outputs[0]).size());
  std::vector<FloatView> inputs(node.inputs.size());
  inputs[0] = {executor.value(node.inputs[0]).data(), batched(node.inputs[0])};
  inputs[static_cast<size_t>(node.op->quantize->weights)] = {layer.weights.as<float>().data(), layer.weights.shape};
  const FloatView out{output.data(), batched(node.outputs[0])};
  std::vector<float> saved;
  (*node.op->forward)({layer.attrs, inputs, {&out, 1}, false, 0, saved});
  const size_t channels = layer.sums.size();
  const size_t counted = output.size() / static_cast<size_t>(executor.batch()) * rows;
  for (size_t i = 0; i < counted; ++i) layer.sums[i % channels] += output[i];
  layer.count += static_cast<int64_t>(counted / channels);
}

}  // namespace

Outcome correct_bias(Graph& float_graph, Graph& int8_graph, const CalibrationInputs& inputs, Progress& progress) {
  std::vector<LayerError> layers = layer_errors(float_graph, int8_graph);
  THIMBLE_TRY(inputs.run(float_graph, "correct biases", progress, [&](Executor& executor, size_t rows) {
    for (LayerError& layer : layers) accumulate(layer, float_graph, executor, rows);
    return Outcome{};
  }));
  for (const LayerError& layer : layers) {
    const Value& bias = int8_graph[layer.int8_bias];
    const std::vector<float>& scale = bias.quantization.scale;
    const auto codes = bias.constant->as<int32_t>();
    for (size_t c = 0; c < codes.size(); ++c) {
      const double mean = layer.sums[c] / static_cast<double>(layer.count);
      codes[c] += static_cast<int32_t>(std::lround(mean / static_cast<double>(scale[scale.size() > 1 ? c : 0])));
    }
  }
  return {};
}

}  // namespace thimble
