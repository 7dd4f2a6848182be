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

// Random codes as a constant with one scale.
template <class T>
Tensor random_codes(Rng& rng, const Shape& shape, int range) {
  std::vector<T> codes(static_cast<size_t>(element_count(shape)));
  for (T& code : codes)
    code = static_cast<T>(static_cast<int>(rng.below(static_cast<uint64_t>(2 * range + 1))) - range);
  return Tensor::from<T>(shape, codes);
}

// An LSTM of int8 or int16 activations and, of int8, an svdf behind it: 3 steps of 4 inputs.
inline Graph recurrent_layers(DType activations) {
  Rng rng({13});
  const bool int8 = activations == DType::i8;
  const int64_t units = 5, steps = 3, inputs = 4;
  const Quantization in{{int8 ? 0.02f : 0.0001f}, {int8 ? 7 : 0}, 0},
      hidden{{1.0f / (int8 ? 128 : 32768)}, {int8 ? -3 : 0}, 0};
  GraphBuilder builder("recurrent");
  std::vector<ValueId> ids(24, kNoValue);
  ids[0] = builder.input("input", {activations, {1, steps, inputs}}, in);
  for (size_t gate = 0; gate < 4; ++gate) {
    const Quantization weights{{0.004f + 0.001f * static_cast<float>(gate)}, {0}, 0};
    ids[1 + gate] = builder.constant("weights", random_codes<int8_t>(rng, {units, inputs}, 127), weights);
    ids[5 + gate] = builder.constant("recurrent", random_codes<int8_t>(rng, {units, units}, 127), weights);
    ids[12 + gate] = builder.constant(
        "bias", int8 ? random_codes<int32_t>(rng, {units}, 9000) : random_codes<int64_t>(rng, {units}, 900000));
  }
  ids[18] = builder.state(
      "hidden",
      int8 ? Tensor::from<int8_t>({1, units}, std::vector<int8_t>(5, -3)) : Tensor::zeros(DType::i16, {1, units}),
      hidden);
  ids[19] = builder.state("cell", Tensor::zeros(DType::i16, {1, units}), {{1.0f / 2048}, {0}, 0});
  ValueId flow = builder.node(ops::unidirectional_sequence_lstm(), "lstm", ids, {}).value()[0];
  builder.graph()[flow].quantization = hidden;
  if (int8) {
    flow = builder.node(ops::reshape(), "flat", {flow}, Attrs().set("shape", Shape{1, steps * units})).value()[0];
    builder.graph()[flow].quantization = hidden;
    const ValueId features =
        builder.constant("features", random_codes<int8_t>(rng, {6, steps * units}, 127), {{0.01f}, {0}, 0});
    const ValueId times = builder.constant("times", random_codes<int16_t>(rng, {6, 4}, 32767), {{0.00003f}, {0}, 0});
    const ValueId state = builder.state("memory", Tensor::zeros(DType::i16, {1, 24}), {{0.0003f}, {0}, 0});
    flow = builder.node(ops::svdf(), "svdf", {flow, features, times, kNoValue, state}, Attrs().set("rank", int64_t{2}))
               .value()[0];
    builder.graph()[flow].quantization = {{0.03f}, {4}, 0};
  }
  builder.output(flow);
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
