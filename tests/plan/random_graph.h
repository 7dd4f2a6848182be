// Small int8 graphs for the plan's tests, and what they must give: every value in memory of its own, each kernel called
// directly.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/kernel_table.h"
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble::test {

class GraphMaker {
 public:
  explicit GraphMaker(uint64_t seed) : rng_{seed} {}

  ValueId input(Shape shape) {
    const ValueId id = value(std::move(shape));
    graph.inputs.push_back(id);
    return id;
  }
  ValueId fully_connected(ValueId from, int64_t outputs) {
    const int64_t inputs = graph[from].type.shape.back();
    const int64_t rows = element_count(graph[from].type.shape) / inputs;
    return node("fully_connected", {from, weights({outputs, inputs})}, {rows, outputs});
  }
  ValueId conv2d(ValueId from, int64_t outputs, int64_t taps, int64_t stride) {
    return window("conv2d", from, {outputs, taps, taps, graph[from].type.shape[3]}, outputs, taps, stride);
  }
  ValueId depthwise_conv2d(ValueId from, int64_t taps, int64_t stride) {
    const int64_t channels = graph[from].type.shape[3];
    return window("depthwise_conv2d", from, {1, taps, taps, channels}, channels, taps, stride);
  }
  ValueId max_pool2d(ValueId from, int64_t taps, int64_t stride) {
    return window("max_pool2d", from, {}, graph[from].type.shape[3], taps, stride, graph[from].quantization);
  }
  ValueId relu(ValueId from) { return node("relu", {from}, graph[from].type.shape); }
  ValueId add(ValueId a, ValueId b) { return node("add", {a, b}, graph[a].type.shape); }
  ValueId reshape(ValueId from, Shape shape) {
    return node("reshape", {from}, shape, Attrs().set("shape", shape), graph[from].quantization);
  }

  // Layers that read random earlier values, so that lives cross: chains, forks, joins, reshapes of inputs and of
  // outputs.
  static Graph random(uint64_t seed, size_t nodes) {
    GraphMaker maker(seed);
    std::vector<ValueId> values;
    for (uint64_t i = 0; i <= maker.rng_.below(2); ++i) values.push_back(maker.input({1, maker.width()}));
    for (size_t n = 0; n < nodes; ++n) {
      const ValueId from = values[values.size() - 1 - maker.rng_.below(std::min<size_t>(values.size(), 5))];
      values.push_back(maker.random_node(from, values));
    }
    maker.graph.outputs = {values.back()};
    for (ValueId id : values)
      if (maker.rng_.below(8) == 0 && id != values.back()) maker.graph.outputs.push_back(id);
    return maker.graph;
  }

  // Images through convolutions, poolings and residual additions, as in networks for pictures.
  static Graph random_images(uint64_t seed, size_t nodes) {
    GraphMaker maker(seed);
    Rng& rng = maker.rng_;
    const auto one_to = [&](uint64_t most) { return 1 + static_cast<int64_t>(rng.below(most)); };
    // Bands of rows want whole words in a row.
    const auto channels = [&] { return seed % 4 ? 4 * one_to(4) : one_to(17); };
    ValueId last = maker.input({1, 4 + one_to(14), 3 + one_to(10), channels()}), earlier = last;
    for (size_t n = 0; n < nodes; ++n) {
      const ValueId from = last;
      switch (rng.below(6)) {
        case 0:
          last = maker.depthwise_conv2d(last, 3, one_to(2));
          break;
        case 1:
          last = maker.max_pool2d(last, one_to(3), one_to(2));
          break;
        case 2:
          last = maker.conv2d(last, channels(), 1, 1);
          break;
        case 3:
          if (maker.graph[last].type.shape == maker.graph[earlier].type.shape && last != earlier)
            last = maker.add(earlier, last);
          break;
        default:
          last = maker.conv2d(last, channels(), one_to(4), one_to(2));
      }
      if (rng.below(3) == 0) earlier = from;
    }
    maker.graph.outputs = {last};
    if (rng.below(8) == 0 && earlier != last && earlier != maker.graph.inputs[0])
      maker.graph.outputs.push_back(earlier);
    return maker.graph;
  }

  Graph graph;

 private:
  ValueId weights(Shape shape) {
    std::vector<int8_t> numbers(static_cast<size_t>(element_count(shape)));
    for (int8_t& weight : numbers) weight = static_cast<int8_t>(static_cast<int>(rng_.below(255)) - 127);
    Value constant{.name = name("weights"), .type = {DType::i8, shape}, .quantization = {{0.01f}, {0}, 0}};
    constant.constant = std::make_shared<Tensor>(Tensor::from<int8_t>(shape, numbers));
    return graph.add(std::move(constant));
  }
  // The output of a window over rows and columns with padding as TensorFlow Lite's SAME.
  ValueId window(const std::string& op, ValueId from, const Shape& filter, int64_t outputs, int64_t taps,
                 int64_t stride, Quantization q = {}) {
    const Shape& shape = graph[from].type.shape;
    Shape result = {1, (shape[1] + stride - 1) / stride, (shape[2] + stride - 1) / stride, outputs};
    Attrs attrs;
    attrs.set("stride_h", stride).set("stride_w", stride).set("padding", "same");
    if (filter.empty()) attrs.set("window_h", taps).set("window_w", taps);
    std::vector<ValueId> inputs = {from};
    if (!filter.empty()) inputs.push_back(weights(filter));
    return node(op, std::move(inputs), std::move(result), std::move(attrs), std::move(q));
  }
  int64_t width() { return 1 + static_cast<int64_t>(rng_.below(40)); }
  std::string name(const std::string& what) { return what + std::to_string(graph.values.size()); }

  ValueId value(Shape shape) {
    return graph.add(
        {.name = name("value"),
         .type = {DType::i8, std::move(shape)},
         .quantization = {
             {0.05f + 0.01f * static_cast<float>(rng_.below(9))}, {static_cast<int32_t>(rng_.below(40)) - 20}, 0}});
  }
  ValueId node(const std::string& op, std::vector<ValueId> inputs, Shape shape, Attrs attrs = {}, Quantization q = {}) {
    const ValueId output = value(std::move(shape));
    if (!q.empty()) graph[output].quantization = q;
    graph.nodes.push_back(
        {ops::find(op), op + std::to_string(graph.nodes.size()), std::move(inputs), {output}, std::move(attrs)});
    return output;
  }
  ValueId random_node(ValueId from, const std::vector<ValueId>& values) {
    const Shape shape = graph[from].type.shape;
    switch (rng_.below(5)) {
      case 0:
        return relu(from);
      case 1:
        return reshape(from, shape.size() == 2 ? Shape{1, 1, shape[1]} : Shape{1, shape.back()});
      case 2:
        for (ValueId other : values)
          if (graph[other].type.shape == shape) return add(from, other);
        [[fallthrough]];
      default:
        return fully_connected(from, width());
    }
  }

  Rng rng_;
};

using ValueBytes = std::map<ValueId, std::vector<uint8_t>>;

inline ValueBytes random_inputs(const Graph& graph, uint64_t seed) {
  Rng rng{seed};
  ValueBytes bytes;
  for (ValueId id : graph.inputs) {
    bytes[id].resize(static_cast<size_t>(element_count(graph[id].type.shape)) * size_of(graph[id].type.dtype));
    for (uint8_t& byte : bytes[id]) byte = static_cast<uint8_t>(rng.next());
  }
  return bytes;
}

// All values of a graph after its kernels were called one by one.
inline ValueBytes run_directly(const Graph& graph, ValueBytes bytes) {
  for (const Node& node : graph.nodes) {
    if (node.op->traits.alias) {
      bytes[node.outputs[0]] = bytes[node.inputs[0]];
      continue;
    }
    for (ValueId id : node.outputs)
      bytes[id].resize(static_cast<size_t>(element_count(graph[id].type.shape)) * size_of(graph[id].type.dtype));
    auto calls = (*node.op->lower)({graph, node, "portable"}).value();
    for (KernelCall& call : calls) {
      std::vector<std::vector<uint8_t>> scratch;
      std::vector<void*> operands;
      for (Operand& operand : call.operands) {
        if (auto* id = std::get_if<ValueId>(&operand))
          operands.push_back(graph[*id].constant ? static_cast<void*>(graph[*id].constant->bytes.data())
                                                 : bytes[*id].data());
        else if (auto* tensor = std::get_if<Tensor>(&operand))
          operands.push_back(tensor->bytes.data());
        else
          operands.push_back(scratch.emplace_back(static_cast<size_t>(std::get<ScratchBytes>(operand).bytes)).data());
      }
      EXPECT_TRUE(run_kernel(call, operands)) << call.layer;
    }
  }
  return bytes;
}

}  // namespace thimble::test
