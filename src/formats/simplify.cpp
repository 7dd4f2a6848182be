#include "formats/simplify.h"

#include <algorithm>

#include "graph/op_spec.h"
#include "graph/passes/fold_batch_norm.h"
#include "graph/passes/fuse_activation.h"
#include "graph/passes/remove_identity.h"
#include "ops/ops.h"

namespace thimble {

namespace {

ValueId add_constant(Graph& graph, const std::string& name, const std::vector<float>& numbers) {
  const Shape shape{static_cast<int64_t>(numbers.size())};
  Value value{.name = name, .type = {DType::f32, shape}};
  value.constant = std::make_shared<Tensor>(Tensor::from(shape, numbers));
  return graph.add(std::move(value));
}

// y = scale * x + offset as a multiplication and an addition; either is left out where it changes nothing.
Outcome write_out(Graph& graph, const Node& node, std::vector<Node>& out) {
  const PerChannelAffine affine = node.op->traits.as_affine(graph, node);
  const OpSpec *mul = ops::find("mul"), *add = ops::find("add");
  const bool scales = std::ranges::any_of(affine.scale, [](float scale) { return scale != 1; });
  const bool shifts = std::ranges::any_of(affine.offset, [](float offset) { return offset != 0; });
  if (scales && !mul)
    return fail(ErrorCode::unsupported, "a normalisation that no neighbour takes needs operator mul", node.name,
                "put it directly after a convolution or fully connected layer without activation");
  if (!scales || !shifts) {
    const ValueId constant =
        add_constant(graph, node.name + (scales ? "/scale" : "/offset"), scales ? affine.scale : affine.offset);
    out.push_back({scales ? mul : add, node.name, {node.inputs[0], constant}, node.outputs, {}});
    return {};
  }
  const ValueId scale = add_constant(graph, node.name + "/scale", affine.scale);
  const ValueId offset = add_constant(graph, node.name + "/offset", affine.offset);
  const ValueId scaled = graph.add({.name = node.name + "/scaled", .type = graph[node.outputs[0]].type});
  out.push_back({mul, node.name + "/mul", {node.inputs[0], scale}, {scaled}, {}});
  out.push_back({add, node.name, {scaled, offset}, node.outputs, {}});
  return {};
}

}  // namespace

void remove_unused_nodes(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  for (ValueId output : graph.outputs) used[static_cast<size_t>(output)] = true;
  std::vector<Node> kept;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    const bool writes_state = !node.op->traits.state_inputs.empty();
    if (!writes_state && std::ranges::none_of(node.outputs, [&](ValueId id) { return used[static_cast<size_t>(id)]; }))
      continue;
    for (ValueId input : node.inputs)
      if (input != kNoValue) used[static_cast<size_t>(input)] = true;
    kept.push_back(std::move(node));
  }
  std::ranges::reverse(kept);
  graph.nodes = std::move(kept);
}

Result<Graph> simplify(Graph graph) {
  THIMBLE_LET(graph, remove_identity(std::move(graph)));
  THIMBLE_LET(graph, fold_batch_norm_where_possible(std::move(graph)));
  std::vector<Node> nodes;
  for (const Node& node : std::vector<Node>(graph.nodes)) {
    if (node.op->traits.as_affine)
      THIMBLE_TRY(write_out(graph, node, nodes));
    else
      nodes.push_back(node);
  }
  graph.nodes = std::move(nodes);
  return fuse_activation(std::move(graph));
}

}  // namespace thimble
