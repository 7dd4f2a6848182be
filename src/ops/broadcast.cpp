#include "ops/broadcast.h"

#include <algorithm>
#include <limits>

namespace thimble::ops {

namespace {

std::string list_of(std::span<const Shape> shapes) {
  std::string text;
  for (size_t i = 0; i < shapes.size(); ++i)
    text += (i == 0 ? "" : i + 1 == shapes.size() ? " and " : ", ") + to_string(shapes[i]);
  return text;
}

// The extent of an axis counted from the last; 1 beyond the first.
int64_t extent_from_last(const Shape& shape, size_t axis) {
  return axis < shape.size() ? shape[shape.size() - 1 - axis] : 1;
}

size_t largest_rank(std::span<const Shape> shapes) {
  size_t rank = 0;
  for (const Shape& shape : shapes) rank = std::max(rank, shape.size());
  return rank;
}

}  // namespace

Result<Shape> broadcast_shape(std::string_view op, std::span<const Shape> inputs) {
  Shape shape(largest_rank(inputs), 1);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    int64_t& extent = shape[shape.size() - 1 - axis];
    for (const Shape& input : inputs) {
      const int64_t found = extent_from_last(input, axis);
      if (found != 1 && extent != 1 && found != extent)
        return fail(ErrorCode::bad_data,
                    fmt::format("{} takes inputs whose axes agree from the last on or have one element, found {}", op,
                                list_of(inputs)));
      if (found != 1) extent = found;
    }
  }
  return shape;
}

Result<BroadcastAxes> broadcast_axes(std::string_view op, std::span<const Shape> inputs) {
  THIMBLE_LET(const Shape shape, broadcast_shape(op, inputs));
  BroadcastAxes axes{{}, std::vector<int32_t>(inputs.size(), 0)};
  axes.extents.fill(1);
  size_t count = 0;
  int64_t elements = 1;
  std::vector<bool> before;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t extent = extent_from_last(shape, axis);
    if (extent == 1) continue;
    if (extent > std::numeric_limits<int32_t>::max() / elements)
      return fail(ErrorCode::unsupported, fmt::format("{} of {} gives more than 2^31 elements", op, list_of(inputs)));
    elements *= extent;
    std::vector<bool> repeated;
    for (const Shape& input : inputs) repeated.push_back(extent_from_last(input, axis) == 1);
    if (count > 0 && repeated == before) {
      axes.extents[count - 1] *= static_cast<int32_t>(extent);
      continue;
    }
    if (count == axes.extents.size())
      return fail(ErrorCode::unsupported,
                  fmt::format("{} of {} repeats along more than {} separate axes", op, list_of(inputs), count));
    axes.extents[count] = static_cast<int32_t>(extent);
    for (size_t i = 0; i < inputs.size(); ++i) axes.repeats[i] |= (repeated[i] ? 1 : 0) << count;
    before = std::move(repeated);
    ++count;
  }
  return axes;
}

void for_each_broadcast(const BroadcastAxes& axes, const std::function<void(int64_t, int64_t, int64_t)>& body) {
  int64_t elements = 1;
  for (int32_t extent : axes.extents) elements *= extent;
  for (int64_t i = 0; i < elements; ++i) {
    int64_t rest = i, place[2] = {0, 0}, step[2] = {1, 1};
    for (size_t axis = 0; axis < axes.extents.size() && rest > 0; ++axis) {
      const int64_t extent = axes.extents[axis], index = rest % extent;
      rest /= extent;
      for (size_t input = 0; input < 2; ++input) {
        if ((axes.repeats[input] >> axis) & 1) continue;
        place[input] += index * step[input];
        step[input] *= extent;
      }
    }
    body(i, place[0], place[1]);
  }
}

}  // namespace thimble::ops
