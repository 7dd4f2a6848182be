// Removes operators that do nothing at inference (dropout).
#pragma once
#include "graph/graph.h"

namespace thimble {

Result<Graph> remove_identity(Graph graph);

}  // namespace thimble
