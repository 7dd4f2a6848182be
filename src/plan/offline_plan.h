// A plan for another runtime that keeps every tensor in an arena of its own: TensorFlow Lite Micro takes the offsets
// from the model file.
#pragma once
#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace thimble {

// Bytes from the start of the arena by value of the graph, -1 where that runtime decides: for constants, state, values
// that share memory here, and those whose memory is used anew within one node, which other kernels may not allow. No
// two values that live during one node overlap.
std::vector<int32_t> offline_offsets(const Graph& graph, const Plan& plan);

}  // namespace thimble
