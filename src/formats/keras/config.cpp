#include "formats/keras/config.h"

#include <algorithm>

namespace thimble::keras {

namespace {

constexpr size_t kMaxJsonBytes = size_t{16} << 20;
constexpr int kMaxNesting = 100;
constexpr size_t kMaxLayers = 10000;
constexpr size_t kMaxArguments = 1024;  // of a call, and outputs of a model
constexpr size_t kMaxNameBytes = 200;

tl::unexpected<Error> damaged(std::string message, std::string where = {}) {
  return fail(ErrorCode::bad_data, std::move(message), std::move(where),
              "the file is damaged or was written by another program: save the model again with Keras");
}

// Deepest nesting of brackets outside texts.
int nesting_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

bool is_model(std::string_view class_name) {
  return class_name == "Functional" || class_name == "Model" || class_name == "Sequential";
}

bool is_small_number(const Json& json) { return json.is_number_integer() && json >= 0 && json <= 1000000; }

// ["name", call, output], as Keras writes references to tensors.
bool is_ref(const Json& json) {
  return json.is_array() && json.size() >= 3 && json[0].is_string() && is_small_number(json[1]) &&
         is_small_number(json[2]);
}

Ref ref_of(const Json& json) { return {json[0].get<std::string>(), json[1].get<size_t>(), json[2].get<size_t>()}; }

Argument constant(Json value) { return {.constant = std::move(value)}; }

// Keras 3: tensors are objects of class __keras_tensor__, in lists to any depth.
Outcome flatten_arguments(const Json& json, std::vector<Argument>& out) {
  if (out.size() > kMaxArguments) return damaged("a layer is called with too many arguments");
  if (json.is_object() && json.value("class_name", "") == "__keras_tensor__") {
    const Json& history = json.at("config").at("keras_history");
    if (!is_ref(history)) return damaged("a reference to a tensor is damaged");
    out.push_back({true, ref_of(history), {}});
    return {};
  }
  const auto holds_tensor = [](const Json& list) {
    return std::ranges::any_of(list, [](const Json& item) { return item.is_object() || item.is_array(); });
  };
  if (json.is_array() && holds_tensor(json)) {
    for (const Json& item : json) THIMBLE_TRY(flatten_arguments(item, out));
    return {};
  }
  out.push_back(constant(json));
  return {};
}

Outcome add_named(const Json& named, Call& call) {
  for (const auto& [key, value] : named.items()) {
    if (value.is_null()) continue;
    if (is_ref(value)) {
      call.named[key] = {true, ref_of(value), {}};
      continue;
    }
    std::vector<Argument> found;
    THIMBLE_TRY(flatten_arguments(value, found));
    if (found.size() == 1)
      call.named[key] = found[0];
    else if (!found.empty() && found[0].is_ref)
      call.arguments.insert(call.arguments.end(), found.begin(), found.end());
    else
      call.named[key] = constant(value);
  }
  return {};
}

// Keras 2: a list of [layer, call, output, {named}], or one such item alone.
Outcome read_old_call(const Json& json, Call& call) {
  if (json.size() > kMaxArguments) return damaged("a layer is called with too many arguments");
  const auto add = [&](const Json& item) -> Outcome {
    if (item.is_array() && item.size() >= 3 && item[0] == "_CONSTANT_VALUE")
      call.arguments.push_back(constant(item[2]));
    else if (is_ref(item))
      call.arguments.push_back({true, ref_of(item), {}});
    else
      return damaged("a layer's call is damaged");
    if (item.size() > 3 && item[3].is_object()) THIMBLE_TRY(add_named(item[3], call));
    return {};
  };
  if (is_ref(json) || (!json.empty() && json[0] == "_CONSTANT_VALUE")) return add(json);
  for (const Json& item : json) THIMBLE_TRY(add(item));
  return {};
}

Result<Call> parse_call(const Json& json) {
  Call call;
  if (json.is_array()) {
    THIMBLE_TRY(read_old_call(json, call));
  } else if (json.is_object()) {
    for (const Json& item : json.at("args")) THIMBLE_TRY(flatten_arguments(item, call.arguments));
    THIMBLE_TRY(add_named(json.value("kwargs", Json::object()), call));
  } else {
    return damaged("a layer's call is damaged");
  }
  return call;
}

// References in lists and objects to any depth, in the order in which Keras flattens them.
void collect_refs(const Json& json, std::vector<Ref>& out) {
  if (is_ref(json))
    out.push_back(ref_of(json));
  else if (json.is_array() || json.is_object())
    for (const Json& item : json) collect_refs(item, out);
}

Outcome parse_functional(const Json& config, Model& model) {
  for (const Json& item : config.at("layers")) {
    auto layer = parse_layer(item);
    if (!layer) return tl::unexpected<Error>(std::move(layer).error());
    for (const Json& call : item.value("inbound_nodes", Json::array())) {
      auto parsed = parse_call(call);
      if (!parsed) {
        parsed.error().where = layer->name;
        return tl::unexpected<Error>(std::move(parsed).error());
      }
      layer->calls.push_back(std::move(*parsed));
    }
    model.layers.push_back(std::move(*layer));
  }
  collect_refs(config.at("input_layers"), model.inputs);
  collect_refs(config.at("output_layers"), model.outputs);
  if (model.inputs.empty() || model.outputs.empty()) return damaged("the model names no inputs or no outputs");
  if (model.outputs.size() > kMaxArguments)
    return damaged(fmt::format("the model names {} outputs, at most {} are read", model.outputs.size(), kMaxArguments));
  return {};
}

// What the first layer says of the input, when the model has no InputLayer.
Json input_config(const Json& config, const Json& first) {
  Json input = {{"name", "input"}};
  const Json& layer = first.value("config", Json::object());
  for (const char* key : {"batch_input_shape", "batch_shape"})
    if (layer.contains(key)) input["batch_shape"] = layer[key];
  if (!input.contains("batch_shape"))
    for (const Json& shape : {config.value("build_input_shape", Json()),
                              first.value("build_config", Json::object()).value("input_shape", Json())})
      if (shape.is_array()) {
        input["batch_shape"] = shape;
        break;
      }
  if (first.value("class_name", "") == "Embedding") input["dtype"] = "float32";
  return input;
}

Outcome parse_sequential(const Json& config, Model& model) {
  const Json& list = config.is_array() ? config : config.at("layers");
  if (list.empty()) return damaged("a Sequential model without layers");
  for (const Json& item : list) {
    THIMBLE_LET(Layer layer, parse_layer(item));
    if (model.layers.empty() && layer.class_name != "InputLayer") {
      Layer input{.class_name = "InputLayer"};
      input.config = input_config(config.is_object() ? config : Json::object(), item);
      input.name = layer.name == "input" ? "input_1" : "input";
      model.layers.push_back(std::move(input));
    }
    if (!model.layers.empty()) layer.calls.push_back({.arguments = {{true, {model.layers.back().name, 0, 0}, {}}}});
    model.layers.push_back(std::move(layer));
  }
  model.inputs.push_back({model.layers.front().name, 0, 0});
  model.outputs.push_back({model.layers.back().name, 0, 0});
  return {};
}

// Keras counts the calls of a nested model from 1 where its construction was the first one.
void number_calls_from_zero(Model& model) {
  std::map<std::string, size_t> calls;
  for (const Layer& layer : model.layers)
    if (layer.model) calls[layer.name] = layer.calls.size();
  std::map<std::string, bool> shifted;
  const auto each_ref = [&](const auto& body) {
    for (Layer& layer : model.layers)
      for (Call& call : layer.calls) {
        for (Argument& argument : call.arguments)
          if (argument.is_ref) body(argument.ref);
        for (auto& [name, argument] : call.named)
          if (argument.is_ref) body(argument.ref);
      }
    for (Ref& ref : model.outputs) body(ref);
  };
  each_ref([&](Ref& ref) {
    if (const auto found = calls.find(ref.layer); found != calls.end() && ref.call == found->second)
      shifted[ref.layer] = true;
  });
  each_ref([&](Ref& ref) {
    if (shifted.contains(ref.layer) && ref.call > 0) --ref.call;
  });
}

}  // namespace

std::string clean(std::string_view text) {
  std::string result(text.substr(0, kMaxNameBytes));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return result;
}

Result<Json> parse_json(std::string_view text) {
  if (text.size() > kMaxJsonBytes)
    return damaged(fmt::format("{} bytes of JSON, at most {} are read", text.size(), kMaxJsonBytes));
  if (const int nesting = nesting_of(text); nesting > kMaxNesting)
    return damaged(fmt::format("JSON nested {} deep, at most {} is read", nesting, kMaxNesting));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return damaged("the model's description is no JSON object");
  return json;
}

Result<Layer> parse_layer(const Json& json) {
  Layer layer;
  layer.class_name = clean(json.at("class_name").get<std::string>());
  const Json no_settings = Json::object();
  const Json& config = json.contains("config") && !json["config"].is_array() ? json["config"] : no_settings;
  if (!config.is_object()) return damaged("a layer's settings are no JSON object", layer.class_name);
  layer.name = json.contains("name") ? json["name"].get<std::string>() : config.value("name", layer.class_name);
  const Json module = json.value("module", Json());
  // The legacy form does not say it: a function has a name and no other setting.
  layer.operation = module.is_string()
                        ? module.get<std::string>().starts_with("keras.src.ops")
                        : config.size() == 1 && config.contains("name") && json.contains("inbound_nodes");
  layer.trainable = config.value("trainable", Json(true)) != Json(false);
  if (is_model(layer.class_name)) {
    THIMBLE_LET(Model model, parse_model(json));
    layer.model = std::make_shared<Model>(std::move(model));
  } else {
    layer.config = config;
  }
  return layer;
}

Result<Model> parse_model(const Json& json) {
  const std::string class_name = clean(json.at("class_name").get<std::string>());
  if (!is_model(class_name))
    return fail(ErrorCode::unsupported,
                fmt::format("the model is of class {}, whose architecture is Python code that the file does not hold",
                            class_name),
                {}, "build it as keras.Sequential or keras.Model(inputs, outputs) and save that");
  const Json& config = json.at("config");
  Model model;
  model.name = config.is_object() ? clean(config.value("name", "model")) : "model";
  model.sequential = class_name == "Sequential";
  THIMBLE_TRY(model.sequential ? parse_sequential(config, model) : parse_functional(config, model));
  if (model.layers.size() > kMaxLayers)
    return fail(ErrorCode::unsupported, fmt::format("{} layers, at most {} are read", model.layers.size(), kMaxLayers));
  number_calls_from_zero(model);
  return model;
}

}  // namespace thimble::keras
