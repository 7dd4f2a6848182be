// Small int8 models for firmware tests, made of seeded random weights.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/process.h"
#include "core/rng.h"
#include "graph/builder.h"
#include "ops/ops.h"
#include "plan/plan.h"

namespace thimble::testing_models {

inline ValueId add_value(Graph& graph, const std::string& name, const Shape& shape, DType dtype, float scale,
                         int zero_point) {
  Value value;
  value.name = name;
  value.type.dtype = dtype;
  value.type.shape = shape;
  value.quantization.scale = {scale};
  value.quantization.zero_point = {zero_point};
  return graph.add(std::move(value));
}

// A constant of numbers in [-range, range].
template <class T>
ValueId add_constant(Graph& graph, Rng& rng, const std::string& name, const Shape& shape, float scale, int range) {
  std::vector<T> numbers(static_cast<size_t>(element_count(shape)));
  for (T& number : numbers)
    number = static_cast<T>(static_cast<int>(rng.below(static_cast<uint64_t>(2 * range + 1))) - range);
  const ValueId id = add_value(graph, name, shape, dtype_of<T>(), scale, 0);
  graph[id].constant = std::make_shared<Tensor>(Tensor::from<T>(shape, numbers));
  return id;
}

// Fully connected layers inputs -> widths[0] -> ... named dense_0 ...
inline Graph stack(int64_t inputs, const std::vector<int64_t>& widths) {
  constexpr float kScale = 0.05f, kWeightScale = 0.01f;
  Rng rng({7});
  Graph graph;
  graph.name = "stack";
  ValueId flow = add_value(graph, "input", {1, inputs}, DType::i8, kScale, -3);
  graph.inputs = {flow};
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    const std::string name = "dense_" + std::to_string(layer);
    const int64_t outputs = widths[layer];
    const ValueId weights = add_constant<int8_t>(graph, rng, name + "/w", {outputs, inputs}, kWeightScale, 127);
    const ValueId bias = add_constant<int32_t>(graph, rng, name + "/b", {outputs}, kScale * kWeightScale, 1000);
    const ValueId out = add_value(graph, name, {1, outputs}, DType::i8, kScale, -3);
    Node node;
    node.op = &ops::fully_connected();
    node.name = name;
    node.inputs = {flow, weights, bias};
    node.outputs = {out};
    graph.nodes.push_back(std::move(node));
    flow = out;
    inputs = outputs;
  }
  graph.outputs = {flow};
  return graph;
}

// Float: output = sum of all inputs since the beginning, on top of what the state holds at first (element i: i);
// the second output is the state before the inference, in another shape.
inline Graph running_sum(int64_t width) {
  GraphBuilder builder("running_sum");
  std::vector<float> first(static_cast<size_t>(width));
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<float>(i);
  const Shape shape = {1, width};
  const ValueId input = builder.input("input", {DType::f32, shape});
  const ValueId state = builder.state("sum", Tensor::from<float>(shape, first));
  const ValueId before =
      builder.node(ops::reshape(), "before", {state}, Attrs().set("shape", Shape{width, 1})).value()[0];
  const ValueId read = builder.node(ops::read_variable(), "read", {state}).value()[0];
  const ValueId sum = builder.node(ops::add(), "add", {read, input}).value()[0];
  EXPECT_TRUE(builder.node(ops::assign_variable(), "assign", {state, sum}).value().empty());
  builder.output(sum);
  builder.output(before);
  return builder.finish().value();
}

inline Plan plan_of(const Graph& graph) {
  auto plan = make_plan(graph, {});
  return plan ? *plan : Plan{};
}

// Random bytes for `samples` inputs.
inline std::vector<uint8_t> noise(int64_t bytes, uint64_t seed = 3) {
  Rng rng({seed});
  std::vector<uint8_t> values(static_cast<size_t>(bytes));
  for (uint8_t& value : values) value = static_cast<uint8_t>(rng.next());
  return values;
}

}  // namespace thimble::testing_models

#define SKIP_WITHOUT(program) \
  if (!::thimble::find_program(program)) GTEST_SKIP() << program << " is not installed"
