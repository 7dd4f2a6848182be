#include "train/architecture.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/resources.h"
#include "core/rng.h"
#include "core/text.h"
#include "ops/ops.h"

namespace thimble {

namespace {

using Names = std::vector<std::string>;

// What the words of a [[layer]] mean for one operator: those of its keys that are attributes, and the shape of its
// weights.
struct LayerKind {
  std::string_view op;
  std::string_view short_name;  // layers are named short_name_1, short_name_2 ...
  Names keys;                   // of a layer with weights the first says how many filters
  // Weights for an input shape, a number of filters and a kernel; null for layers without.
  Shape (*weights)(const Shape& input, int64_t filters, const Shape& kernel) = nullptr;
};

Shape conv_weights(const Shape& input, int64_t filters, const Shape& kernel) {
  return {filters, kernel[0], kernel[1], input.back()};
}
Shape depthwise_weights(const Shape& input, int64_t multiplier, const Shape& kernel) {
  return {1, kernel[0], kernel[1], input.back() * multiplier};
}
Shape dense_weights(const Shape& input, int64_t filters, const Shape&) { return {filters, element_count(input)}; }

const std::vector<LayerKind>& layer_kinds() {
  static const std::vector<LayerKind> kinds = {
      {"conv2d", "conv", {"filters", "kernel", "stride", "dilation", "padding"}, conv_weights},
      {"depthwise_conv2d",
       "depthwise",
       {"depth_multiplier", "kernel", "stride", "dilation", "padding"},
       depthwise_weights},
      {"fully_connected", "dense", {"filters"}, dense_weights},
      {"average_pool2d", "average_pool", {"kernel", "stride", "padding"}},
      {"max_pool2d", "max_pool", {"kernel", "stride", "padding"}},
      {"mean", "mean", {"axes", "keep_dims"}},
      {"dropout", "dropout", {"rate"}},
      {"reshape", "reshape", {"shape"}},
      {"relu", "relu", {}},
      {"relu6", "relu6", {}},
  };
  return kinds;
}

Error at(Error error, const std::string& where) {
  if (error.where.empty()) error.where = where;
  return error;
}

class Builder {
 public:
  Builder(const ArchitectureOptions& options, std::string file) : options_(options), file_(std::move(file)) {}
  Result<Graph> build(const toml::table& root);

 private:
  Outcome read_settings(const toml::table& root);
  Outcome add_layers(const toml::node* list);
  Outcome add_group(const toml::table& group);
  Outcome add_layer(const toml::table& layer);
  Outcome add_after(const toml::table& layer, const std::string& name);  // batch_norm, activation
  Outcome add_node(const OpSpec* op, std::string name, std::vector<ValueId> inputs, Attrs attrs);
  ValueId add_constant(std::string name, Shape shape, std::vector<float> numbers, bool trainable);
  std::vector<float> draw_weights(const Shape& shape, int64_t fan_in, int64_t fan_out, bool rectified);
  std::string next_name(std::string_view short_name);

  Result<AttrValue> value_of(const toml::node& node, const std::string& key);
  Result<int64_t> integer_of(const toml::table& layer, const std::string& key, int64_t fallback);
  Result<Shape> pair_of(const toml::table& layer, const std::string& key);
  Result<Attrs> attrs_of(const toml::table& layer, const LayerKind& kind);
  Outcome check_keys(const toml::table& table, const Names& known, std::string_view what) const;
  tl::unexpected<Error> wrong(const toml::node& node, std::string message, std::string hint = {}) const;

  const ArchitectureOptions& options_;
  std::string file_;
  Attrs settings_;
  Graph graph_;
  ValueId current_ = kNoValue;  // output of the last layer
  std::map<std::string, int, std::less<>> name_counts_;
  uint64_t weights_drawn_ = 0;
};

tl::unexpected<Error> Builder::wrong(const toml::node& node, std::string message, std::string hint) const {
  return fail(ErrorCode::usage, std::move(message), fmt::format("{}:{}", file_, node.source().begin.line),
              std::move(hint));
}

Outcome Builder::check_keys(const toml::table& table, const Names& known, std::string_view what) const {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::ranges::find(known, name) == known.end())
      return wrong(node, fmt::format("unknown key \"{}\" in {}", name, what), name_hint(name, known));
  }
  return {};
}

Result<AttrValue> read_value(const toml::node& node) {
  if (const auto integer = node.value_exact<int64_t>()) return AttrValue(*integer);
  if (const auto real = node.value_exact<double>()) return AttrValue(*real);
  if (const auto flag = node.value_exact<bool>()) return AttrValue(int64_t{*flag});
  if (const auto word = node.value_exact<std::string>()) return AttrValue(*word);
  std::vector<int64_t> list;
  if (const toml::array* array = node.as_array())
    for (const toml::node& item : *array)
      if (const auto integer = item.value_exact<int64_t>()) list.push_back(*integer);
  if (!list.empty() && list.size() == node.as_array()->size()) return AttrValue(list);
  return fail(ErrorCode::usage, "expected a number, a word or a list of whole numbers");
}

// A value, or the value of the setting it names.
Result<AttrValue> Builder::value_of(const toml::node& node, const std::string& key) {
  THIMBLE_LET(AttrValue value, read_value(node).map_error([&](Error error) {
    return at(std::move(error), fmt::format("{}:{} ({})", file_, node.source().begin.line, key));
  }));
  if (const auto* word = std::get_if<std::string>(&value); word && settings_.has(*word))
    return settings_.all().find(*word)->second;
  return value;
}

Result<int64_t> Builder::integer_of(const toml::table& layer, const std::string& key, int64_t fallback) {
  const toml::node* node = layer.get(key);
  if (!node) return fallback;
  THIMBLE_LET(const AttrValue value, value_of(*node, key));
  if (const auto* integer = std::get_if<int64_t>(&value); integer && *integer >= 0 && *integer <= 1 << 20)
    return *integer;
  return wrong(*node, fmt::format("{} must be a whole number from 0, or a setting that is one; found {}", key,
                                  to_string(value)));
}

// "3" means [3, 3]; absent means [1, 1].
Result<Shape> Builder::pair_of(const toml::table& layer, const std::string& key) {
  const toml::node* node = layer.get(key);
  if (!node) return Shape{1, 1};
  THIMBLE_LET(const AttrValue value, value_of(*node, key));
  if (const auto* integer = std::get_if<int64_t>(&value); integer && *integer > 0 && *integer <= 1 << 20)
    return Shape{*integer, *integer};
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value);
      list && list->size() == 2 && std::ranges::all_of(*list, [](int64_t n) { return n > 0 && n <= 1 << 20; }))
    return *list;
  return wrong(*node,
               fmt::format("{} must be a whole number or two, [height, width]; found {}", key, to_string(value)));
}

Result<Attrs> Builder::attrs_of(const toml::table& layer, const LayerKind& kind) {
  Attrs attrs;
  for (const std::string& key : kind.keys) {
    const toml::node* node = layer.get(key);
    if (!node || key == "filters" || (key == "kernel" && kind.weights)) continue;
    if (key == "kernel" || key == "stride" || key == "dilation") {
      THIMBLE_LET(const Shape pair, pair_of(layer, key));
      const std::string stem = key == "kernel" ? "window" : key;
      attrs.set(stem + "_h", pair[0]).set(stem + "_w", pair[1]);
      continue;
    }
    THIMBLE_LET(AttrValue value, value_of(*node, key));
    if (key == "rate" && std::holds_alternative<int64_t>(value)) value = static_cast<double>(std::get<int64_t>(value));
    const bool wants_word = key == "padding", wants_list = key == "axes" || key == "shape", wants_real = key == "rate";
    if (wants_word != std::holds_alternative<std::string>(value) ||
        wants_list != std::holds_alternative<std::vector<int64_t>>(value) ||
        wants_real != std::holds_alternative<double>(value))
      return wrong(*node, fmt::format("{} cannot be {}", key, to_string(value)));
    attrs.set(key, std::move(value));
  }
  return attrs;
}

ValueId Builder::add_constant(std::string name, Shape shape, std::vector<float> numbers, bool trainable) {
  auto tensor = std::make_shared<Tensor>(Tensor::from<float>(shape, numbers));
  return graph_.add({.name = std::move(name),
                     .type = {DType::f32, std::move(shape)},
                     .constant = std::move(tensor),
                     .trainable = trainable});
}

// He et al. 2015 before a rectifier, else Glorot and Bengio 2010.
std::vector<float> Builder::draw_weights(const Shape& shape, int64_t fan_in, int64_t fan_out, bool rectified) {
  Rng rng({options_.seed, weights_drawn_++});
  std::vector<float> numbers(static_cast<size_t>(element_count(shape)));
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in)),
               limit = std::sqrt(6.0 / static_cast<double>(fan_in + fan_out));
  for (float& number : numbers)
    number = static_cast<float>(rectified ? deviation * rng.normal() : rng.uniform(-limit, limit));
  return numbers;
}

std::string Builder::next_name(std::string_view short_name) {
  return fmt::format("{}_{}", short_name, ++name_counts_[std::string(short_name)]);
}

Outcome Builder::add_node(const OpSpec* op, std::string name, std::vector<ValueId> inputs, Attrs attrs) {
  std::vector<ValueType> types;
  std::vector<const Tensor*> constants;
  for (ValueId id : inputs) {
    types.push_back(graph_[id].type);
    constants.push_back(graph_[id].constant.get());
  }
  auto inferred = (*op->infer)({attrs, types, constants});
  if (!inferred)
    return tl::unexpected<Error>(at(std::move(inferred).error(), fmt::format("{}: layer {}", file_, name)));
  current_ = graph_.add({.name = name, .type = inferred->at(0)});
  graph_.nodes.push_back({op, std::move(name), std::move(inputs), {current_}, std::move(attrs)});
  return {};
}

Outcome Builder::add_after(const toml::table& layer, const std::string& name) {
  if (layer["batch_norm"].value_or(false)) {
    const int64_t channels = graph_[current_].type.shape.back();
    std::vector<ValueId> inputs = {current_};
    for (const auto& [part, start, trainable] :
         {std::tuple{"gamma", 1.0f, true}, {"beta", 0.0f, true}, {"mean", 0.0f, false}, {"variance", 1.0f, false}})
      inputs.push_back(add_constant(fmt::format("{}/{}", name, part), {channels},
                                    std::vector<float>(static_cast<size_t>(channels), start), trainable));
    THIMBLE_TRY(add_node(&ops::batch_norm(), name + "/batch_norm", inputs, {}));
  }
  const toml::node* node = layer.get("activation");
  if (!node) return {};
  const std::string activation = node->value_or(std::string());
  if (activation == "none") return {};
  const OpSpec* op = ops::find(activation);
  if (!op || op->traits.activation.empty())
    return wrong(*node, fmt::format("unknown activation \"{}\"", activation),
                 name_hint(activation, {"none", "relu", "relu6"}));
  return add_node(op, fmt::format("{}/{}", name, activation), {current_}, {});
}

Outcome Builder::add_layer(const toml::table& layer) {
  const std::string op_name = layer["op"].value_or(std::string());
  Names names;
  for (const LayerKind& kind : layer_kinds()) names.emplace_back(kind.op);
  const auto kind = std::ranges::find(layer_kinds(), op_name, &LayerKind::op);
  const OpSpec* op = ops::find(op_name);
  if (kind == layer_kinds().end() || !op)
    return wrong(layer, fmt::format("\"{}\" is not an operator of a layer", op_name), name_hint(op_name, names));
  Names keys = kind->keys;
  keys.insert(keys.end(), {"op", "batch_norm", "activation"});
  THIMBLE_TRY(check_keys(layer, keys, fmt::format("a {} layer", op_name)));

  const std::string name = next_name(kind->short_name);
  THIMBLE_LET(Attrs attrs, attrs_of(layer, *kind));
  std::vector<ValueId> inputs = {current_};
  const bool normalised = layer["batch_norm"].value_or(false);
  if (kind->weights) {
    const bool per_channel = kind->keys[0] == "depth_multiplier";
    THIMBLE_LET(const int64_t filters, integer_of(layer, kind->keys[0], per_channel ? 1 : 0));
    if (filters < 1) return wrong(layer, fmt::format("a {} layer needs {}, 1 or more", op_name, kind->keys[0]));
    THIMBLE_LET(const Shape kernel, pair_of(layer, "kernel"));
    const Shape& input = graph_[current_].type.shape;
    const Shape shape = kind->weights(input, filters, kernel);
    const int64_t outputs = per_channel ? shape.back() : shape[0];
    const int64_t fan_in = element_count(shape) / outputs;
    const int64_t fan_out = per_channel ? fan_in : outputs * kernel[0] * kernel[1];
    const bool rectified = normalised || layer["activation"].value_or(std::string("none")) != "none";
    inputs.push_back(add_constant(name + "/weights", shape, draw_weights(shape, fan_in, fan_out, rectified), true));
    if (!normalised)
      inputs.push_back(add_constant(name + "/bias", {outputs}, std::vector<float>(static_cast<size_t>(outputs)), true));
  }
  THIMBLE_TRY(add_node(op, name, inputs, std::move(attrs)));
  return add_after(layer, name);
}

// Layers several times over; with `residual` their input is added to their output, through `shortcut` layers where
// shapes differ.
Outcome Builder::add_group(const toml::table& group) {
  THIMBLE_TRY(check_keys(group, {"repeat", "layers", "residual", "shortcut", "activation"}, "a group of layers"));
  THIMBLE_LET(const int64_t repeat, integer_of(group, "repeat", 1));
  for (int64_t i = 0; i < repeat; ++i) {
    const ValueId input = current_;
    THIMBLE_TRY(add_layers(group.get("layers")));
    if (!group["residual"].value_or(false)) continue;
    const ValueId output = current_;
    current_ = input;
    if (group.contains("shortcut")) THIMBLE_TRY(add_layers(group.get("shortcut")));
    const std::string name = next_name("add");
    THIMBLE_TRY(add_node(&ops::add(), name, {output, current_}, {}));
    THIMBLE_TRY(add_after(group, name));
  }
  return {};
}

Outcome Builder::add_layers(const toml::node* list) {
  const toml::array* layers = list ? list->as_array() : nullptr;
  if (!layers || layers->empty())
    return fail(ErrorCode::usage, "expected a list of layers", file_, "begin each with [[layer]]");
  for (const toml::node& node : *layers) {
    const toml::table* table = node.as_table();
    if (!table) return wrong(node, "a layer must be a table", "begin it with [[layer]]");
    THIMBLE_TRY(table->contains("layers") ? add_group(*table) : add_layer(*table));
  }
  return {};
}

Outcome Builder::read_settings(const toml::table& root) {
  Names names;
  if (const toml::table* table = root["settings"].as_table())
    for (const auto& [key, node] : *table) {
      names.emplace_back(key.str());
      THIMBLE_LET(AttrValue value, read_value(node).map_error([&](Error error) {
        return at(std::move(error), fmt::format("{}: settings.{}", file_, key.str()));
      }));
      settings_.set(key.str(), std::move(value));
    }
  for (const auto& [name, value] : options_.settings.all()) {
    const auto known = settings_.all().find(name);
    if (known == settings_.all().end())
      return fail(ErrorCode::usage, fmt::format("architecture {} has no setting \"{}\"", options_.name, name),
                  "model." + name, name_hint(name, names));
    AttrValue given = value;
    if (std::holds_alternative<double>(known->second) && std::holds_alternative<int64_t>(given))
      given = static_cast<double>(std::get<int64_t>(given));
    if (given.index() != known->second.index())
      return fail(ErrorCode::usage,
                  fmt::format("found {}, expected something like {}", to_string(value), to_string(known->second)),
                  "model." + name);
    settings_.set(name, std::move(given));
  }
  settings_.set("outputs", int64_t{options_.outputs});
  return {};
}

Result<Graph> Builder::build(const toml::table& root) {
  THIMBLE_TRY(check_keys(root, {"settings", "layer"}, "an architecture"));
  THIMBLE_TRY(read_settings(root));
  graph_.name = Path(options_.name).stem().string();
  current_ = graph_.add({.name = "input", .type = {DType::f32, options_.input}});
  graph_.inputs = {current_};
  THIMBLE_TRY(add_layers(root.get("layer")));
  if (options_.classification) THIMBLE_TRY(add_node(&ops::softmax(), "softmax", {current_}, {}));
  graph_.outputs = {current_};
  const Shape& output = graph_[current_].type.shape;
  if (element_count(output) != options_.outputs || output[0] != 1)
    return fail(ErrorCode::bad_data,
                fmt::format("the last layer gives {}, expected [1,{}]", to_string(output), options_.outputs), file_,
                "end with a fully_connected layer with filters = \"outputs\"");
  THIMBLE_TRY(verify(graph_));
  return std::move(graph_);
}

// The text and its name in messages.
Result<std::pair<std::string, std::string>> read_architecture(const std::string& name) {
  if (name.ends_with(".toml")) {
    THIMBLE_LET(std::string text, read_text(name));
    return std::pair{std::move(text), name};
  }
  const std::string path = fmt::format("models/{}.toml", name);
  if (auto text = resource(path)) return std::pair{std::string(*text), path};
  return fail(ErrorCode::usage, fmt::format("architecture \"{}\" is not known", name), "model.architecture",
              name_hint(name, architecture_names()));
}

}  // namespace

Result<Graph> make_architecture(const ArchitectureOptions& options) {
  if (options.input.size() < 2 || options.input[0] != 1 ||
      std::ranges::any_of(options.input, [](int64_t extent) { return extent < 1; }))
    return fail(ErrorCode::bad_data, fmt::format("a model's input needs a batch extent of 1 and one more; found {}",
                                                 to_string(options.input)));
  if (options.outputs < 1)
    return fail(ErrorCode::bad_data, fmt::format("a model needs 1 output or more, found {}", options.outputs));
  THIMBLE_LET(const auto source, read_architecture(options.name));
  const auto& [text, file] = source;
  try {
    const toml::table root = toml::parse(text);
    return Builder(options, file).build(root);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::usage, std::string(error.description()),
                fmt::format("{}:{}", file, error.source().begin.line));
  }
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (std::string_view path : list_resources("models/"))
    if (path.ends_with(".toml")) names.push_back(Path(path).stem().string());
  return names;
}

}  // namespace thimble
