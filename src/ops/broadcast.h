// Broadcasting: inputs whose shapes agree from the last axis on, where an axis of one element is repeated. Axes that
// all inputs share or repeat alike are merged into one, so that most layers need a single loop.
#pragma once
#include <array>
#include <functional>
#include <span>
#include <vector>

#include "device/kernels/broadcast.h"
#include "graph/op_spec.h"

namespace thimble::ops {

struct BroadcastAxes {
  // Innermost first, 1 where there are fewer axes.
  std::array<int32_t, device::kBroadcastAxes> extents;
  std::vector<int32_t> repeats;  // one per input: bit k, it has one element along axis k
};

// The shape that all inputs are repeated to. Errors: bad_data, naming the op and the shapes.
Result<Shape> broadcast_shape(std::string_view op, std::span<const Shape> inputs);

// Errors: unsupported beyond kBroadcastAxes merged axes or int32 elements.
Result<BroadcastAxes> broadcast_axes(std::string_view op, std::span<const Shape> inputs);

// Fills the THIMBLE_BROADCAST fields.
template <class Params>
void set_broadcast(Params& params, const BroadcastAxes& axes) {
  params.extent_0 = axes.extents[0];
  params.extent_1 = axes.extents[1];
  params.extent_2 = axes.extents[2];
  params.extent_3 = axes.extents[3];
  params.extent_4 = axes.extents[4];
  params.extent_5 = axes.extents[5];
  params.a_repeats = axes.repeats.at(0);
  params.b_repeats = axes.repeats.at(1);
}

// Calls body(output index, index in a, index in b) for every element of the output.
void for_each_broadcast(const BroadcastAxes& axes, const std::function<void(int64_t, int64_t, int64_t)>& body);

}  // namespace thimble::ops
