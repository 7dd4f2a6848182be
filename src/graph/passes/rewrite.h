// Small questions and edits that graph passes share.
#pragma once
#include <optional>

#include "graph/graph.h"

namespace thimble {

// The node that writes a value; empty for graph inputs and constants.
std::optional<size_t> writer_of(const Graph& graph, ValueId value);

// The node that reads a value, when it is the only one and the value is no graph output.
std::optional<size_t> only_reader_of(const Graph& graph, ValueId value);

// Everything that reads `from` reads `to`.
void replace_reads(Graph& graph, ValueId from, ValueId to);

void remove_node(Graph& graph, size_t index);

// Removes the nodes whose outputs nobody reads and which write no state.
void remove_dead_nodes(Graph& graph);

// Drops what nothing uses any more and checks the graph: the end of every pass.
Result<Graph> finish_pass(Graph graph);

}  // namespace thimble
