// A model's architecture as Keras stores it in JSON, in one form for all versions of Keras: layers, and how they are
// called on one another's outputs. Sequential models become a chain of calls.
#pragma once
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace thimble::keras {

using Json = nlohmann::json;

// An output of one call of a layer.
struct Ref {
  std::string layer;
  size_t call = 0, output = 0;
};

// What a layer is called with: another layer's output, or a constant.
struct Argument {
  bool is_ref = false;
  Ref ref;
  Json constant;
};

struct Call {
  std::vector<Argument> arguments;        // lists of tensors lie flat
  std::map<std::string, Argument> named;  // without those that are null
};

struct Model;

struct Layer {
  std::string class_name;
  std::string name;
  Json config;             // an object
  bool operation = false;  // a function of keras.ops that was called on a layer's output
  bool trainable = true;
  std::vector<Call> calls;
  std::shared_ptr<Model> model;  // of a nested model
};

struct Model {
  std::string name;
  bool sequential = false;
  std::vector<Layer> layers;
  std::vector<Ref> inputs, outputs;
};

// Parses text that may be hostile. Errors: bad_data.
Result<Json> parse_json(std::string_view text);

// "Functional", "Sequential" or "Model" and its "config". Errors: unsupported for a model whose architecture is code
// (subclassed). Throws nlohmann::json::exception for members that are missing or of another type.
Result<Model> parse_model(const Json& json);

// The layer inside a wrapper (TimeDistributed, Bidirectional).
Result<Layer> parse_layer(const Json& json);

// A text for messages and names, without control characters and not too long.
std::string clean(std::string_view text);

}  // namespace thimble::keras
