// Builds small float graphs with random weights, and evaluates them node by node with the ops' own forward.
#pragma once
#include <gtest/gtest.h>

#include <map>

#include "core/rng.h"
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble::test {

inline Tensor random_tensor(Rng& rng, Shape shape, double low = -1, double high = 1) {
  Tensor tensor = Tensor::zeros(DType::f32, std::move(shape));
  for (float& value : tensor.as<float>()) value = static_cast<float>(rng.uniform(low, high));
  return tensor;
}

class GraphBuilder {
 public:
  explicit GraphBuilder(uint64_t seed) : rng_{seed} {}

  ValueId input(Shape shape) {
    const ValueId id =
        graph.add({.name = fmt::format("x{}", graph.values.size()), .type = {DType::f32, std::move(shape)}});
    graph.inputs.push_back(id);
    return id;
  }
  ValueId weights(Shape shape, double low = -1, double high = 1) {
    auto tensor = std::make_shared<Tensor>(random_tensor(rng_, shape, low, high));
    return graph.add({.name = fmt::format("w{}", graph.values.size()),
                      .type = {DType::f32, shape},
                      .constant = tensor,
                      .trainable = true});
  }
  ValueId node(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    Node node{.op = ops::find(op),
              .name = fmt::format("{}_{}", op, graph.nodes.size()),
              .inputs = std::move(inputs),
              .attrs = std::move(attrs)};
    std::vector<ValueType> types;
    std::vector<const Tensor*> constants;
    for (ValueId id : node.inputs) {
      types.push_back(id == kNoValue ? ValueType{} : graph[id].type);
      constants.push_back(id == kNoValue ? nullptr : graph[id].constant.get());
    }
    auto outputs = (*node.op->infer)({node.attrs, types, constants});
    if (!outputs) throw std::runtime_error(to_string(outputs.error()));
    node.outputs = {graph.add({.name = node.name, .type = outputs->at(0)})};
    graph.nodes.push_back(node);
    return node.outputs[0];
  }
  ValueId batch_norm(ValueId x) {
    const Shape channels{graph[x].type.shape.back()};
    const ValueId gamma = weights(channels, 0.5, 2), beta = weights(channels), mean = weights(channels),
                  variance = weights(channels, 0.2, 3);
    return node("batch_norm", {x, gamma, beta, mean, variance});
  }
  Graph finish(std::vector<ValueId> outputs) {
    graph.outputs = std::move(outputs);
    return graph;
  }

  Graph graph;

 private:
  Rng rng_;
};

// The graph's outputs at inference for random inputs of this seed.
inline std::vector<float> evaluate(const Graph& stored, uint64_t seed) {
  const Graph graph = deep_copy(stored);
  Rng rng{seed, 77};
  std::map<ValueId, Tensor> values;
  for (ValueId id : graph.inputs) values[id] = random_tensor(rng, graph[id].type.shape);
  const auto view = [&](ValueId id) -> FloatView {
    if (id == kNoValue) return {};
    Tensor& tensor = graph[id].constant ? *graph[id].constant : values.at(id);
    return {tensor.as<float>().data(), tensor.shape};
  };
  for (const Node& node : graph.nodes) {
    values[node.outputs[0]] = Tensor::zeros(DType::f32, graph[node.outputs[0]].type.shape);
    std::vector<FloatView> inputs;
    for (ValueId id : node.inputs) inputs.push_back(view(id));
    const std::vector<FloatView> outputs{view(node.outputs[0])};
    std::vector<float> saved;
    (*node.op->forward)({.attrs = node.attrs, .inputs = inputs, .outputs = outputs, .saved = saved});
  }
  std::vector<float> result;
  for (ValueId id : graph.outputs) {
    const FloatView out = view(id);
    result.insert(result.end(), out.data, out.data + out.size());
  }
  return result;
}

// Same outputs within 1e-5 of the largest, on several random inputs.
inline void expect_same_outputs(const Graph& before, const Graph& after) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const std::vector<float> expected = evaluate(before, seed), found = evaluate(after, seed);
    ASSERT_EQ(expected.size(), found.size());
    float largest = 1;
    for (float value : expected) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(expected[i], found[i], 1e-5f * largest) << "output " << i;
  }
}

inline int count_ops(const Graph& graph, std::string_view op) {
  int count = 0;
  for (const Node& node : graph.nodes) count += node.op->name == op;
  return count;
}

}  // namespace thimble::test
