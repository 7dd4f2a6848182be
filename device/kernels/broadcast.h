// The loop of every operator of several inputs that are repeated along axes where they have one element. The host
// merges axes that lie together (src/ops/broadcast.h); what remains are the fields below, outermost extent first and 1
// where there are fewer. Bit k of <x>_repeats: input x has one element along axis k counted from the innermost.
#pragma once
#include "device/base/params.h"

#define THIMBLE_BROADCAST extent_5, extent_4, extent_3, extent_2, extent_1, extent_0, a_repeats, b_repeats

namespace thimble {
namespace device {

constexpr int32_t kBroadcastAxes = 6;

// How far to move along each axis, innermost first, in an input whose repeated axes take no room.
struct BroadcastSteps {
  int32_t step[kBroadcastAxes];
  BroadcastSteps(const int32_t* extents, int32_t repeats) {
    int32_t size = 1;
    for (int32_t axis = 0; axis < kBroadcastAxes; ++axis) {
      const bool repeated = (repeats >> axis) & 1;
      step[axis] = repeated ? 0 : size;
      if (!repeated) size *= extents[axis];
    }
  }
};

// The next row's place in an input, given the innermost axis at which the odometer of the outer axes moved on.
template <class T>
inline const T* next_row(const T* row, const BroadcastSteps& steps, const int32_t* extents, int32_t axis) {
  for (int32_t finished = 1; finished < axis; ++finished) row -= steps.step[finished] * (extents[finished] - 1);
  return row + steps.step[axis];
}

// Moves the odometer of the axes above the innermost; gives the axis that moved on, or kBroadcastAxes at the end.
inline int32_t advance(int32_t* index, const int32_t* extents) {
  int32_t axis = 1;
  for (; axis < kBroadcastAxes; ++axis) {
    if (++index[axis] < extents[axis]) break;
    index[axis] = 0;
  }
  return axis;
}

// output[...] = function(a[...], b[...]); output may be the memory of an input of its size.
template <class Params, class A, class B, class Output, class Function>
inline void broadcast(const Params& p, const A* a, const B* b, Output* output, const Function& function) {
  const int32_t extents[kBroadcastAxes] = {p.extent_0, p.extent_1, p.extent_2, p.extent_3, p.extent_4, p.extent_5};
  const BroadcastSteps a_steps(extents, p.a_repeats), b_steps(extents, p.b_repeats);
  int32_t index[kBroadcastAxes] = {};
  for (int32_t axis = 1; axis < kBroadcastAxes;) {
    if (a_steps.step[0] & b_steps.step[0]) {
      for (int32_t i = 0; i < extents[0]; ++i) output[i] = function(a[i], b[i]);
    } else {
      const A* next_a = a;
      const B* next_b = b;
      for (int32_t i = 0; i < extents[0]; ++i, next_a += a_steps.step[0], next_b += b_steps.step[0])
        output[i] = function(*next_a, *next_b);
    }
    output += extents[0];
    axis = advance(index, extents);
    if (axis == kBroadcastAxes) break;
    a = next_row(a, a_steps, extents, axis);
    b = next_row(b, b_steps, extents, axis);
  }
}

}  // namespace device
}  // namespace thimble
