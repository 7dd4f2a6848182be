// Folds per-channel affine operators (batch_norm) into weights and bias: of the op before, or, where that has none to
// give, of the op after. Exact but for the rounding of the new weights.
#pragma once
#include "graph/graph.h"

namespace thimble {

// Errors: unsupported, naming the layer that neither neighbour can take.
Result<Graph> fold_batch_norm(Graph graph);

// The same, but leaves what neither neighbour can take.
Result<Graph> fold_batch_norm_where_possible(Graph graph);

}  // namespace thimble
