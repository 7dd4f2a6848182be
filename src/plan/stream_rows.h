// Streaming: a model of a window of rows (axis 1 of its input: frames in time) becomes one that is given only the rows
// that are new and computes only what follows from them. Windows over rows keep the last rows of their input as state;
// an operator that takes all rows keeps them all. After a whole window of rows the outputs are the original's, byte for
// byte; before that the missing rows count as zeros that have always been there.
#pragma once
#include "graph/graph.h"

namespace thimble {

struct StreamedGraph {
  Graph graph;              // its input is [1, new_rows, ...]
  int64_t new_rows = 1;     // of each inference: the product of the strides that rows meet
  int64_t window_rows = 0;  // of the original's input
};

// Errors: unsupported, naming the layer and the remedy (one input [1, rows, ...] with more than one row; no padding of
// rows).
Result<StreamedGraph> stream_rows(const Graph& graph);

}  // namespace thimble
