// What one ONNX tensor is to the importer: a constant in ONNX's order, or a value of the graph together with the order
// in which its axes lie there. ONNX is [N, C, H, W] and thimble [N, H, W, C]; instead of transposing back and forth,
// every tensor carries its order, and only operators that must have another one pay for a transpose.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace thimble::onnx_import {

// Axis k in memory is axis order[k] of the ONNX tensor.
using Order = std::vector<int>;

// The product of the extents; none where one is negative or where it is beyond `most`, extents of 0 left out: strides
// of an empty tensor are products too.
std::optional<int64_t> elements_within(const Shape& shape, int64_t most);

Order same_order(size_t rank);
// [N, C, H, W] as [N, H, W, C]; for any rank from 3 on.
Order channels_last(size_t rank);
// shape[order[k]] for every k, and back.
Shape permuted(const Shape& shape, const Order& order);
Shape unpermuted(const Shape& shape, const Order& order);
// Those of the order with more than one element.
Order long_axes(const Order& order, const Shape& shape);
// The same elements in the same sequence: the orders differ in axes of extent 1 at most.
bool same_memory(const Order& a, const Order& b, const Shape& shape);

// The order under which memory that holds `before` in `order` holds `after`, where no axis is torn apart.
std::optional<Order> reshaped_order(const Shape& before, const Order& order, const Shape& after);

struct Item {
  DType type = DType::f32;  // as ONNX sees it
  Shape shape;              // as ONNX sees it
  // One of both. A constant lies in ONNX's order. A float32 item may be stored as int8 (biases as int32) and a uint8
  // item as int8 with 128 taken away; then the constant's `quantization`, or the graph value's, says what the numbers
  // mean.
  std::shared_ptr<const Tensor> constant;
  Quantization quantization;  // of the constant; its axis is ONNX's
  ValueId id = kNoValue;
  Order order;   // of the graph's value
  Shape before;  // ONNX's shape of the graph's value before a reshape that is still pending; else equal to shape
  bool exclusive = true;  // nothing else reads the graph's value

  bool pending() const { return before != shape; }
  size_t rank() const { return shape.size(); }
};

// A constant with its axes in another order, with its quantisation.
Tensor permuted(const Tensor& tensor, const Order& order);

// Elements as numbers. Integers of any width, or booleans; no floats.
std::vector<int64_t> integers_of(const Tensor& tensor);
// Numbers of any type.
std::vector<float> floats_of(const Tensor& tensor);
Tensor integer_tensor(DType dtype, Shape shape, const std::vector<int64_t>& values);

// ONNX's multidirectional broadcasting. Empty: the shapes do not go together.
std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b);

}  // namespace thimble::onnx_import
