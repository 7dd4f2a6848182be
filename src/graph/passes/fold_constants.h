// Constant folding: nodes that read only constants are run once, on the host, by their own device kernels, and their
// outputs become constants. So attributes that a file keeps in computed tensors (a shape put together from SHAPE,
// STRIDED_SLICE and PACK) are known before they are asked for.
#pragma once
#include <functional>

#include "graph/graph.h"

namespace thimble {

// What all folding of one model may take: a small file can ask for any number of large constants.
struct FoldBudget {
  int64_t bytes = int64_t{256} << 20;
  int64_t macs = int64_t{1} << 32;
};

// Computes the node's outputs when all it reads is constant, or when its op reads only shapes: true then, and the
// node is no longer needed. False leaves everything as it is, also where the budget ends. The graph need not be
// complete: an importer may call this after each node it adds.
bool fold_node(Graph& graph, const Node& node, FoldBudget& budget);

// fold_node for every node in order, dropping those that folded. `prepare` sees each node first, when all before it are
// folded; its error ends the pass. A node that writes an output of the graph stays, but its readers get the constant.
Outcome fold_constants(Graph& graph, const std::function<Outcome(Node&)>& prepare = {});

}  // namespace thimble
