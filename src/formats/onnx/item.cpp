#include "formats/onnx/item.h"

#include <algorithm>
#include <numeric>

namespace thimble::onnx_import {

std::optional<int64_t> elements_within(const Shape& shape, int64_t most) {
  int64_t elements = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    empty = empty || extent == 0;
    if (extent < 0 || __builtin_mul_overflow(elements, std::max<int64_t>(extent, 1), &elements) || elements > most)
      return std::nullopt;
  }
  return empty ? 0 : elements;
}

Order same_order(size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Order channels_last(size_t rank) {
  Order order = same_order(rank);
  if (rank > 2) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

Shape permuted(const Shape& shape, const Order& order) {
  Shape result;
  for (int axis : order) result.push_back(shape[static_cast<size_t>(axis)]);
  return result;
}

Shape unpermuted(const Shape& shape, const Order& order) {
  Shape result(shape.size());
  for (size_t k = 0; k < order.size(); ++k) result[static_cast<size_t>(order[k])] = shape[k];
  return result;
}

Order long_axes(const Order& order, const Shape& shape) {
  Order result;
  std::ranges::copy_if(order, std::back_inserter(result),
                       [&](int axis) { return shape[static_cast<size_t>(axis)] != 1; });
  return result;
}

bool same_memory(const Order& a, const Order& b, const Shape& shape) {
  return long_axes(a, shape) == long_axes(b, shape);
}

namespace {

std::vector<int> long_axes_of(const Shape& shape) {
  std::vector<int> axes;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) axes.push_back(static_cast<int>(i));
  return axes;
}

// Axes of `before` and of `after` with equal products, in turn.
struct AxisGroup {
  std::vector<int> before, after;
};

std::vector<AxisGroup> groups_of(const Shape& before, const Shape& after) {
  const std::vector<int> from = long_axes_of(before), to = long_axes_of(after);
  std::vector<AxisGroup> groups;
  for (size_t i = 0, j = 0; i < from.size() && j < to.size();) {
    AxisGroup group;
    int64_t left = before[static_cast<size_t>(from[i])], right = after[static_cast<size_t>(to[j])];
    group.before.push_back(from[i++]);
    group.after.push_back(to[j++]);
    while (left != right) {
      if (left < right && i < from.size()) {
        left *= before[static_cast<size_t>(from[i])];
        group.before.push_back(from[i++]);
      } else if (j < to.size()) {
        right *= after[static_cast<size_t>(to[j])];
        group.after.push_back(to[j++]);
      } else {
        return {};
      }
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

std::optional<Order> reshaped_order(const Shape& before, const Order& order, const Shape& after) {
  const std::vector<AxisGroup> groups = groups_of(before, after);
  Order memory;
  for (int axis : order)
    if (before[static_cast<size_t>(axis)] != 1) memory.push_back(axis);
  Order result;
  for (size_t at = 0; at < memory.size();) {
    const auto group = std::ranges::find_if(groups, [&](const AxisGroup& g) { return g.before.front() == memory[at]; });
    if (group == groups.end() || at + group->before.size() > memory.size() ||
        !std::equal(group->before.begin(), group->before.end(), memory.begin() + static_cast<ptrdiff_t>(at)))
      return std::nullopt;
    result.insert(result.end(), group->after.begin(), group->after.end());
    at += group->before.size();
  }
  if (std::ranges::is_sorted(result)) return same_order(after.size());
  Order with_ones;
  for (size_t axis = 0; axis < after.size(); ++axis)
    if (after[axis] == 1) with_ones.push_back(static_cast<int>(axis));
  with_ones.insert(with_ones.end(), result.begin(), result.end());
  return with_ones;
}

Tensor permuted(const Tensor& tensor, const Order& order) {
  Tensor result{tensor.dtype, permuted(tensor.shape, order), std::vector<std::byte>(tensor.bytes.size())};
  const size_t rank = order.size(), width = size_of(tensor.dtype);
  std::vector<int64_t> step(rank), strides(rank, 1), at(rank, 0);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * tensor.shape[i];
  for (size_t k = 0; k < rank; ++k) step[k] = strides[static_cast<size_t>(order[k])];
  const int64_t count = tensor.size();
  int64_t from = 0;
  for (int64_t to = 0; to < count; ++to) {
    std::memcpy(result.bytes.data() + static_cast<size_t>(to) * width,
                tensor.bytes.data() + static_cast<size_t>(from) * width, width);
    for (size_t k = rank; k-- > 0;) {
      from += step[k];
      if (++at[k] < result.shape[k]) break;
      from -= step[k] * at[k];
      at[k] = 0;
    }
  }
  return result;
}

namespace {

template <class To>
std::vector<To> numbers_of(const Tensor& t) {
  const auto convert = [](auto values) { return std::vector<To>(values.begin(), values.end()); };
  switch (t.dtype) {
    case DType::f32:
      return convert(t.as<float>());
    case DType::i8:
      return convert(t.as<int8_t>());
    case DType::u8:
      return convert(t.as<uint8_t>());
    case DType::i16:
      return convert(t.as<int16_t>());
    case DType::i32:
      return convert(t.as<int32_t>());
    case DType::i64:
      return convert(t.as<int64_t>());
    case DType::boolean:
      return convert(t.as<uint8_t>());
  }
  return {};
}

template <class T>
Tensor narrowed(Shape shape, const std::vector<int64_t>& values) {
  std::vector<T> narrow;
  for (int64_t value : values) narrow.push_back(static_cast<T>(value));
  return Tensor::from(std::move(shape), narrow);
}

}  // namespace

std::vector<int64_t> integers_of(const Tensor& tensor) {
  return tensor.dtype == DType::f32 ? std::vector<int64_t>{} : numbers_of<int64_t>(tensor);
}

std::vector<float> floats_of(const Tensor& tensor) { return numbers_of<float>(tensor); }

Tensor integer_tensor(DType dtype, Shape shape, const std::vector<int64_t>& values) {
  switch (dtype) {
    case DType::i8:
      return narrowed<int8_t>(std::move(shape), values);
    case DType::u8:
      return narrowed<uint8_t>(std::move(shape), values);
    case DType::i16:
      return narrowed<int16_t>(std::move(shape), values);
    case DType::i32:
      return narrowed<int32_t>(std::move(shape), values);
    case DType::boolean: {
      Tensor bytes = narrowed<uint8_t>(std::move(shape), values);
      bytes.dtype = DType::boolean;
      return bytes;
    }
    default:
      return Tensor::from(std::move(shape), values);
  }
}

std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  Shape result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const int64_t y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    if (x != y && x != 1 && y != 1) return std::nullopt;
    result[i] = x == 1 ? y : x;
  }
  return result;
}

}  // namespace thimble::onnx_import
