#include "formats/keras/translate.h"

#include <algorithm>
#include <cmath>

#include "ops/ops.h"

namespace thimble::keras {

namespace {

constexpr int kMaxCalls = 10000;
constexpr size_t kMaxWalked = 100000;
constexpr int kMaxNodes = 40000;
constexpr int64_t kMaxElements = int64_t{1} << 28;
constexpr uint64_t kMaxConstantBytes = uint64_t{1} << 30;
constexpr int64_t kMaxChannels = int64_t{1} << 20;  // of numbers that are repeated for each channel

bool too_large(const Shape& shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) {
    if (extent > kMaxElements || (extent > 0 && elements > kMaxElements / extent)) return true;
    elements *= extent;
  }
  return false;
}

}  // namespace

Outcome Translator::count_call(const std::string& layer) {
  if (++calls_ > kMaxCalls)
    return fail(ErrorCode::unsupported, fmt::format("more than {} calls of layers", kMaxCalls), clean(layer));
  return {};
}

Outcome Translator::count_walk(const std::string& model, size_t layers) {
  walked_ += layers;
  if (walked_ > kMaxWalked)
    return fail(ErrorCode::unsupported, fmt::format("models inside models with more than {} layers", kMaxWalked),
                clean(model));
  return {};
}

Result<std::vector<ValueId>> Translator::emit_all(const std::string& layer, std::string_view op,
                                                  const std::string& name, std::vector<ValueId> inputs, Attrs attrs) {
  const OpSpec* spec = ops::find(op);
  if (!spec)
    return fail(ErrorCode::unsupported, fmt::format("needs operator {}, which thimble does not have", op), clean(layer),
                "`thimble ops` lists what there is: build the model from those");
  if (++nodes_ > kMaxNodes)
    return fail(ErrorCode::unsupported, fmt::format("the model needs more than {} operators", kMaxNodes), clean(layer));
  if (constant_bytes_ > kMaxConstantBytes)
    return fail(ErrorCode::unsupported, fmt::format("more than {} bytes of constants", kMaxConstantBytes),
                clean(layer));
  THIMBLE_LET(auto outputs, builder_.node(*spec, clean(name), std::move(inputs), std::move(attrs)));
  for (ValueId output : outputs)
    if (too_large(shape_of(output)))
      return fail(
          ErrorCode::unsupported,
          fmt::format("makes a tensor {}, at most {} elements are possible", to_string(shape_of(output)), kMaxElements),
          clean(layer));
  return outputs;
}

Result<ValueId> Translator::emit(const std::string& layer, std::string_view op, const std::string& name,
                                 std::vector<ValueId> inputs, Attrs attrs) {
  THIMBLE_LET(const auto outputs, emit_all(layer, op, name, std::move(inputs), std::move(attrs)));
  return outputs.at(0);
}

ValueId Translator::constant(const std::string& name, Tensor tensor) {
  constant_bytes_ += tensor.bytes.size();
  return builder_.constant(name, std::move(tensor));
}

ValueId Translator::constant(const std::string& name, const Tensor& weight, Tensor (*make)(const Tensor&)) {
  const auto [entry, is_new] = from_weights_.try_emplace({&weight, make}, kNoValue);
  if (is_new) entry->second = constant(name, make(weight));
  return entry->second;
}

Result<ValueId> Translator::reshaped(ValueId value, const Shape& shape, const std::string& name) {
  if (shape_of(value) == shape) return value;
  const auto key = std::pair{value, shape};
  if (const auto known = reshapes_.find(key); known != reshapes_.end()) return known->second;
  THIMBLE_LET(const ValueId result, emit(name, "reshape", name, {value}, Attrs().set("shape", shape)));
  return reshapes_[key] = result;
}

// ---- settings

namespace {

// A finite JSON number; Keras writes numbers from numpy and of other dtypes as an object {"class_name", "value"}.
std::optional<double> number_of(const Json& json) {
  if (json.is_object() && json.contains("value")) return number_of(json["value"]);
  if (json.is_object() && json.contains("config") && json["config"].is_object() && json["config"].contains("value"))
    return number_of(json["config"]["value"]);
  if (json.is_number() && std::isfinite(json.get<double>())) return json.get<double>();
  return std::nullopt;
}

std::optional<int64_t> integer_of(const Json& json) {
  const auto number = number_of(json);
  if (!number || std::fabs(*number) > 1e9 || *number != std::floor(*number)) return std::nullopt;
  return static_cast<int64_t>(*number);
}

const Json& setting(const Json& config, const char* key) {
  static const Json none;
  const auto found = config.find(key);
  return found == config.end() ? none : *found;
}

}  // namespace

Result<int64_t> Use::integer(const char* key, int64_t fallback, int64_t low, int64_t high) const {
  const Json& json = setting(config(), key);
  if (json.is_null()) return fallback;
  const auto value = integer_of(json);
  if (!value || *value < low || *value > high)
    return damaged(fmt::format("{} must be {} to {}, found {}", key, low, high, clean(json.dump())));
  return *value;
}

Result<double> Use::real(const char* key, double fallback) const {
  const Json& json = setting(config(), key);
  if (json.is_null()) return fallback;
  const auto value = number_of(json);
  if (!value) return damaged(fmt::format("{} must be a number, found {}", key, clean(json.dump())));
  return *value;
}

Result<bool> Use::flag(const char* key, bool fallback) const {
  const Json& json = setting(config(), key);
  if (json.is_null()) return fallback;
  if (json == 0 || json == 1) return json == 1;
  if (!json.is_boolean()) return damaged(fmt::format("{} must be true or false, found {}", key, clean(json.dump())));
  return json.get<bool>();
}

Result<std::string> Use::word(const char* key, std::string_view fallback) const {
  const Json& json = setting(config(), key);
  if (json.is_null()) return std::string(fallback);
  if (!json.is_string()) return damaged(fmt::format("{} must be a word, found {}", key, clean(json.dump())));
  return json.get<std::string>();
}

Result<std::vector<int64_t>> Use::integers(const char* key, size_t count, int64_t fallback, int64_t low,
                                           int64_t high) const {
  const Json& json = setting(config(), key);
  if (json.is_null()) return std::vector<int64_t>(count, fallback);
  std::vector<int64_t> values;
  const auto add = [&](const Json& item) {
    const auto value = integer_of(item);
    if (value && *value >= low && *value <= high) values.push_back(*value);
  };
  if (json.is_array() && json.size() == count)
    for (const Json& item : json) add(item);
  else if (json.is_number() || (json.is_array() && json.size() == 1))
    for (size_t i = 0; i < count; ++i) add(json.is_number() ? json : json[0]);
  if (values.size() != count)
    return damaged(
        fmt::format("{} must be {} whole numbers from {} to {}, found {}", key, count, low, high, clean(json.dump())));
  return values;
}

tl::unexpected<Error> Use::refuse(std::string message, std::string hint) const {
  return fail(ErrorCode::unsupported, fmt::format("{}: {}", layer.class_name, message), clean(name), std::move(hint));
}

tl::unexpected<Error> Use::damaged(std::string message) const {
  return fail(ErrorCode::bad_data, fmt::format("{}: {}", layer.class_name, message), clean(name),
              "the file is damaged or was written by another program: save the model again with Keras");
}

Outcome Use::expect_inputs(size_t count) const {
  if (inputs.size() != count) return damaged(fmt::format("{} inputs, expected {}", inputs.size(), count));
  return {};
}

Outcome Use::expect_rank(size_t low, size_t high) const {
  const Shape& shape = inputs.at(0).shape;
  if (shape.size() < low || shape.size() > high)
    return damaged(fmt::format("its input {} has {} axes, expected {}", to_string(shape), shape.size(),
                               low == high ? fmt::format("{}", low) : fmt::format("{} to {}", low, high)));
  return {};
}

Result<ValueId> Use::plain(const Flow& flow) const { return reshaped(flow.value, flow.shape); }

Result<ValueId> Use::emit(std::string_view op, std::string_view part, std::vector<ValueId> values, Attrs attrs) const {
  return to.emit(name, op, part.empty() ? name : fmt::format("{}/{}", name, part), std::move(values), std::move(attrs));
}

ValueId Use::constant(std::string_view part, Tensor tensor) const {
  return to.constant(clean(fmt::format("{}/{}", name, part)), std::move(tensor));
}

ValueId Use::constant(std::string_view part, const Tensor& weight, Tensor (*make)(const Tensor&)) const {
  return to.constant(clean(fmt::format("{}/{}", name, part)), weight, make);
}

ValueId Use::weight(std::string_view part, size_t slot) const { return constant(part, weights[slot], as_it_is); }

ValueId Use::scalar(std::string_view part, float value) const {
  return constant(part, Tensor::from<float>({1}, std::vector<float>{value}));
}

Result<ValueId> Use::reshaped(ValueId value, const Shape& shape) const {
  return to.reshaped(value, shape, fmt::format("{}/reshape", name));
}

Result<ValueId> Use::activate(ValueId value, const char* key) const { return activate(value, setting(config(), key)); }

Tensor as_it_is(const Tensor& weight) { return weight; }

Tensor permuted(const Tensor& tensor, const std::vector<size_t>& order) {
  const size_t rank = order.size();
  Shape strides(rank, 1), shape(rank);
  for (size_t i = rank - 1; i-- > 0;) strides[i] = strides[i + 1] * tensor.shape[i + 1];
  for (size_t i = 0; i < rank; ++i) shape[i] = tensor.shape[order[i]];
  Tensor result = Tensor::zeros(DType::f32, shape);
  const auto from = tensor.as<float>();
  const auto to = result.as<float>();
  std::vector<int64_t> index(rank, 0);
  int64_t at = 0;
  for (float& number : to) {
    number = from[static_cast<size_t>(at)];
    for (size_t axis = rank; axis-- > 0;) {
      at += strides[order[axis]];
      if (++index[axis] < shape[axis]) break;
      at -= strides[order[axis]] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

Result<int64_t> axis_of(const Use& use, const Json& json, size_t rank) {
  const auto axis = integer_of(json.is_array() && json.size() == 1 ? json[0] : json);
  const auto axes = static_cast<int64_t>(rank);
  if (!axis || *axis < -axes || *axis >= axes)
    return use.damaged(fmt::format("axis {} is not one of {}", clean(json.dump()), rank));
  return *axis < 0 ? *axis + axes : *axis;
}

Result<Flow> affine(const Use& use, const Flow& input, std::vector<float> scale, std::vector<float> offset) {
  const int64_t channels = input.shape.empty() ? 1 : input.shape.back();
  if (channels > kMaxChannels)
    return use.refuse(fmt::format("{} channels, at most {} are possible", channels, kMaxChannels), "use fewer");
  const auto widened = [&](std::vector<float>& numbers) {
    if (numbers.size() == 1) numbers = std::vector<float>(static_cast<size_t>(channels), float{numbers[0]});
    return static_cast<int64_t>(numbers.size()) == channels;
  };
  if (!widened(scale) || !widened(offset))
    return use.damaged(fmt::format("{} scales and {} offsets for {} channels", scale.size(), offset.size(), channels));
  Flow output = input;
  if (use.to.shape_of(input.value).empty() || use.to.shape_of(input.value).back() != channels) {
    THIMBLE_LET(output.value, use.plain(input));
  }
  const std::vector<float> zeros(scale.size(), 0.0f), ones(scale.size(), 1.0f);
  const Shape shape{channels};
  THIMBLE_LET(output.value, use.emit("batch_norm", "",
                                     {output.value, use.constant("gamma", Tensor::from(shape, scale)),
                                      use.constant("beta", Tensor::from(shape, offset)),
                                      use.constant("mean", Tensor::from(shape, zeros)),
                                      use.constant("variance", Tensor::from(shape, ones))},
                                     Attrs().set("epsilon", 0.0)));
  return output;
}

namespace {

std::vector<std::span<const NamedHandler>> layer_tables() {
  return {linear_layers(),     pooling_layers(),       shape_layers(),     merge_layers(),
          activation_layers(), normalization_layers(), recurrent_layers(), wrapper_layers()};
}

Handler find_in(std::span<const NamedHandler> table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &NamedHandler::class_name);
  return found == table.end() ? nullptr : found->handler;
}

}  // namespace

Handler find_handler(const Layer& layer) {
  if (layer.class_name == "TFOpLambda") {
    const Json& function = setting(layer.config, "function");
    return function.is_string() ? find_in(operations(), function.get<std::string>()) : nullptr;
  }
  if (layer.operation)
    if (const Handler handler = find_in(operations(), layer.class_name)) return handler;
  for (const auto table : layer_tables())
    if (const Handler handler = find_in(table, layer.class_name)) return handler;
  return nullptr;
}

std::vector<std::string> known_layers() {
  std::vector<std::string> names;
  for (const auto table : layer_tables())
    for (const NamedHandler& entry : table) names.emplace_back(entry.class_name);
  return names;
}

}  // namespace thimble::keras
