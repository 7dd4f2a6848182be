#include "graph/builder.h"

#include "graph/op_spec.h"

namespace thimble {

namespace {

std::string unique(std::map<std::string, int>& taken, std::string name) {
  if (name.empty()) name = "value";
  const auto [entry, is_new] = taken.try_emplace(name, 2);
  if (is_new) return name;
  std::string candidate;
  do candidate = fmt::format("{}_{}", name, entry->second++);
  while (!taken.try_emplace(candidate, 2).second);
  return candidate;
}

}  // namespace

ValueId GraphBuilder::input(std::string name, ValueType type, Quantization quantization) {
  graph_.inputs.push_back(graph_.add({.name = unique(value_names_, std::move(name)),
                                      .type = std::move(type),
                                      .quantization = std::move(quantization)}));
  return graph_.inputs.back();
}

ValueId GraphBuilder::constant(std::string name, Tensor data, Quantization quantization) {
  Value value{.name = unique(value_names_, std::move(name)),
              .type = {data.dtype, data.shape},
              .quantization = std::move(quantization)};
  value.constant = std::make_shared<Tensor>(std::move(data));
  return graph_.add(std::move(value));
}

ValueId GraphBuilder::state(std::string name, Tensor initial, Quantization quantization) {
  Value value{.name = unique(value_names_, std::move(name)),
              .type = {initial.dtype, initial.shape},
              .quantization = std::move(quantization)};
  value.initial = std::make_shared<Tensor>(std::move(initial));
  return graph_.add(std::move(value));
}

Result<std::vector<ValueId>> GraphBuilder::node(const OpSpec& op, const std::string& name, std::vector<ValueId> inputs,
                                                Attrs attrs) {
  Node node{&op, unique(node_names_, name), std::move(inputs), {}, std::move(attrs)};
  const auto count = static_cast<int>(node.inputs.size());
  if (count < op.traits.min_inputs || count > op.traits.max_inputs)
    return fail(
        ErrorCode::bad_data,
        fmt::format("{} takes {} to {} inputs, found {}", op.name, op.traits.min_inputs, op.traits.max_inputs, count),
        node.name);
  std::vector<ValueType> types;
  std::vector<const Tensor*> constants;
  for (ValueId id : node.inputs) {
    types.push_back(id == kNoValue ? ValueType{} : graph_[id].type);
    constants.push_back(id == kNoValue ? nullptr : graph_[id].constant.get());
  }
  auto outputs = (*op.infer)({node.attrs, types, constants});
  if (!outputs) {
    Error error = std::move(outputs).error();
    error.where = node.name;
    return tl::unexpected<Error>(std::move(error));
  }
  for (size_t i = 0; i < outputs->size(); ++i)
    node.outputs.push_back(
        graph_.add({.name = unique(value_names_, i == 0 ? node.name : fmt::format("{}:{}", node.name, i)),
                    .type = std::move((*outputs)[i])}));
  graph_.nodes.push_back(node);
  return node.outputs;
}

Result<Graph> GraphBuilder::finish() {
  remove_unused_values(graph_);
  THIMBLE_TRY(verify(graph_));
  return std::move(graph_);
}

}  // namespace thimble
