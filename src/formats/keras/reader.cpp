// Reads Keras models: opens the file, walks the calls of its layers and leaves each to its handler.
#include <algorithm>
#include <map>

#include "formats/keras/archive.h"
#include "formats/keras/keras.h"
#include "formats/keras/translate.h"
#include "formats/simplify.h"

namespace thimble {

namespace keras {

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;
constexpr int64_t kMaxExtent = int64_t{1} << 28;
constexpr size_t kMaxInputRank = 6;
constexpr std::string_view kHdf5Mark = "\x89HDF\r\n\x1a\n";
constexpr std::string_view kZipMark = "PK\x03\x04";

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---- walking the calls

struct Walker {
  Translator& to;
  const Weights& weights;

  Result<Flows> model(const Model& model, const std::string& prefix, const Flows* given);

 private:
  // The outputs of every call made so far, by layer.
  using Made = std::map<std::string, std::vector<Flows>>;

  Result<Flow> input(const Layer& layer, const std::string& name);
  Result<bool> try_call(const Layer& layer, const std::string& prefix, Made& made);
  Result<Flows> call(const Layer& layer, const Call& call, const std::string& prefix, Flows inputs);
};

tl::unexpected<Error> damaged(std::string message, const std::string& where = {}) {
  return fail(ErrorCode::bad_data, std::move(message), clean(where),
              "the file is damaged or was written by another program: save the model again with Keras");
}

Result<DType> input_dtype(const Json& config, const std::string& name) {
  const Json given = config.value("dtype", Json("float32"));
  const std::string word = given.is_string() ? given.get<std::string>() : "float32";
  if (word.find("float") != std::string::npos) return DType::f32;  // also mixed_float16: computed in float32
  if (word == "int32") return DType::i32;
  if (word == "int64") return DType::i64;
  return fail(ErrorCode::unsupported, fmt::format("an input of type {}", clean(word)), name,
              "use dtype \"float32\" or \"int32\" for keras.Input");
}

Result<Flow> Walker::input(const Layer& layer, const std::string& name) {
  Json given = layer.config.value("batch_shape", layer.config.value("batch_input_shape", Json()));
  if (given.is_object()) given = given.value("items", given.value("config", Json()));
  if (!given.is_array() || given.empty())
    return fail(ErrorCode::unsupported, "the model does not say what shape its input has", name,
                "begin it with keras.Input(shape=...), or call model.build before model.save");
  if (given.size() > kMaxInputRank) return damaged(fmt::format("an input of {} axes", given.size()), name);
  Shape shape{1};
  int64_t elements = 1;
  for (size_t i = 1; i < given.size(); ++i) {
    if (given[i].is_null())
      return fail(ErrorCode::unsupported, fmt::format("its input {} has no fixed size", clean(given.dump())), name,
                  "give keras.Input a shape without None and save again");
    if (!given[i].is_number_integer() || given[i] < 1 || given[i] > kMaxExtent / elements)
      return damaged(fmt::format("its input has the impossible shape {}", clean(given.dump())), name);
    shape.push_back(given[i].get<int64_t>());
    elements *= shape.back();
  }
  THIMBLE_LET(const DType dtype, input_dtype(layer.config, name));
  return Flow{to.builder().input(name, {dtype, shape}), shape};
}

Result<Flows> Walker::call(const Layer& layer, const Call& call, const std::string& prefix, Flows inputs) {
  const std::string name = prefix + clean(layer.name);
  THIMBLE_TRY(to.count_call(name));
  if (layer.model) return model(*layer.model, name + "/", &inputs);
  const Handler handler = find_handler(layer);
  if (!handler)
    return fail(ErrorCode::unsupported, fmt::format("layer class {} is not supported", layer.class_name), name,
                "docs/keras.md lists what is: rebuild the model from those layers, or leave this one out of it");
  const auto found = weights.find(&layer);
  const std::span<const Tensor> own = found == weights.end() ? std::span<const Tensor>() : found->second;
  return handler({to, layer, name, std::move(inputs), &call, own});
}

// Makes the layer's next calls, as far as their inputs are there. True when there was one.
Result<bool> Walker::try_call(const Layer& layer, const std::string& prefix, Made& made) {
  bool progress = false;
  while (made[layer.name].size() < layer.calls.size()) {
    const Call& next = layer.calls[made[layer.name].size()];
    Flows inputs;
    bool ready = true;
    const auto add = [&](const Argument& argument) {
      if (!argument.is_ref || !ready) return;
      const auto from = made.find(argument.ref.layer);
      ready = from != made.end() && argument.ref.call < from->second.size() &&
              argument.ref.output < from->second[argument.ref.call].size();
      if (ready) inputs.push_back(from->second[argument.ref.call][argument.ref.output]);
    };
    for (const Argument& argument : next.arguments) add(argument);
    for (const auto& [name, argument] : next.named) {
      if (argument.is_ref && name == "mask")
        return fail(ErrorCode::unsupported, "is called with a mask", prefix + clean(layer.name),
                    "build the model without masks");
      add(argument);
    }
    if (!ready) break;
    if (inputs.empty()) return damaged("a layer is called without inputs", prefix + layer.name);
    THIMBLE_LET(Flows outputs, call(layer, next, prefix, std::move(inputs)));
    made[layer.name].push_back(std::move(outputs));
    progress = true;
  }
  return progress;
}

Result<Flows> Walker::model(const Model& model, const std::string& prefix, const Flows* given) {
  Made made;
  if (given && given->size() != model.inputs.size())
    return damaged(fmt::format("{} inputs, expected {}", given->size(), model.inputs.size()), prefix);
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const auto layer = std::ranges::find(model.layers, model.inputs[i].layer, &Layer::name);
    if (layer == model.layers.end() || layer->class_name != "InputLayer" || made.contains(layer->name))
      return damaged(fmt::format("{} is not an input layer", clean(model.inputs[i].layer)), prefix);
    if (given) {
      made[layer->name] = {{(*given)[i]}};
    } else {
      THIMBLE_LET(const Flow flow, input(*layer, clean(layer->name)));
      made[layer->name] = {{flow}};
    }
  }
  for (bool progress = true; progress;) {
    progress = false;
    for (const Layer& layer : model.layers) {
      THIMBLE_LET(const bool called, try_call(layer, prefix, made));
      progress = progress || called;
    }
  }
  Flows outputs;
  for (const Ref& ref : model.outputs) {
    const auto from = made.find(ref.layer);
    if (from == made.end() || ref.call >= from->second.size() || ref.output >= from->second[ref.call].size())
      return damaged(fmt::format("the output of {} is never computed", clean(ref.layer)), prefix);
    outputs.push_back(from->second[ref.call][ref.output]);
  }
  return outputs;
}

Result<Graph> translate(const Model& model, const Weights& weights, bool keras3) {
  Translator to(model.name, keras3);
  Walker walker{to, weights};
  THIMBLE_LET(const Flows outputs, walker.model(model, "", nullptr));
  for (const Flow& flow : outputs) {
    THIMBLE_LET(const ValueId value, to.reshaped(flow.value, flow.shape, "output"));
    to.builder().output(value);
  }
  remove_unused_nodes(to.builder().graph());
  THIMBLE_LET(Graph graph, to.builder().finish());
  return simplify(std::move(graph));
}

// ---- the two kinds of file

Outcome check_unique(const Model& model) {
  std::set<std::string> names;
  for (const Layer& layer : model.layers) {
    if (!names.insert(layer.name).second) return damaged("two layers have this name", layer.name);
    if (layer.model) THIMBLE_TRY(check_unique(*layer.model));
  }
  return {};
}

Result<Model> model_of(std::string_view config) {
  THIMBLE_LET(const Json json, parse_json(config));
  THIMBLE_LET(Model model, parse_model(json));
  THIMBLE_TRY(check_unique(model));
  return model;
}

Result<Graph> read_h5(std::span<const uint8_t> bytes) {
  THIMBLE_LET(Hdf5 file, Hdf5::open(bytes));
  THIMBLE_LET(const auto config, file.texts(file.root(), "model_config"));
  if (!config || config->size() != 1)
    return fail(ErrorCode::unsupported, "the file holds weights without their model", {},
                "save the whole model: model.save(\"model.keras\"), not save_weights");
  THIMBLE_LET(const auto version, file.texts(file.root(), "keras_version"));
  THIMBLE_LET(const Model model, model_of(config->front()));
  THIMBLE_LET(const auto group, file.find(file.root(), "model_weights"));
  if (!group) return damaged("the file holds no weights (no group model_weights)");
  THIMBLE_LET(const Weights weights, read_layer_groups(file, *group, model));
  return translate(model, weights, version && !version->empty() && version->front().starts_with("3"));
}

Result<Graph> read_archive_model(std::span<const uint8_t> bytes) {
  constexpr std::string_view kMembers[] = {"config.json", "metadata.json", "model.weights.h5"};
  THIMBLE_LET(const auto members, read_archive(bytes, kMembers, kMaxFileBytes));
  const auto config = members.find("config.json"), stored = members.find("model.weights.h5");
  if (config == members.end() || stored == members.end())
    return fail(ErrorCode::bad_data,
                fmt::format("a zip archive without {}", config == members.end() ? "config.json" : "model.weights.h5"),
                {}, "give a .keras file as model.save(\"model.keras\") writes it");
  bool keras3 = true;
  if (const auto metadata = members.find("metadata.json"); metadata != members.end()) {
    THIMBLE_LET(const Json json, parse_json(text_of(metadata->second)));
    keras3 = json.value("keras_version", "3").starts_with("3");
  }
  THIMBLE_LET(const Model model, model_of(text_of(config->second)));
  THIMBLE_LET(Hdf5 file, Hdf5::open(stored->second));
  THIMBLE_LET(const Weights weights, read_variable_groups(file, model));
  return translate(model, weights, keras3);
}

}  // namespace

}  // namespace keras

bool looks_like_keras(std::span<const uint8_t> bytes) {
  const std::string_view text = keras::text_of(bytes);
  return text.starts_with(keras::kHdf5Mark) || text.starts_with(keras::kZipMark);
}

Result<Graph> read_keras(std::span<const uint8_t> bytes) {
  if (bytes.size() > keras::kMaxFileBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("the model has {} bytes; at most {} are read", bytes.size(), keras::kMaxFileBytes));
  const std::string_view text = keras::text_of(bytes);
  try {
    if (text.starts_with(keras::kHdf5Mark)) return keras::read_h5(bytes);
    if (text.starts_with(keras::kZipMark)) return keras::read_archive_model(bytes);
  } catch (const nlohmann::json::exception& error) {
    return keras::damaged(
        fmt::format("the model's description is not as Keras writes it: {}", keras::clean(error.what())));
  }
  return fail(ErrorCode::bad_data,
              fmt::format("not a Keras model: {} bytes that are neither an HDF5 file nor a zip archive", bytes.size()),
              {}, "give a .keras or .h5 file as model.save writes it");
}

}  // namespace thimble
