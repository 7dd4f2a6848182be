// TensorFlow Lite's int8 arithmetic written once more from its published formulas, in the forms they are published in
// and apart from device/base, so that an error in one is not an error in both. Also runs one int8 node through its
// lowering and kernels.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "core/rng.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

// SaturatingRoundingDoublingHighMul: nudged, then truncated towards zero.
inline int32_t reference_high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  const int64_t product = int64_t{a} * b;
  const int64_t nudge = product >= 0 ? (int64_t{1} << 30) : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
}

// RoundingDivideByPOT: to the nearest, ties away from zero.
inline int32_t reference_divide(int32_t x, int exponent) {
  const int64_t half = exponent > 0 ? int64_t{1} << (exponent - 1) : 0;
  const int64_t magnitude = (std::abs(int64_t{x}) + half) >> exponent;
  return static_cast<int32_t>(x < 0 ? -magnitude : magnitude);
}

struct ReferenceMultiplier {
  int32_t value = 0;
  int shift = 0;
};

inline ReferenceMultiplier reference_multiplier(double real) {
  int shift = 0;
  const double fraction = std::frexp(real, &shift);
  int64_t value = std::llround(fraction * 2147483648.0);
  if (value == int64_t{1} << 31) {
    value /= 2;
    ++shift;
  }
  if (shift < -31) return {};
  return {static_cast<int32_t>(value), shift};
}

inline int32_t reference_rescale(int32_t x, ReferenceMultiplier m) {
  const int left = std::max(m.shift, 0), right = std::max(-m.shift, 0);
  return reference_divide(reference_high_mul(static_cast<int32_t>(int64_t{x} * (int64_t{1} << left)), m.value), right);
}

inline int8_t reference_clamp(int32_t value, int32_t low = -128, int32_t high = 127) {
  return static_cast<int8_t>(std::min(std::max(value, low), high));
}

struct Int8Tensor {
  Shape shape;
  float scale = 1;
  int32_t zero_point = 0;
  std::vector<int8_t> data;
};

inline Int8Tensor random_int8(Rng& rng, Shape shape, float scale, int32_t zero_point) {
  Int8Tensor tensor{std::move(shape), scale, zero_point, {}};
  for (int64_t i = 0; i < element_count(tensor.shape); ++i)
    tensor.data.push_back(static_cast<int8_t>(static_cast<int64_t>(rng.below(256)) - 128));
  return tensor;
}

// Lowers one int8 node and runs its kernels; fills output.data.
inline void run_int8_node(std::string_view op, const std::vector<Int8Tensor>& inputs, const Attrs& attrs,
                          Int8Tensor& output) {
  Graph graph;
  Node node{.op = ops::find(op), .name = "node", .attrs = attrs};
  std::vector<std::vector<std::byte>> bytes;
  const auto add = [&](const Int8Tensor& tensor) {
    return graph.add({.name = fmt::format("v{}", graph.values.size()),
                      .type = {DType::i8, tensor.shape},
                      .quantization = {{tensor.scale}, {tensor.zero_point}}});
  };
  for (const Int8Tensor& input : inputs) {
    node.inputs.push_back(add(input));
    const auto* data = reinterpret_cast<const std::byte*>(input.data.data());
    bytes.emplace_back(data, data + input.data.size());
  }
  graph.inputs = node.inputs;
  graph.outputs = node.outputs = {add(output)};
  graph.nodes.push_back(node);
  const Outcome valid = verify(graph);
  ASSERT_TRUE(valid) << to_string(valid.error());
  const auto result = run_kernels(graph, bytes);
  ASSERT_TRUE(result) << to_string(result.error());
  const auto* data = reinterpret_cast<const int8_t*>(result->at(0).data());
  output.data.assign(data, data + result->at(0).size());
}

inline int64_t differing_bytes(const std::vector<int8_t>& a, const std::vector<int8_t>& b) {
  if (a.size() != b.size()) return -1;
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

}  // namespace thimble::test
