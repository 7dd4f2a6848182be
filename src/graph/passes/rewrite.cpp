#include "graph/passes/rewrite.h"

#include <algorithm>
#include <ranges>

#include "graph/op_spec.h"

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

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> read(graph.values.size(), false);
  const auto is_read = [&](ValueId id) -> bool { return read[static_cast<size_t>(id)]; };
  for (ValueId id : graph.outputs) read[static_cast<size_t>(id)] = true;
  std::vector<Node> alive;
  for (Node& node : graph.nodes | std::views::reverse) {
    if (node.op->traits.state_inputs.empty() && !std::ranges::any_of(node.outputs, is_read)) continue;
    for (ValueId id : node.inputs)
      if (id != kNoValue) read[static_cast<size_t>(id)] = true;
    alive.push_back(std::move(node));
  }
  std::ranges::reverse(alive);
  graph.nodes = std::move(alive);
}

Result<Graph> finish_pass(Graph graph) {
  remove_unused_values(graph);
  THIMBLE_TRY(verify(graph));
  return graph;
}

}  // namespace thimble
