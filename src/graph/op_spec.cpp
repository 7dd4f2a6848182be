#include "graph/op_spec.h"

#include <stdexcept>

namespace thimble {

std::vector<std::string_view> DTypes::names() const {
  std::vector<std::string_view> names;
  for (DType dtype : kEveryDType)
    if (contains(dtype)) names.push_back(name_of(dtype));
  return names;
}

Result<std::vector<KernelCall>> lower_node(const LowerArgs& args) {
  const Node& node = args.node;
  const auto where = [&](Error error) {
    if (error.where.empty()) error.where = node.name;
    return tl::unexpected<Error>(std::move(error));
  };
  try {
    auto calls = (*node.op->lower)(args);
    if (calls) return calls;
    return where(std::move(calls).error());
  } catch (const std::out_of_range&) {
    return fail(ErrorCode::unsupported,
                fmt::format("{} needs a scale and zero point that one of its tensors lacks", node.op->name), node.name,
                "export the model with full integer quantisation, or in float32");
  }
}

std::optional<RowWindow> row_by_row(const Graph& graph, const Node& node) {
  const Shape& output = graph[node.outputs.at(0)].type.shape;
  for (const ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    const Shape& shape = graph[input].type.shape;
    const bool repeated =
        graph[input].constant && (shape.size() < output.size() - 1 || shape[shape.size() - (output.size() - 1)] == 1);
    if (shape != output && !repeated) return {};
  }
  return RowWindow{};
}

}  // namespace thimble
