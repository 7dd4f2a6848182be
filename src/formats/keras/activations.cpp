// Activations: as layers, and as the setting "activation" of others. What has no operator of its own is put together
// from others by its definition.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

Result<ValueId> unary(const Use& use, std::string_view op, ValueId x, Attrs attrs = {}) {
  return use.emit(op, op, {x}, std::move(attrs));
}

Result<ValueId> with_scalar(const Use& use, std::string_view op, ValueId x, double value) {
  const ValueId number = use.scalar(fmt::format("{}_by", op), static_cast<float>(value));
  return use.emit(op, op, {x, number});
}

Result<ValueId> sigmoid(const Use& use, ValueId x) { return unary(use, "logistic", x); }

Result<ValueId> leaky_relu(const Use& use, ValueId x, double slope) {
  return unary(use, "leaky_relu", x, Attrs().set("alpha", static_cast<double>(static_cast<float>(slope))));
}

// alpha * (exp(x) - 1) below zero. The operator's alpha is 1; the part below zero of its output scales.
Result<ValueId> elu(const Use& use, ValueId x, double alpha, double scale) {
  THIMBLE_LET(const ValueId y, unary(use, "elu", x));
  if (alpha == 1 && scale == 1) return y;
  const ValueId zero = use.scalar("zero", 0);
  THIMBLE_LET(const ValueId below, use.emit("minimum", "below", {y, zero}));
  THIMBLE_LET(const ValueId scaled_below, with_scalar(use, "mul", below, alpha * scale));
  THIMBLE_LET(ValueId above, unary(use, "relu", x));
  if (scale != 1) {
    THIMBLE_LET(above, with_scalar(use, "mul", above, scale));
  }
  return use.emit("add", "elu", {above, scaled_below});
}

// clip(slope * x + offset, 0, 1).
Result<ValueId> clipped_line(const Use& use, ValueId x, double slope, double offset) {
  THIMBLE_LET(ValueId y, with_scalar(use, "mul", x, slope));
  THIMBLE_LET(y, with_scalar(use, "add", y, offset));
  THIMBLE_LET(y, unary(use, "relu", y));
  return with_scalar(use, "minimum", y, 1);
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
Result<ValueId> softplus(const Use& use, ValueId x) {
  THIMBLE_LET(ValueId y, unary(use, "abs", x));
  THIMBLE_LET(y, unary(use, "neg", y));
  THIMBLE_LET(y, unary(use, "exp", y));
  THIMBLE_LET(y, with_scalar(use, "add", y, 1));
  THIMBLE_LET(y, unary(use, "log", y));
  THIMBLE_LET(const ValueId above, unary(use, "relu", x));
  return use.emit("add", "softplus", {y, above});
}

Result<ValueId> softsign(const Use& use, ValueId x) {
  THIMBLE_LET(ValueId y, unary(use, "abs", x));
  THIMBLE_LET(y, with_scalar(use, "add", y, 1));
  return use.emit("div", "softsign", {x, y});
}

// keras.activations.relu and keras.layers.ReLU with all their settings.
Result<ValueId> general_relu(const Use& use, ValueId x, double slope, double max_value, double threshold) {
  ValueId y = x;
  if (threshold == 0) {
    if (slope == 0 && max_value == 6) return unary(use, "relu6", x);
    THIMBLE_LET(y, slope == 0 ? unary(use, "relu", x) : leaky_relu(use, x, slope));
  } else {
    const ValueId limit = use.scalar("threshold", static_cast<float>(threshold));
    THIMBLE_LET(const ValueId above, use.emit("greater", "above", {x, limit}));
    ValueId below = kNoValue;
    if (slope == 0) {
      below = use.scalar("below", 0);
    } else {
      THIMBLE_LET(below, use.emit("sub", "below", {x, limit}));
      THIMBLE_LET(below, with_scalar(use, "mul", below, slope));
    }
    THIMBLE_LET(y, use.emit("select_v2", "threshold", {above, x, below}));
  }
  return max_value < std::numeric_limits<double>::infinity() ? with_scalar(use, "minimum", y, max_value) : y;
}

Result<ValueId> named(const Use& use, ValueId x, const std::string& name) {
  if (name == "linear") return x;
  if (name == "relu" || name == "relu6" || name == "tanh") return unary(use, name, x);
  if (name == "sigmoid") return sigmoid(use, x);
  if (name == "elu") return elu(use, x, 1, 1);
  if (name == "selu") return elu(use, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946);
  if (name == "gelu") return unary(use, "gelu", x, Attrs().set("approximate", int64_t{0}));
  if (name == "leaky_relu") return leaky_relu(use, x, 0.2);
  if (name == "exponential") return unary(use, "exp", x);
  if (name == "softplus") return softplus(use, x);
  if (name == "softsign") return softsign(use, x);
  if (name == "log_softmax") return unary(use, "log_softmax", x);
  if (name == "hard_swish" || name == "hard_silu") return unary(use, "hard_swish", x);
  if (name == "hard_sigmoid")
    return use.to.keras3() ? clipped_line(use, x, 1.0 / 6, 0.5) : clipped_line(use, x, 0.2, 0.5);
  if (name == "swish" || name == "silu") {
    THIMBLE_LET(const ValueId gate, sigmoid(use, x));
    return use.emit("mul", "swish", {x, gate});
  }
  if (name == "mish") {
    THIMBLE_LET(ValueId gate, softplus(use, x));
    THIMBLE_LET(gate, unary(use, "tanh", gate));
    return use.emit("mul", "mish", {x, gate});
  }
  if (name == "softmax") {
    if (use.to.shape_of(x).size() < 2)
      return use.damaged(
          fmt::format("softmax of {}, expected an axis beside the batch", to_string(use.to.shape_of(x))));
    return unary(use, "softmax", x, Attrs().set("beta", 1.0));
  }
  return use.refuse(fmt::format("activation {} is not supported", clean(name)),
                    "use relu, relu6, leaky_relu, elu, selu, gelu, silu, sigmoid, tanh, softmax, softplus, softsign, "
                    "exponential, hard_sigmoid or hard_silu");
}

// ---- layers

// Activations look at single elements, so the value's own shape serves.
Result<Flows> output(const Flow& input, ValueId value) { return Flows{{value, input.shape, input.masked}}; }

Result<Flows> activation(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  Flow input = use.inputs[0];
  const auto name = use.config().find("activation");
  if (name != use.config().end() && (*name == "softmax" || *name == "log_softmax")) {
    THIMBLE_LET(input.value, use.plain(input));
  }
  THIMBLE_LET(const ValueId value, use.activate(input.value));
  return output(input, value);
}

Result<Flows> relu_layer(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_LET(const double slope, use.real("negative_slope", 0));
  THIMBLE_LET(const double max_value, use.real("max_value", std::numeric_limits<double>::infinity()));
  THIMBLE_LET(const double threshold, use.real("threshold", 0));
  THIMBLE_LET(const ValueId value, general_relu(use, use.inputs[0].value, slope, max_value, threshold));
  return output(use.inputs[0], value);
}

Result<Flows> leaky_relu_layer(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_LET(const double old_slope, use.real("alpha", 0.3));
  THIMBLE_LET(const double slope, use.real("negative_slope", old_slope));
  THIMBLE_LET(const ValueId value, leaky_relu(use, use.inputs[0].value, slope));
  return output(use.inputs[0], value);
}

Result<Flows> elu_layer(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_LET(const double alpha, use.real("alpha", 1));
  THIMBLE_LET(const ValueId value, elu(use, use.inputs[0].value, alpha, 1));
  return output(use.inputs[0], value);
}

Result<Flows> prelu_layer(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_LET(const ValueId x, use.plain(use.inputs[0]));
  if (use.weights.size() != 1 || use.weights[0].shape.size() + 1 != use.inputs[0].shape.size())
    return use.damaged("its slopes do not match its input");
  THIMBLE_LET(const ValueId y, use.emit("prelu", "", {x, use.constant("alpha", use.weights[0])}));
  return output(use.inputs[0], y);
}

Result<Flows> softmax_layer(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  const Flow& input = use.inputs[0];
  THIMBLE_TRY(use.expect_rank(2, 6));
  if (input.masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  const auto rank = input.shape.size();
  THIMBLE_LET(const int64_t axis, axis_of(use, use.config().value("axis", Json(-1)), rank));
  THIMBLE_LET(ValueId x, use.plain(input));
  const bool last = axis == static_cast<int64_t>(rank) - 1;
  std::vector<int64_t> order;
  for (size_t i = 0; i < rank; ++i) order.push_back(static_cast<int64_t>(i));
  std::swap(order[static_cast<size_t>(axis)], order.back());
  if (!last) {
    THIMBLE_LET(x, use.emit("transpose", "to_last", {x}, Attrs().set("perm", order)));
  }
  THIMBLE_LET(ValueId y, use.emit("softmax", last ? "" : "softmax", {x}, Attrs().set("beta", 1.0)));
  if (!last) {
    THIMBLE_LET(y, use.emit("transpose", "", {y}, Attrs().set("perm", order)));
  }
  return output(input, y);
}

}  // namespace

Result<ValueId> Use::activate(ValueId value, const Json& activation) const {
  if (activation.is_null()) return value;
  if (activation.is_string()) return named(*this, value, activation.get<std::string>());
  // A function ("class_name": "function", "config": its name), or a layer with settings.
  if (!activation.is_object() || !activation.contains("config")) return damaged("its activation is damaged");
  const Json& settings = activation["config"];
  if (settings.is_string()) return named(*this, value, settings.get<std::string>());
  THIMBLE_LET(Layer inner, parse_layer(activation));
  const auto table = activation_layers();
  const auto handler = std::ranges::find(table, inner.class_name, &NamedHandler::class_name);
  if (handler == table.end() || inner.class_name == "PReLU")
    return refuse(fmt::format("activation {} is not supported", inner.class_name), "give the activation by its name");
  const Use inside{to, inner, name, {{value, to.shape_of(value)}}, nullptr, {}};
  THIMBLE_LET(const Flows flows, handler->handler(inside));
  return flows.at(0).value;
}

std::span<const NamedHandler> activation_layers() {
  static constexpr NamedHandler kTable[] = {
      {"Activation", activation}, {"ReLU", relu_layer},   {"LeakyReLU", leaky_relu_layer},
      {"ELU", elu_layer},         {"PReLU", prelu_layer}, {"Softmax", softmax_layer},
  };
  return kTable;
}

}  // namespace thimble::keras
