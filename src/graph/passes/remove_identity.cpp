#include "graph/passes/remove_identity.h"

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

Result<Graph> remove_identity(Graph graph) {
  for (size_t i = 0; i < graph.nodes.size();) {
    const Node& node = graph.nodes[i];
    if (!node.op->traits.identity_at_inference) {
      ++i;
      continue;
    }
    replace_reads(graph, node.outputs[0], node.inputs[0]);
    remove_node(graph, i);
  }
  return finish_pass(std::move(graph));
}

}  // namespace thimble
