// Fuses an activation into the op that makes its input, where that op has a fused form and nothing else reads it.
#pragma once
#include "graph/graph.h"

namespace thimble {

Result<Graph> fuse_activation(Graph graph);

}  // namespace thimble
