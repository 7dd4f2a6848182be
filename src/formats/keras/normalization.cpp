// Layers that shift and scale: batch and layer normalisation, Normalization, Rescaling, and embeddings.
#include <algorithm>
#include <cmath>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

// Weight `slot` of C numbers, or `fallback` C times where the layer has none.
std::vector<float> numbers_of(const Use& use, size_t slot, bool present, int64_t channels, float fallback) {
  if (!present || slot >= use.weights.size()) return std::vector<float>(static_cast<size_t>(channels), fallback);
  const auto stored = use.weights[slot].as<float>();
  return {stored.begin(), stored.end()};
}

// y = scale * x + offset along any axis.
Result<Flows> along_axis(const Use& use, int64_t axis, const std::vector<float>& scale,
                         const std::vector<float>& offset) {
  const Flow& input = use.inputs[0];
  if (axis == static_cast<int64_t>(input.shape.size()) - 1) {
    THIMBLE_LET(const Flow output, affine(use, input, scale, offset));
    return Flows{output};
  }
  Shape shape(input.shape.size(), 1);
  shape[static_cast<size_t>(axis)] = static_cast<int64_t>(scale.size());
  THIMBLE_LET(ValueId x, use.plain(input));
  THIMBLE_LET(x, use.emit("mul", "scale", {x, use.constant("scale", Tensor::from(shape, scale))}));
  THIMBLE_LET(x, use.emit("add", "", {x, use.constant("offset", Tensor::from(shape, offset))}));
  return Flows{{x, input.shape, input.masked}};
}

Result<Flows> batch_normalization(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 8));
  const Shape& shape = use.inputs[0].shape;
  THIMBLE_LET(const int64_t axis, axis_of(use, use.config().value("axis", Json(-1)), shape.size()));
  THIMBLE_LET(const bool scaled, use.flag("scale", true));
  THIMBLE_LET(const bool centred, use.flag("center", true));
  THIMBLE_LET(const double epsilon, use.real("epsilon", 1e-3));
  const int64_t channels = shape[static_cast<size_t>(axis)];
  for (const Tensor& weight : use.weights)
    if (weight.size() != channels)
      return use.damaged(fmt::format("weights of {} for {} channels", to_string(weight.shape), channels));
  const size_t statistics = (scaled ? 1u : 0u) + (centred ? 1u : 0u);
  if (use.weights.size() != statistics + 2) return use.damaged("its mean and variance are missing");
  const auto gamma = numbers_of(use, 0, scaled, channels, 1), beta = numbers_of(use, scaled, centred, channels, 0);
  const auto mean = use.weights[statistics].as<float>(), variance = use.weights[statistics + 1].as<float>();
  std::vector<float> scale, offset;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double spread = static_cast<double>(variance[c]) + epsilon;
    if (!(spread > 0)) return use.damaged(fmt::format("variance {} of channel {}", variance[c], c));
    const double factor = static_cast<double>(gamma[c]) / std::sqrt(spread);
    scale.push_back(static_cast<float>(factor));
    offset.push_back(static_cast<float>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * factor));
  }
  return along_axis(use, axis, scale, offset);
}

Result<Flows> normalization(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(1, 8));
  THIMBLE_LET(const bool invert, use.flag("invert", false));
  const Shape& shape = use.inputs[0].shape;
  std::vector<double> mean, variance;
  const auto read = [&](const char* key, size_t slot, std::vector<double>& out) -> Outcome {
    if (use.weights.size() > slot) {
      const auto stored = use.weights[slot].as<float>();
      out.assign(stored.begin(), stored.end());
      return {};
    }
    Json given = use.config().value(key, Json());
    while (given.is_array() && given.size() == 1) given = Json(given[0]);
    if (given.is_object() && given.contains("config")) given = given["config"].value("value", Json());
    for (const Json& item : given.is_array() ? given : Json::array({given})) {
      if (!item.is_number()) return use.damaged(fmt::format("{} is not a list of numbers", key));
      out.push_back(item.get<double>());
    }
    return {};
  };
  THIMBLE_TRY(read("mean", 0, mean));
  THIMBLE_TRY(read("variance", 1, variance));
  if (mean.size() != variance.size() || mean.empty()) return use.damaged("its mean and variance do not match");
  const Json axis = use.config().value("axis", Json(-1));
  const bool along_last =
      axis.is_null() || (axis.is_array() && axis.empty()) || mean.size() == 1 ||
      (axis.is_number() ? axis == -1 || axis == static_cast<int64_t>(shape.size()) - 1
                        : axis.size() == 1 && (axis[0] == -1 || axis[0] == static_cast<int64_t>(shape.size()) - 1));
  if (!along_last) return use.refuse("an axis other than the last one is not supported", "use axis=-1");
  std::vector<float> scale, offset;
  for (size_t c = 0; c < mean.size(); ++c) {
    const double deviation = std::max(std::sqrt(std::max(variance[c], 0.0)), 1e-7);
    scale.push_back(static_cast<float>(invert ? deviation : 1 / deviation));
    offset.push_back(static_cast<float>(invert ? mean[c] : -mean[c] / deviation));
  }
  THIMBLE_LET(const Flow output, affine(use, use.inputs[0], scale, offset));
  return Flows{output};
}

Result<Flows> rescaling(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  const auto read = [&](const char* key, float fallback) -> Result<std::vector<float>> {
    const Json given = use.config().value(key, Json());
    if (!given.is_array()) {
      THIMBLE_LET(const double value, use.real(key, static_cast<double>(fallback)));
      return std::vector<float>{static_cast<float>(value)};
    }
    std::vector<float> values;
    for (const Json& item : given) {
      if (!item.is_number()) return use.damaged(fmt::format("{} is not a list of numbers", key));
      values.push_back(item.get<float>());
    }
    return values;
  };
  THIMBLE_LET(const auto scale, read("scale", 1));
  THIMBLE_LET(const auto offset, read("offset", 0));
  THIMBLE_LET(const Flow output, affine(use, use.inputs[0], scale, offset));
  return Flows{output};
}

// The setting "axis": one or several, sorted.
Result<std::vector<int64_t>> axes_of(const Use& use) {
  std::vector<int64_t> axes;
  const Json given = use.config().value("axis", Json(-1));
  for (const Json& item : given.is_array() ? given : Json::array({given})) {
    THIMBLE_LET(const int64_t axis, axis_of(use, item, use.inputs[0].shape.size()));
    axes.push_back(axis);
  }
  std::ranges::sort(axes);
  return axes;
}

// (x - mean) / sqrt(variance + epsilon) over some axes, then gamma and beta. With rms_scaling the mean stays in x, but
// not in the variance; RMSNormalization knows no mean at all.
Result<Flows> layer_normalization(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 8));
  const Flow& input = use.inputs[0];
  const bool rms_layer = use.layer.class_name == "RMSNormalization";
  THIMBLE_LET(const double epsilon, use.real("epsilon", rms_layer ? 1e-6 : 1e-3));
  THIMBLE_LET(bool rms, use.flag("rms_scaling", false));
  rms = rms || rms_layer;
  THIMBLE_LET(bool scaled, use.flag("scale", true));
  THIMBLE_LET(bool centred, use.flag("center", true));
  scaled = scaled || rms, centred = centred && !rms;
  THIMBLE_LET(const std::vector<int64_t> axes, axes_of(use));
  Shape weights(input.shape.size(), 1);
  for (int64_t axis : axes) weights[static_cast<size_t>(axis)] = input.shape[static_cast<size_t>(axis)];
  const Attrs reduce = Attrs().set("axes", axes).set("keep_dims", int64_t{1});
  THIMBLE_LET(ValueId x, use.plain(input));
  ValueId centred_x = x;
  if (!rms_layer) {
    THIMBLE_LET(const ValueId mean, use.emit("mean", "mean", {x}, reduce));
    THIMBLE_LET(centred_x, use.emit("sub", "centred", {x, mean}));
  }
  THIMBLE_LET(ValueId spread, use.emit("mul", "square", {centred_x, centred_x}));
  THIMBLE_LET(spread, use.emit("mean", "variance", {spread}, reduce));
  const ValueId least = use.scalar("epsilon", static_cast<float>(epsilon));
  THIMBLE_LET(spread, use.emit("add", "spread", {spread, least}));
  THIMBLE_LET(spread, use.emit("rsqrt", "rsqrt", {spread}));
  THIMBLE_LET(x, use.emit("mul", "normal", {rms ? x : centred_x, spread}));
  size_t slot = 0;
  for (const auto& [op, part, present] : {std::tuple{"mul", "gamma", scaled}, std::tuple{"add", "beta", centred}}) {
    if (!present) continue;
    if (slot >= use.weights.size() || use.weights[slot].size() != element_count(weights))
      return use.damaged(fmt::format("{} does not match its input {}", part, to_string(input.shape)));
    THIMBLE_LET(x, use.emit(op, part, {x, use.constant(part, Tensor::from(weights, use.weights[slot].as<float>()))}));
    ++slot;
  }
  return Flows{{x, input.shape, input.masked}};
}

// x / sqrt(sum of squares), along some axes.
Result<Flows> unit_normalization(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 8));
  const Flow& input = use.inputs[0];
  THIMBLE_LET(const std::vector<int64_t> axes, axes_of(use));
  THIMBLE_LET(const ValueId x, use.plain(input));
  THIMBLE_LET(ValueId norm, use.emit("mul", "square", {x, x}));
  THIMBLE_LET(norm, use.emit("sum", "sum", {norm}, Attrs().set("axes", axes).set("keep_dims", int64_t{1})));
  const ValueId least = use.scalar("least", 1e-12f);
  THIMBLE_LET(norm, use.emit("maximum", "maximum", {norm, least}));
  THIMBLE_LET(norm, use.emit("rsqrt", "rsqrt", {norm}));
  THIMBLE_LET(const ValueId y, use.emit("mul", "", {x, norm}));
  return Flows{{y, input.shape, input.masked}};
}

Result<Flows> embedding(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(1, 6));
  const Flow& input = use.inputs[0];
  if (use.weights.size() != 1 || use.weights[0].shape.size() != 2 || use.weights[0].size() == 0)
    return use.damaged("its table must have two axes");
  THIMBLE_LET(const bool masked, use.flag("mask_zero", false));
  THIMBLE_LET(ValueId indices, use.plain(input));
  if (use.to.dtype_of(indices) != DType::i32) {
    THIMBLE_LET(indices, use.emit("cast", "indices", {indices}, Attrs().set("dtype", "int32")));
  }
  THIMBLE_LET(const ValueId y, use.emit("gather", "", {use.weight("embeddings", 0), indices},
                                        Attrs().set("axis", int64_t{0}).set("batch_dims", int64_t{0})));
  return Flows{{y, use.to.shape_of(y), masked}};
}

}  // namespace

std::span<const NamedHandler> normalization_layers() {
  static constexpr NamedHandler kTable[] = {
      {"BatchNormalization", batch_normalization},
      {"BatchNormalizationV1", batch_normalization},
      {"LayerNormalization", layer_normalization},
      {"RMSNormalization", layer_normalization},
      {"UnitNormalization", unit_normalization},
      {"Normalization", normalization},
      {"Rescaling", rescaling},
      {"Embedding", embedding},
  };
  return kTable;
}

}  // namespace thimble::keras
