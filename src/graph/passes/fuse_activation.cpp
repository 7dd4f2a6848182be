#include "graph/passes/fuse_activation.h"

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

bool fuse(Graph& graph, size_t index) {
  const Node& node = graph.nodes[index];
  if (node.op->traits.activation.empty()) return false;
  const std::optional<size_t> writer = writer_of(graph, node.inputs[0]);
  if (!writer || !only_reader_of(graph, node.inputs[0])) return false;
  // Else the activation also changes the codes.
  if (graph[node.inputs[0]].quantization != graph[node.outputs[0]].quantization) return false;
  Node& producer = graph.nodes[*writer];
  if (!producer.op->traits.fuses_activation || producer.attrs.word("activation", "none") != "none") return false;
  producer.attrs.set("activation", std::string(node.op->traits.activation));
  producer.outputs[0] = node.outputs[0];
  remove_node(graph, index);
  return true;
}

}  // namespace

Result<Graph> fuse_activation(Graph graph) {
  for (size_t i = 0; i < graph.nodes.size();)
    if (!fuse(graph, i)) ++i;
  return finish_pass(std::move(graph));
}

}  // namespace thimble
