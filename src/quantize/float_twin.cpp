#include "quantize/float_twin.h"

#include <algorithm>

#include "graph/interpreter.h"
#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

void make_real(Value& value) {
  for (std::shared_ptr<Tensor>* data : {&value.constant, &value.initial})
    if (*data)
      *data = std::make_shared<Tensor>(Tensor::from<float>((*data)->shape, real_values(value, (*data)->bytes)));
  value.type.dtype = DType::f32;
  value.quantization = {};
  value.stored_bits = 8;
}

bool converts(const Node& node) { return node.op->name == "quantize" || node.op->name == "dequantize"; }

}  // namespace

bool is_quantized(const Graph& graph) {
  return std::ranges::any_of(graph.values, [](const Value& value) { return !value.quantization.empty(); });
}

Result<Graph> float_twin(const Graph& graph) {
  Graph twin = graph;
  for (Value& value : twin.values)
    if (!value.quantization.empty()) make_real(value);
  for (size_t n = 0; n < twin.nodes.size();) {
    const Node node = twin.nodes[n];
    const bool of_reals = converts(node) && twin[node.inputs[0]].type.dtype == DType::f32 &&
                          twin[node.outputs[0]].type.dtype == DType::f32;
    if (!of_reals) {
      ++n;
      continue;
    }
    replace_reads(twin, node.outputs[0], node.inputs[0]);
    std::ranges::replace(twin.outputs, node.outputs[0], node.inputs[0]);
    remove_node(twin, n);
  }
  return finish_pass(std::move(twin));
}

}  // namespace thimble
