#include "graph/passes/skip_aliases.h"

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

// Whether the node gives the same values of the same shape from the input of the alias before it.
bool skip(Graph& graph, size_t index) {
  Node& node = graph.nodes[index];
  if (!node.op->traits.flattens) return false;
  const std::optional<size_t> writer = writer_of(graph, node.inputs[0]);
  if (!writer || !graph.nodes[*writer].op->traits.alias) return false;
  const ValueId before = graph.nodes[*writer].inputs[0];
  if (graph[before].initial || graph[before].quantization != graph[node.inputs[0]].quantization) return false;
  std::vector<ValueType> types;
  std::vector<const Tensor*> constants;
  for (ValueId id : node.inputs) {
    types.push_back(id == kNoValue ? ValueType{} : graph[id].type);
    constants.push_back(id == kNoValue ? nullptr : graph[id].constant.get());
  }
  types[0] = graph[before].type;
  const auto outputs = (*node.op->infer)({node.attrs, types, constants});
  if (!outputs || outputs->size() != 1 || outputs->front() != graph[node.outputs[0]].type) return false;
  node.inputs[0] = before;
  return true;
}

}  // namespace

Result<Graph> skip_aliases(Graph graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    while (skip(graph, i)) {
    }
  remove_dead_nodes(graph);
  return finish_pass(std::move(graph));
}

}  // namespace thimble
