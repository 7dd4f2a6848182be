// Reads Keras models: opens the file, walks the calls of its layers and leaves each to its handler.
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <string_view>
#include <unordered_map>

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
  Result<Flow> input(const Layer& layer, const std::string& name);
  Result<Flows> call(const Layer& layer, const Call& call, const std::string& prefix, Flows inputs);
};

// The calls of one model's layers, each made as soon as all its inputs are there. Layers take turns in rounds through
// the model's list; one that waits costs nothing until the last of its inputs comes, so that the work is that of the
// calls themselves in whatever order a file lists its layers.
class Calls {
 public:
  Calls(Walker& walker, const Model& model, const std::string& prefix);

  // Null: the model has no such layer, or it has been called.
  const Layer* uncalled(const std::string& layer) const;
  void give(const std::string& layer, Flow flow);
  Outcome make_all();
  // Null: never computed.
  const Flow* output(const Ref& ref) const;

 private:
  using Place = std::pair<size_t, size_t>;
  struct Waiter {
    size_t layer = 0, output = 0;
  };

  bool ready(size_t layer);
  Result<Flows> inputs_of(const Layer& layer, const Call& call) const;
  Outcome make(size_t layer, size_t round);

  Walker& walker_;
  const Model& model_;
  const std::string& prefix_;
  std::unordered_map<std::string_view, size_t> index_;
  std::vector<std::vector<Flows>> made_;          // of every layer, the outputs of its calls so far
  std::vector<size_t> missing_;                   // of every layer, the inputs that its next call waits for
  std::map<Place, std::vector<Waiter>> waiting_;  // by layer and call
  std::priority_queue<Place, std::vector<Place>, std::greater<>> turns_;  // round and layer
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

Calls::Calls(Walker& walker, const Model& model, const std::string& prefix)
    : walker_(walker), model_(model), prefix_(prefix), made_(model.layers.size()), missing_(model.layers.size(), 0) {
  for (size_t i = 0; i < model.layers.size(); ++i) index_.emplace(model.layers[i].name, i);
}

const Layer* Calls::uncalled(const std::string& layer) const {
  const auto found = index_.find(layer);
  return found != index_.end() && made_[found->second].empty() ? &model_.layers[found->second] : nullptr;
}

void Calls::give(const std::string& layer, Flow flow) { made_[index_.at(layer)].push_back({std::move(flow)}); }

const Flow* Calls::output(const Ref& ref) const {
  const auto found = index_.find(ref.layer);
  if (found == index_.end() || ref.call >= made_[found->second].size()) return nullptr;
  const Flows& outputs = made_[found->second][ref.call];
  return ref.output < outputs.size() ? &outputs[ref.output] : nullptr;
}

// Whether the layer's next call can be made. If not, it is entered as a waiter for what it lacks.
bool Calls::ready(size_t layer) {
  const Call& next = model_.layers[layer].calls[made_[layer].size()];
  size_t& missing = missing_[layer] = 0;
  const auto look = [&](const Argument& argument) {
    if (!argument.is_ref || output(argument.ref)) return;
    ++missing;
    const auto from = index_.find(argument.ref.layer);
    if (from != index_.end()) waiting_[{from->second, argument.ref.call}].push_back({layer, argument.ref.output});
  };
  for (const Argument& argument : next.arguments) look(argument);
  for (const auto& [name, argument] : next.named) look(argument);
  return missing == 0;
}

Result<Flows> Calls::inputs_of(const Layer& layer, const Call& call) const {
  Flows inputs;
  for (const Argument& argument : call.arguments)
    if (argument.is_ref) inputs.push_back(*output(argument.ref));
  for (const auto& [name, argument] : call.named) {
    if (!argument.is_ref) continue;
    if (name == "mask")
      return fail(ErrorCode::unsupported, "is called with a mask", prefix_ + clean(layer.name),
                  "build the model without masks");
    inputs.push_back(*output(argument.ref));
  }
  if (inputs.empty()) return damaged("a layer is called without inputs", prefix_ + layer.name);
  return inputs;
}

// Makes the layer's next calls, as far as their inputs are there.
Outcome Calls::make(size_t layer, size_t round) {
  const Layer& made = model_.layers[layer];
  do {
    const Place place{layer, made_[layer].size()};
    const Call& next = made.calls[place.second];
    THIMBLE_LET(Flows inputs, inputs_of(made, next));
    THIMBLE_LET(Flows outputs, walker_.call(made, next, prefix_, std::move(inputs)));
    const size_t count = outputs.size();
    made_[layer].push_back(std::move(outputs));
    const auto waiters = waiting_.find(place);
    if (waiters == waiting_.end()) continue;
    for (const Waiter& waiter : waiters->second)
      if (waiter.output < count && --missing_[waiter.layer] == 0)
        turns_.push({round + (waiter.layer < layer ? 1 : 0), waiter.layer});
  } while (made_[layer].size() < made.calls.size() && ready(layer));
  return {};
}

Outcome Calls::make_all() {
  for (size_t i = 0; i < model_.layers.size(); ++i)
    if (made_[i].size() < model_.layers[i].calls.size() && ready(i)) turns_.push({0, i});
  while (!turns_.empty()) {
    const auto [round, layer] = turns_.top();
    turns_.pop();
    THIMBLE_TRY(make(layer, round));
  }
  return {};
}

Result<Flows> Walker::model(const Model& model, const std::string& prefix, const Flows* given) {
  THIMBLE_TRY(to.count_walk(prefix, model.layers.size()));
  if (given && given->size() != model.inputs.size())
    return damaged(fmt::format("{} inputs, expected {}", given->size(), model.inputs.size()), prefix);
  Calls calls(*this, model, prefix);
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const Layer* layer = calls.uncalled(model.inputs[i].layer);
    if (!layer || layer->class_name != "InputLayer")
      return damaged(fmt::format("{} is not an input layer", clean(model.inputs[i].layer)), prefix);
    if (given) {
      calls.give(layer->name, (*given)[i]);
    } else {
      THIMBLE_LET(Flow flow, input(*layer, clean(layer->name)));
      calls.give(layer->name, std::move(flow));
    }
  }
  THIMBLE_TRY(calls.make_all());
  Flows outputs;
  for (const Ref& ref : model.outputs) {
    const Flow* output = calls.output(ref);
    if (!output) return damaged(fmt::format("the output of {} is never computed", clean(ref.layer)), prefix);
    outputs.push_back(*output);
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
