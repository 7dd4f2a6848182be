#include "graph/passes/fold_padding.h"

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

// Kernels rely on it that every window reaches into the input, as it does where padding is "same".
bool windows_reach_in(const Graph& graph, const Node& conv, const std::vector<int64_t>& paddings) {
  const Shape& taps = graph[conv.inputs[static_cast<size_t>(conv.op->quantize->weights)]].type.shape;  // [_, h, w, _]
  return paddings[2] < taps[1] && paddings[3] < taps[1] && paddings[4] < taps[2] && paddings[5] < taps[2];
}

// Into the node's only reader.
bool fold(Graph& graph, size_t index) {
  const Node& node = graph.nodes[index];
  if (!node.op->traits.pads) return false;
  const Value &input = graph[node.inputs[0]], &output = graph[node.outputs[0]];
  const std::vector<int64_t> paddings = node.attrs.integers("paddings");  // of N, H, W and C
  if (paddings.size() != 8 || paddings[0] != 0 || paddings[1] != 0 || paddings[6] != 0 || paddings[7] != 0)
    return false;
  if (input.quantization.empty() || input.quantization != output.quantization) return false;
  const std::optional<size_t> reader = only_reader_of(graph, node.outputs[0]);
  if (!reader) return false;
  Node& conv = graph.nodes[*reader];
  if (!conv.op->traits.takes_padding || conv.inputs[0] != node.outputs[0] ||
      conv.attrs.word("padding", "valid") != "valid" || !windows_reach_in(graph, conv, paddings))
    return false;
  conv.attrs.set("padding", "explicit").set("pad_top", paddings[2]).set("pad_bottom", paddings[3]);
  conv.attrs.set("pad_left", paddings[4]).set("pad_right", paddings[5]);
  conv.inputs[0] = node.inputs[0];
  remove_node(graph, index);
  return true;
}

}  // namespace

Result<Graph> fold_padding(Graph graph) {
  for (size_t i = 0; i < graph.nodes.size();)
    if (!fold(graph, i)) ++i;
  return finish_pass(std::move(graph));
}

}  // namespace thimble
