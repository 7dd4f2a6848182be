#include "report/inspect.h"

#include <algorithm>
#include <array>
#include <set>

#include "graph/op_spec.h"
#include "report/table.h"

namespace thimble {

namespace {

constexpr int kBarCells = 40;

InspectedTensor inspect_tensor(const Value& value) {
  return {value.name, value.type, value.quantization, value.constant != nullptr};
}

std::vector<InspectedTensor> inspect_tensors(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<InspectedTensor> tensors;
  for (ValueId id : ids)
    if (id != kNoValue) tensors.push_back(inspect_tensor(graph[id]));
  return tensors;
}

InspectedLayer inspect_layer(const Graph& graph, const Node& node) {
  InspectedLayer layer{.name = node.name, .op = std::string(node.op->name), .attrs = node.attrs};
  layer.inputs = inspect_tensors(graph, node.inputs);
  layer.outputs = inspect_tensors(graph, node.outputs);
  if (node.op->macs) layer.macs = (*node.op->macs)(graph, node);
  for (ValueId id : node.inputs)
    if (id != kNoValue && graph[id].constant)
      layer.weight_bytes += static_cast<int64_t>(graph[id].constant->bytes.size());
  return layer;
}

// ---- JSON

nlohmann::json json_of(const AttrValue& value) {
  return std::visit([](const auto& held) { return nlohmann::json(held); }, value);
}

nlohmann::json json_of(const InspectedTensor& tensor) {
  nlohmann::json json = {{"name", tensor.name},
                         {"dtype", name_of(tensor.type.dtype)},
                         {"shape", tensor.type.shape},
                         {"constant", tensor.constant}};
  if (!tensor.quantization.empty())
    json["quantization"] = {{"scale", tensor.quantization.scale},
                            {"zero_point", tensor.quantization.zero_point},
                            {"axis", tensor.quantization.axis}};
  return json;
}

nlohmann::json json_of(const std::vector<InspectedTensor>& tensors) {
  nlohmann::json list = nlohmann::json::array();
  for (const InspectedTensor& tensor : tensors) list.push_back(json_of(tensor));
  return list;
}

nlohmann::json json_of(const InspectedLayer& layer) {
  nlohmann::json attributes = nlohmann::json::object();
  for (const auto& [name, value] : layer.attrs.all()) attributes[name] = json_of(value);
  return {{"name", layer.name},
          {"op", layer.op},
          {"attributes", attributes},
          {"inputs", json_of(layer.inputs)},
          {"outputs", json_of(layer.outputs)},
          {"macs", layer.macs},
          {"weight_bytes", layer.weight_bytes}};
}

nlohmann::json json_of(const std::vector<BoardFit>& boards) {
  nlohmann::json list = nlohmann::json::array();
  for (const BoardFit& fit : boards)
    list.push_back({{"id", fit.id},
                    {"name", fit.name},
                    {"fits", fit.fits()},
                    {"ram_bytes", fit.ram_bytes},
                    {"ram_available_bytes", fit.ram_available_bytes},
                    {"flash_bytes", fit.flash_bytes},
                    {"flash_available_bytes", fit.flash_available_bytes}});
  return list;
}

// ---- text

std::string describe(const Quantization& quantization) {
  if (quantization.empty()) return "";
  if (quantization.per_channel())
    return fmt::format("{} scales on axis {}", quantization.scale.size(), quantization.axis);
  return fmt::format("scale {:.6g} zero {}", quantization.scale[0], quantization.zero_point[0]);
}

std::string describe(const InspectedTensor& tensor) {
  const std::string quantization = describe(tensor.quantization);
  return fmt::format("{} {}{}{}", name_of(tensor.type.dtype), to_string(tensor.type.shape),
                     quantization.empty() ? "" : "  ", quantization);
}

// What flows in: constants have their own column.
std::string flowing_shapes(const std::vector<InspectedTensor>& tensors) {
  std::vector<std::string> shapes;
  for (const InspectedTensor& tensor : tensors)
    if (!tensor.constant) shapes.push_back(to_string(tensor.type.shape));
  return fmt::format("{}", fmt::join(shapes, " "));
}

std::string describe_weights(const InspectedLayer& layer) {
  for (const InspectedTensor& tensor : layer.inputs)
    if (tensor.constant) return fmt::format("{} {}", name_of(tensor.type.dtype), to_string(tensor.type.shape));
  return "";
}

std::string layer_table(const Inspection& inspection) {
  std::vector<TableRow> rows = {
      {"layer", "op", "input", "output", "type", "output quantisation", "weights", "weight bytes", "MACs"}};
  for (const InspectedLayer& layer : inspection.layers)
    rows.push_back({layer.name, layer.op, flowing_shapes(layer.inputs), flowing_shapes(layer.outputs),
                    layer.outputs.empty() ? "" : std::string(name_of(layer.outputs[0].type.dtype)),
                    layer.outputs.empty() ? "" : describe(layer.outputs[0].quantization), describe_weights(layer),
                    grouped(layer.weight_bytes), grouped(layer.macs)});
  rows.push_back({"total", "", "", "", "", "", "", grouped(inspection.weight_bytes), grouped(inspection.macs)});
  return table_text(rows, {7, 8});
}

// value of full as a bar in eighths of a cell.
std::string bar(int64_t value, int64_t full) {
  constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int64_t eighths = full > 0 ? value * kBarCells * 8 / full : 0;
  std::string text;
  for (int64_t i = 0; i < eighths / 8; ++i) text += "█";
  return text + kEighths[static_cast<size_t>(eighths % 8)];
}

std::string ram_chart(const Inspection& inspection) {
  size_t width = 0;
  for (const InspectedCall& call : inspection.calls) width = std::max(width, call.layer.size());
  const std::string state =
      inspection.state_bytes > 0 ? fmt::format(", {} of it state", grouped(inspection.state_bytes)) : "";
  std::string text = fmt::format("RAM over time: arena {} bytes{}, {}\n", grouped(inspection.arena_bytes), state,
                                 inspection.arena_is_smallest
                                     ? "proved to be the smallest possible"
                                     : fmt::format("at least {} are needed", grouped(inspection.lower_bound_bytes)));
  for (const InspectedCall& call : inspection.calls)
    text += fmt::format("{:<{}}  {:<{}} {}\n", call.layer, width, bar(call.ram_bytes, inspection.arena_bytes),
                        kBarCells, grouped(call.ram_bytes));
  return text;
}

}  // namespace

std::string verdict(const BoardFit& fit) {
  const auto part = [](std::string_view what, int64_t needed, int64_t available) {
    if (needed <= available) return fmt::format("{} {} of {}", what, grouped(needed), grouped(available));
    return fmt::format("{} {} of {}: {} too many", what, grouped(needed), grouped(available),
                       grouped(needed - available));
  };
  return fmt::format("{}: {}, {}", fit.fits() ? "fits" : "does not fit",
                     part("RAM", fit.ram_bytes, fit.ram_available_bytes),
                     part("flash", fit.flash_bytes, fit.flash_available_bytes));
}

Inspection inspect_model(const Graph& graph, const Plan& plan) {
  Inspection result{.model = plan.model};
  result.inputs = inspect_tensors(graph, graph.inputs);
  result.outputs = inspect_tensors(graph, graph.outputs);
  for (const Node& node : graph.nodes) result.layers.push_back(inspect_layer(graph, node));
  result.macs = count_macs(graph);
  result.parameters = count_parameters(graph);
  for (const Value& value : graph.values)
    if (value.constant) result.weight_bytes += static_cast<int64_t>(value.constant->bytes.size());
  result.constant_bytes = static_cast<int64_t>(plan.constants.size());
  result.arena_bytes = plan.arena_bytes;
  result.state_bytes = plan.state_bytes;
  result.lower_bound_bytes = plan.lower_bound_bytes;
  result.arena_is_smallest = plan.arena_is_smallest;
  result.tensors = plan.tensors;
  const std::vector<int64_t> ram = ram_over_time(plan);
  for (size_t i = 0; i < plan.calls.size(); ++i)
    result.calls.push_back({plan.calls[i].call.layer, plan.calls[i].call.kernel, ram.at(i)});
  return result;
}

nlohmann::json to_json(const Inspection& inspection) {
  nlohmann::json layers = nlohmann::json::array(), ram = nlohmann::json::array();
  for (const InspectedLayer& layer : inspection.layers) layers.push_back(json_of(layer));
  for (const InspectedCall& call : inspection.calls)
    ram.push_back({{"layer", call.layer}, {"kernel", call.kernel}, {"bytes", call.ram_bytes}});
  return {{"model", inspection.model},
          {"inputs", json_of(inspection.inputs)},
          {"outputs", json_of(inspection.outputs)},
          {"layers", layers},
          {"macs", inspection.macs},
          {"parameters", inspection.parameters},
          {"weight_bytes", inspection.weight_bytes},
          {"constant_bytes", inspection.constant_bytes},
          {"arena_bytes", inspection.arena_bytes},
          {"state_bytes", inspection.state_bytes},
          {"arena_lower_bound_bytes", inspection.lower_bound_bytes},
          {"arena_is_smallest", inspection.arena_is_smallest},
          {"ram_over_time", ram},
          {"boards", json_of(inspection.boards)},
          {"comparison", inspection.comparison ? to_json(*inspection.comparison) : nlohmann::json()}};
}

std::string to_text(const Inspection& inspection) {
  std::string text = fmt::format("{}: {} layers, {} MACs, {} parameters, {} bytes of constants in flash\n",
                                 inspection.model, inspection.layers.size(), grouped(inspection.macs),
                                 grouped(inspection.parameters), grouped(inspection.constant_bytes));
  for (const InspectedTensor& input : inspection.inputs)
    text += fmt::format("  input   {}  {}\n", input.name, describe(input));
  for (const InspectedTensor& output : inspection.outputs)
    text += fmt::format("  output  {}  {}\n", output.name, describe(output));
  text += '\n' + layer_table(inspection) + '\n' + ram_chart(inspection);
  if (!inspection.boards.empty()) text += "\nboards, by the model alone (the program's code and stack come on top)\n";
  for (const BoardFit& fit : inspection.boards) text += fmt::format("  {:<18} {}\n", fit.id, verdict(fit));
  if (inspection.comparison) text += "\nfloat32 against this model\n" + to_text(*inspection.comparison);
  return text;
}

}  // namespace thimble
