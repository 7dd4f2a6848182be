#include "train/model_file.h"

#include <algorithm>

#include "ops/ops.h"
#include "train/tensor_file.h"

namespace thimble {

using nlohmann::json;

namespace {

constexpr int64_t kMaxElements = int64_t{1} << 28;

// Extents from a file: positive, and small enough that products of them stay numbers.
Result<int64_t> checked_element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) {
    if (extent < 1 || extent > kMaxElements || (count *= extent) > kMaxElements)
      return fail(ErrorCode::bad_data, fmt::format("a tensor of shape {} is not possible", to_string(shape)));
  }
  return count;
}

Result<Graph> graph_from_json(const json& object, std::span<const float> numbers) {
  Graph graph;
  graph.name = object.at("name");
  for (const json& item : object.at("values")) {
    Value value{.name = item.at("name"), .type = {DType::f32, item.at("shape")}};
    THIMBLE_LET(const int64_t count, checked_element_count(value.type.shape));
    if (item.at("constant").get<bool>()) {
      if (static_cast<size_t>(count) > numbers.size())
        return fail(ErrorCode::bad_data, fmt::format("the file ends before the numbers of {}", value.name));
      value.constant =
          std::make_shared<Tensor>(Tensor::from<float>(value.type.shape, numbers.first(static_cast<size_t>(count))));
      value.trainable = item.at("trainable");
      numbers = numbers.subspan(static_cast<size_t>(count));
    }
    graph.add(std::move(value));
  }
  if (!numbers.empty()) return fail(ErrorCode::bad_data, fmt::format("{} numbers belong to no tensor", numbers.size()));
  for (const json& item : object.at("nodes")) {
    const OpSpec* op = ops::find(item.at("op").get<std::string>());
    if (!op) return fail(ErrorCode::unsupported, fmt::format("operator {} is not known", item.at("op").dump()));
    graph.nodes.push_back({op, item.at("name"), item.at("inputs"), item.at("outputs"), item.at("attrs").get<Attrs>()});
  }
  graph.inputs = object.at("inputs").get<std::vector<ValueId>>();
  graph.outputs = object.at("outputs").get<std::vector<ValueId>>();
  THIMBLE_TRY(verify(graph));
  return graph;
}

Result<TrainedModel> model_from_file(const TensorFile& file) {
  const json& header = file.header;
  TrainedModel model;
  THIMBLE_LET(model.graph, graph_from_json(header.at("graph"), file.numbers));
  model.task = header.at("task") == "regression" ? Task::regression : Task::classification;
  model.classes = header.at("classes").get<std::vector<std::string>>();
  model.signal = header.at("signal").get<SignalConfig>();
  model.feature_mean = header.at("feature_mean");
  model.feature_std = header.at("feature_std");
  model.log = header.at("log").get<std::vector<EpochLog>>();
  model.options = header.at("options").get<TrainOptions>();
  model.hash = header.at("hash");
  if (model.graph.inputs.size() != 1 || model.graph.outputs.size() != 1)
    return fail(ErrorCode::bad_data, "a model has one input and one output");
  if (!std::isfinite(model.feature_mean) || !std::isfinite(model.feature_std) || model.feature_std <= 0)
    return fail(ErrorCode::bad_data, "the feature mean and deviation must be finite, the deviation positive");
  return model;
}

}  // namespace

void to_json(json& object, const Attrs& attrs) {
  object = json::object();
  for (const auto& [name, value] : attrs.all()) std::visit([&](const auto& v) { object[name] = v; }, value);
}

void from_json(const json& object, Attrs& attrs) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_number_integer())
      attrs.set(name, value.get<int64_t>());
    else if (value.is_number())
      attrs.set(name, value.get<double>());
    else if (value.is_array())
      attrs.set(name, value.get<std::vector<int64_t>>());
    else
      attrs.set(name, value.get<std::string>());
  }
}

json graph_to_json(const Graph& graph) {
  json values = json::array(), nodes = json::array();
  for (const Value& value : graph.values)
    values.push_back({{"name", value.name},
                      {"shape", value.type.shape},
                      {"constant", value.constant != nullptr},
                      {"trainable", value.trainable}});
  for (const Node& node : graph.nodes)
    nodes.push_back({{"op", node.op->name},
                     {"name", node.name},
                     {"inputs", node.inputs},
                     {"outputs", node.outputs},
                     {"attrs", node.attrs}});
  return {
      {"name", graph.name}, {"values", values}, {"nodes", nodes}, {"inputs", graph.inputs}, {"outputs", graph.outputs}};
}

std::vector<float> constants_of(const Graph& graph) {
  std::vector<float> numbers;
  for (const Value& value : graph.values)
    if (value.constant)
      numbers.insert(numbers.end(), value.constant->as<float>().begin(), value.constant->as<float>().end());
  return numbers;
}

Outcome set_constants(Graph& graph, std::span<const float> numbers) {
  size_t wanted = 0;
  for (const Value& value : graph.values)
    if (value.constant) wanted += value.constant->as<float>().size();
  if (numbers.size() != wanted)
    return fail(ErrorCode::bad_data, fmt::format("{} numbers for {} weights", numbers.size(), wanted));
  for (Value& value : graph.values) {
    if (!value.constant) continue;
    const auto target = value.constant->as<float>();
    std::ranges::copy(numbers.first(target.size()), target.begin());
    numbers = numbers.subspan(target.size());
  }
  return {};
}

Outcome save_model(const TrainedModel& model, const Path& path) {
  return write_tensor_file(path, "model",
                           {.header = {{"graph", graph_to_json(model.graph)},
                                       {"task", model.task == Task::regression ? "regression" : "classification"},
                                       {"classes", model.classes},
                                       {"signal", model.signal},
                                       {"feature_mean", model.feature_mean},
                                       {"feature_std", model.feature_std},
                                       {"log", model.log},
                                       {"options", model.options},
                                       {"hash", model.hash}},
                            .numbers = constants_of(model.graph)});
}

Result<TrainedModel> load_model(const Path& path) {
  THIMBLE_LET(const TensorFile file, read_tensor_file(path, "model"));
  // The checksum guards against accidents only; whatever else a file holds ends here.
  Result<TrainedModel> model = [&]() -> Result<TrainedModel> {
    try {
      return model_from_file(file);
    } catch (const std::exception& exception) {
      return fail(ErrorCode::bad_data, fmt::format("is not a model that thimble wrote: {}", exception.what()));
    }
  }();
  if (!model) {
    model.error().where = path.string() + (model.error().where.empty() ? "" : ": " + model.error().where);
    if (model.error().hint.empty()) model.error().hint = "make the file anew with `thimble train`";
  }
  return model;
}

}  // namespace thimble
