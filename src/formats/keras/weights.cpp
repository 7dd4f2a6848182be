#include "formats/keras/weights.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

namespace thimble::keras {

namespace {

constexpr size_t kMaxSlotsInside = 4;  // of a layer that Bidirectional can wrap

tl::unexpected<Error> damaged(std::string message, const std::string& layer) {
  return fail(ErrorCode::bad_data, std::move(message), clean(layer),
              "save the whole model again with Keras: model.save(\"model.keras\")");
}

bool is_set(const Json& config, const char* key, bool fallback = true) {
  const Json value = config.value(key, Json(fallback));
  return value.is_boolean() ? value.get<bool>() : value.is_number() ? value != 0 : fallback;
}

// Variables of one part, numbered; those that `optional` says are absent are left out.
std::vector<Slot> numbered(std::initializer_list<std::pair<const char*, bool>> names, std::string group = {}) {
  std::vector<Slot> slots;
  for (const auto& [name, present] : names)
    if (present) slots.push_back({group, static_cast<int>(slots.size()), name});
  return slots;
}

std::vector<Slot> inside(const std::string& part, std::vector<Slot> slots) {
  for (Slot& slot : slots) slot.group = slot.group.empty() ? part : part + "/" + slot.group;
  return slots;
}

std::vector<Slot> slots_of_inner(const Json& config) {
  const auto inner = config.find("layer");
  if (inner == config.end()) return {};
  const Result<Layer> layer = parse_layer(*inner);
  return layer ? slots_of(*layer) : std::vector<Slot>();
}

}  // namespace

std::vector<Slot> slots_of(const Layer& layer) {
  const Json& config = layer.config;
  const std::string_view kind = layer.class_name;
  if (layer.operation) return {};
  const bool bias = is_set(config, "use_bias");
  if (kind == "Dense" || kind == "Conv1D" || kind == "Conv2D" || kind == "Conv1DTranspose" ||
      kind == "Conv2DTranspose" || kind == "Convolution2D" || kind == "Convolution1D")
    return numbered({{"kernel", true}, {"bias", bias}});
  if (kind == "DepthwiseConv1D" || kind == "DepthwiseConv2D")
    return numbered({{"depthwise_kernel", true}, {"bias", bias}});
  if (kind == "SeparableConv1D" || kind == "SeparableConv2D")
    return numbered({{"depthwise_kernel", true}, {"pointwise_kernel", true}, {"bias", bias}});
  if (kind == "BatchNormalization" || kind == "BatchNormalizationV1") {
    auto slots = numbered({{"gamma", is_set(config, "scale")},
                           {"beta", is_set(config, "center")},
                           {"moving_mean", true},
                           {"moving_variance", true}});
    for (Slot& slot : slots) slot.trainable = !slot.name.starts_with("moving");
    return slots;
  }
  if (kind == "LayerNormalization") {
    const bool rms = is_set(config, "rms_scaling", false);
    return numbered({{"gamma", is_set(config, "scale") || rms}, {"beta", is_set(config, "center") && !rms}});
  }
  if (kind == "RMSNormalization") return numbered({{"scale", true}});
  if (kind == "Normalization") {
    if (!config.value("mean", Json()).is_null()) return {};
    auto slots = numbered({{"mean", true}, {"variance", true}, {"count", true}});
    for (Slot& slot : slots) slot.trainable = false;
    return slots;
  }
  if (kind == "Embedding") return numbered({{"embeddings", true}});
  if (kind == "PReLU") return numbered({{"alpha", true}});
  if (kind == "LSTM" || kind == "GRU" || kind == "SimpleRNN")
    return numbered({{"kernel", true}, {"recurrent_kernel", true}, {"bias", bias}}, "cell");
  if (kind == "TimeDistributed") return inside("layer", slots_of_inner(config));
  if (kind == "Bidirectional") {
    // Bidirectional in Bidirectional would double the slots at every level.
    const auto one = slots_of_inner(config);
    if (one.size() > kMaxSlotsInside) return {};
    auto slots = inside("forward_layer", one);
    const auto backward = inside("backward_layer", one);
    slots.insert(slots.end(), backward.begin(), backward.end());
    return slots;
  }
  return {};
}

namespace {

// ---- legacy .h5

struct LeafSlot {
  const Layer* layer = nullptr;
  size_t index = 0;
  std::string name;
};

// Keras lists what is trainable first, through nested models too.
void list_slots(const Layer& layer, bool trainable, std::vector<LeafSlot>& out) {
  if (layer.model) {
    for (const Layer& inner : layer.model->layers) list_slots(inner, trainable, out);
    return;
  }
  const std::vector<Slot> slots = slots_of(layer);
  for (const bool first : {true, false})
    for (size_t i = 0; i < slots.size(); ++i)
      if (slots[i].trainable == first && (slots[i].trainable && layer.trainable) == trainable)
        out.push_back({&layer, i, slots[i].name});
}

Result<std::vector<std::string>> weight_names(Hdf5& file, Hdf5::Object group) {
  THIMBLE_LET(auto names, file.texts(group, "weight_names"));
  if (names) return std::move(*names);
  std::vector<std::string> all;  // long lists are cut into parts
  for (int part = 0;; ++part) {
    THIMBLE_LET(auto more, file.texts(group, fmt::format("weight_names{}", part)));
    if (!more) return all;
    all.insert(all.end(), more->begin(), more->end());
  }
}

// Whether a stored name such as "bn/gamma:0" contradicts the variable that should be there.
bool contradicts(std::string_view stored, std::string_view expected) {
  static const std::set<std::string_view> known{"kernel",
                                                "bias",
                                                "gamma",
                                                "beta",
                                                "moving_mean",
                                                "moving_variance",
                                                "recurrent_kernel",
                                                "depthwise_kernel",
                                                "pointwise_kernel",
                                                "embeddings",
                                                "alpha"};
  stored = stored.substr(0, stored.rfind(':'));
  if (const size_t slash = stored.rfind('/'); slash != std::string_view::npos) stored.remove_prefix(slash + 1);
  if (stored == "kernel" && expected == "depthwise_kernel") return false;
  return known.contains(stored) && stored != expected;
}

}  // namespace

Result<Weights> read_layer_groups(Hdf5& file, Hdf5::Object group, const Model& model) {
  Weights weights;
  for (const Layer& layer : model.layers) {
    std::vector<LeafSlot> slots;
    for (const bool trainable : {true, false}) list_slots(layer, trainable, slots);
    if (slots.empty()) continue;
    THIMBLE_LET(const auto found, file.find(group, layer.name));
    if (!found) return damaged("the file holds no weights for it", layer.name);
    THIMBLE_LET(const std::vector<std::string> names, weight_names(file, *found));
    if (names.size() != slots.size())
      return damaged(fmt::format("{} weights, expected {}", names.size(), slots.size()), layer.name);
    for (size_t i = 0; i < slots.size(); ++i) {
      if (contradicts(names[i], slots[i].name))
        return damaged(fmt::format("weight {} is {}, expected {}", i, clean(names[i]), slots[i].name), layer.name);
      THIMBLE_LET(const auto dataset, file.find(*found, names[i]));
      if (!dataset) return damaged(fmt::format("weight {} is missing", clean(names[i])), layer.name);
      auto tensor = file.floats(*dataset);
      if (!tensor) {
        tensor.error().where = clean(layer.name);
        return tl::unexpected<Error>(std::move(tensor).error());
      }
      auto& list = weights[slots[i].layer];
      list.resize(std::max(list.size(), slots[i].index + 1));
      list[slots[i].index] = std::move(*tensor);
    }
  }
  return weights;
}

// ---- Keras 3

namespace {

bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }

// As Keras does it: Conv2DTranspose -> conv2d_transpose, LeakyReLU -> leaky_re_lu.
std::string snake_case(std::string_view name) {
  std::string words, result;
  for (size_t i = 0; i < name.size();) {
    words += name[i++];
    if (i + 1 < name.size() && upper(name[i]) && lower(name[i + 1])) {
      words += '_';
      do words += name[i++];
      while (i < name.size() && lower(name[i]));
    }
  }
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && lower(words[i - 1]) && upper(words[i])) result += '_';
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(words[i])));
  }
  return result;
}

Result<Tensor> read_variable(Hdf5& file, const std::string& path, const Slot& slot) {
  const std::string inner = slot.group.empty() ? path : path + "/" + slot.group;
  const std::string variable = fmt::format("{}/vars/{}", inner, slot.index);
  // Keras 2.12 and 2.13 write another first folder; the parts of recurrent layers moved into "cell" after 2.12.
  for (const std::string& folder : {std::string("layers"), std::string("_layer_checkpoint_dependencies")}) {
    THIMBLE_LET(const auto found, file.find(file.root(), folder + variable));
    if (found) return file.floats(*found);
  }
  return damaged(fmt::format("its {} is missing ({})", slot.name, clean("layers" + variable)), {});
}

Outcome read_model_variables(Hdf5& file, const Model& model, const std::string& path, Weights& weights) {
  std::map<std::string, int> counts;
  for (const Layer& layer : model.layers) {
    if (layer.operation || (model.sequential && layer.class_name == "InputLayer")) continue;
    const std::string kind = snake_case(layer.class_name == "Model" ? "Functional" : layer.class_name);
    const int count = counts[kind]++;
    const std::string own = fmt::format("{}/{}{}", path, kind, count ? fmt::format("_{}", count) : "");
    if (layer.model) {
      THIMBLE_TRY(read_model_variables(file, *layer.model, own + "/layers", weights));
      continue;
    }
    for (const Slot& slot : slots_of(layer)) {
      auto tensor = read_variable(file, own, slot);
      if (!tensor) {
        tensor.error().where = clean(layer.name);
        return tl::unexpected<Error>(std::move(tensor).error());
      }
      weights[&layer].push_back(std::move(*tensor));
    }
  }
  return {};
}

}  // namespace

Result<Weights> read_variable_groups(Hdf5& file, const Model& model) {
  Weights weights;
  THIMBLE_TRY(read_model_variables(file, model, "", weights));
  return weights;
}

}  // namespace thimble::keras
