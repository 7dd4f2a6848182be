#include "graph/passes/rewrite.h"

#include <algorithm>

namespace thimble {

std::optional<size_t> writer_of(const Graph& graph, ValueId value) {
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (std::ranges::count(graph.nodes[i].outputs, value)) return i;
  return std::nullopt;
}

std::optional<size_t> only_reader_of(const Graph& graph, ValueId value) {
  const std::vector<size_t> readers = readers_of(graph, value);
  if (readers.size() != 1 || std::ranges::count(graph.outputs, value)) return std::nullopt;
  return readers[0];
}

void replace_reads(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::ranges::replace(node.inputs, from, to);
  std::ranges::replace(graph.outputs, from, to);
}

void remove_node(Graph& graph, size_t index) { graph.nodes.erase(graph.nodes.begin() + static_cast<ptrdiff_t>(index)); }

Result<Graph> finish_pass(Graph graph) {
  remove_unused_values(graph);
  THIMBLE_TRY(verify(graph));
  return graph;
}

}  // namespace thimble
