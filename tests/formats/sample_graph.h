// A small model for the tests of file formats: int8, 4 -> 3 -> 2 fully connected, per-tensor and per-channel weights.
#pragma once
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble {

inline Value int8_value(std::string name, Shape shape, float scale, int32_t zero_point) {
  return {.name = std::move(name), .type = {DType::i8, std::move(shape)}, .quantization = {{scale}, {zero_point}}};
}

template <class T>
Value constant_value(std::string name, Shape shape, std::vector<T> data, Quantization quantization = {}) {
  auto tensor = std::make_shared<Tensor>(Tensor::from<T>(shape, data));
  return {.name = std::move(name),
          .type = {dtype_of<T>(), std::move(shape)},
          .quantization = std::move(quantization),
          .constant = std::move(tensor)};
}

inline Graph sample_graph() {
  Graph graph{.name = "sample"};
  const ValueId input = graph.add(int8_value("features", {1, 4}, 0.5f, -3));
  const ValueId weights1 = graph.add(constant_value<int8_t>(
      "hidden/weights", {3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -127}, {{0.1f, 0.2f, 0.3f}, {0, 0, 0}, 0}));
  const ValueId bias1 =
      graph.add(constant_value<int32_t>("hidden/bias", {3}, {100, -200, 300}, {{0.05f, 0.1f, 0.15f}, {0, 0, 0}, 0}));
  const ValueId hidden = graph.add(int8_value("hidden", {1, 3}, 0.25f, -128));
  const ValueId weights2 =
      graph.add(constant_value<int8_t>("scores/weights", {2, 3}, {-1, -2, -3, 4, 5, 6}, {{0.02f}, {0}}));
  const ValueId scores = graph.add(int8_value("scores", {1, 2}, 0.125f, 7));
  graph.nodes.push_back(
      {&ops::fully_connected(), "hidden", {input, weights1, bias1}, {hidden}, Attrs().set("activation", "relu")});
  graph.nodes.push_back(
      {&ops::fully_connected(), "scores", {hidden, weights2, kNoValue}, {scores}, Attrs().set("activation", "none")});
  graph.inputs = {input};
  graph.outputs = {scores};
  return graph;
}

}  // namespace thimble
