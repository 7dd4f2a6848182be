// What importers do to a graph of float layers before they hand it over: the form in which thimble's own models are.
#pragma once
#include "graph/graph.h"

namespace thimble {

// Folds per-channel affine operators into their neighbours, writes those that have none to fold into as mul and add,
// fuses activations and drops what does nothing at inference. Errors: those of the passes.
Result<Graph> simplify(Graph graph);

// Drops nodes whose outputs nothing reads.
void remove_unused_nodes(Graph& graph);

}  // namespace thimble
