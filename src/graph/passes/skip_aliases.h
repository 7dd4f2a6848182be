// Operators that read their input's elements in order, whatever the shape (fully connected), read what stands before a
// reshape. So channels can be followed through it, and reshapes that nobody reads any more go.
#pragma once
#include "graph/graph.h"

namespace thimble {

Result<Graph> skip_aliases(Graph graph);

}  // namespace thimble
