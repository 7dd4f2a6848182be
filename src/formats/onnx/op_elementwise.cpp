// Operators that work element by element: they keep the order in which their input lies.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kMostChannels = int64_t{1} << 20;  // of a layer that takes up what follows it

const std::map<std::string, std::string, std::less<>> kUnary = {
    {"Relu", "relu"},   {"Sigmoid", "logistic"}, {"Tanh", "tanh"},       {"Exp", "exp"},
    {"Log", "log"},     {"Sqrt", "sqrt"},        {"Neg", "neg"},         {"Abs", "abs"},
    {"Sin", "sin"},     {"Cos", "cos"},          {"Floor", "floor"},     {"Ceil", "ceil"},
    {"Round", "round"}, {"Sign", "sign"},        {"Not", "logical_not"}, {"HardSwish", "hard_swish"}};

const std::map<std::string, std::string, std::less<>> kBinary = {{"Add", "add"},
                                                                 {"Sub", "sub"},
                                                                 {"Mul", "mul"},
                                                                 {"Div", "div"},
                                                                 {"Pow", "pow"},
                                                                 {"Max", "maximum"},
                                                                 {"Min", "minimum"},
                                                                 {"Sum", "add"},
                                                                 {"Equal", "equal"},
                                                                 {"Greater", "greater"},
                                                                 {"Less", "less"},
                                                                 {"GreaterOrEqual", "greater_equal"},
                                                                 {"LessOrEqual", "less_equal"},
                                                                 {"And", "logical_and"},
                                                                 {"Or", "logical_or"}};

Result<Item> padded(Importer& in, const Item& item, size_t rank) {
  if (item.rank() >= rank) return item;
  Shape shape(rank - item.rank(), 1);
  shape.insert(shape.end(), item.shape.begin(), item.shape.end());
  return in.reshaped(item, shape);
}

// Several items in one order, for an operator that broadcasts.
struct Aligned {
  std::vector<ValueId> ids;
  Order order;
};
Result<Aligned> align(Importer& in, std::vector<Item> items) {
  Shape shape;
  for (const Item& item : items) {
    const auto joined = broadcast_shape(shape, item.shape);
    if (!joined)
      return damaged(fmt::format("shapes {} and {} do not go together", to_string(shape), to_string(item.shape)));
    shape = *joined;
  }
  for (Item& item : items) {
    THIMBLE_LET(item, padded(in, item, shape.size()));
  }
  Aligned result{.order = common_order(in, items)};
  for (const Item& item : items) {
    THIMBLE_LET(const ValueId id, in.in_order(item, result.order));
    result.ids.push_back(id);
  }
  return result;
}

// Before opset 7 the second input had to be told where its axes belong.
Result<Item> legacy_operand(Call& call, const Item& a, const Item& b) {
  if (call.in.opset >= 7 || !call.has("axis") || b.rank() >= a.rank()) return b;
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis"), a.rank()));
  if (axis + b.rank() > a.rank())
    return damaged(fmt::format("axis {} leaves no room for {}", axis, to_string(b.shape)));
  Shape shape = b.shape;
  shape.resize(a.rank() - axis, 1);
  return call.in.reshaped(b, shape);
}

// A constant operand as one number per channel of what lies last in memory; empty: it is something else.
std::vector<float> per_channel(Importer& in, const Item& x, const Item& constant) {
  if (x.constant || !constant.constant || constant.constant->dtype != DType::f32 || x.pending() || x.rank() == 0 ||
      constant.rank() > x.rank() || x.type != DType::f32 || in.stored_int8(x))
    return {};
  const auto axis = static_cast<size_t>(in.order_of(x).back());
  Shape shape(x.rank() - constant.rank(), 1);
  shape.insert(shape.end(), constant.shape.begin(), constant.shape.end());
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1 && (i != axis || shape[i] != x.shape[i])) return {};
  std::vector<float> values = floats_of(*constant.constant);
  if (x.shape[axis] > kMostChannels) return {};
  if (values.size() == 1) values.resize(static_cast<size_t>(x.shape[axis]), values[0]);
  return values;
}

// Add, Sub, Mul or Div with a constant, into the layer before it.
bool absorb(Call& call, const Item& x, const Item& constant, bool constant_first) {
  std::vector<float> scale = per_channel(call.in, x, constant);
  if (scale.empty()) return false;
  std::vector<float> offset = scale;
  const std::string& op = call.op();
  if (op == "Add" || op == "Sum") {
    std::ranges::fill(scale, 1.0f);
  } else if (op == "Sub") {
    for (float& value : offset) value = constant_first ? value : -value;
    std::ranges::fill(scale, constant_first ? -1.0f : 1.0f);
  } else if (op == "Mul" || (op == "Div" && !constant_first)) {
    for (float& value : scale) value = op == "Div" ? 1 / value : value;
    std::ranges::fill(offset, 0.0f);
  } else {
    return false;
  }
  return fold_affine(call.in, x, scale, offset);
}

Result<Items> binary(Call& call) {
  const std::string& op = kBinary.find(call.op())->second;
  THIMBLE_LET(const Item* first, call.input(0));
  Item result = *first;
  for (size_t i = 1; i < call.inputs.size(); ++i) {
    THIMBLE_LET(const Item* next, call.input(i));
    THIMBLE_LET(const Item second, legacy_operand(call, result, *next));
    if (absorb(call, result, second, false)) continue;
    if (absorb(call, second, result, true)) {
      result = second;
      continue;
    }
    const bool last = i + 1 == call.inputs.size();
    THIMBLE_LET(const OpSpec* spec, call.in.need(op));
    const auto int8 = last ? int8_scale(call, *spec, {&result, &second}) : std::nullopt;
    THIMBLE_LET(result, emit_binary(call, op, result, second, int8.value_or(Quantization{})));
  }
  return Items{result};
}

Result<Items> average(Call& call) {
  THIMBLE_LET(const Item* first, call.input(0));
  Item sum = *first;
  for (size_t i = 1; i < call.inputs.size(); ++i) {
    THIMBLE_LET(const Item* next, call.input(i));
    THIMBLE_LET(sum, emit_binary(call, "add", sum, *next));
  }
  THIMBLE_LET(const Item share, scalar_like(call.in, sum, 1 / static_cast<float>(call.inputs.size())));
  return only(emit_binary(call, "mul", sum, share));
}

Result<Items> unary(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  return only(emit_unary(call, kUnary.find(call.op())->second, *x));
}

Result<Items> power(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item* exponent, call.input(1));
  if (exponent->constant && exponent->constant->size() == 1 && x->type == DType::f32) {
    const float value = floats_of(*exponent->constant)[0];
    if (value == 1) return Items{*x};
    if (value == 2) return only(emit_binary(call, "mul", *x, *x));
    if (value == 0.5f) return only(emit_unary(call, "sqrt", *x));
    THIMBLE_LET(const Item scalar, call.in.constant_item(Tensor::from(exponent->shape, std::vector<float>{value})));
    return only(emit_binary(call, "pow", *x, scalar));
  }
  return only(emit_binary(call, "pow", *x, *exponent));
}

Result<Items> reciprocal(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item one, scalar_like(call.in, *x, 1));
  return only(emit_binary(call, "div", one, *x));
}

// A bound of a clip as an operand for x, never NaN: in x's own int8 scale where x has one, which is exact because
// rounding is monotone.
Result<Item> bound_like(Importer& in, const Item& x, float bound) {
  if (!in.stored_int8(x)) return scalar_like(in, x, bound);
  const Quantization& q = in.quantization_of(x);
  if (std::isnan(bound) || !(q.scale[0] > 0)) return damaged(fmt::format("a bound {} in scale {}", bound, q.scale[0]));
  const double scaled = static_cast<double>(bound) / static_cast<double>(q.scale[0]) + q.zero_point[0];
  const auto value = static_cast<int8_t>(std::nearbyint(std::clamp(scaled, -128.0, 127.0)));
  THIMBLE_LET(Item item, in.constant_item(Tensor::from(Shape{}, std::vector<int8_t>{value}), q));
  item.type = DType::f32;
  return item;
}

Result<Item> clip_between(Call& call, const Item& x, float low, float high) {
  if (x.type == DType::f32) {
    if (low == 0 && high == 6) return emit_unary(call, "relu6", x);
    if (low == 0 && high == kInfinity) return emit_unary(call, "relu", x);
    if (low == -1 && high == 1) return emit_unary(call, "relu_n1_to_1", x);
  }
  Item result = x;
  const Quantization q = call.in.stored_int8(x) ? call.in.quantization_of(x) : Quantization{};
  if (low > std::numeric_limits<float>::lowest()) {
    THIMBLE_LET(const Item bound, bound_like(call.in, x, low));
    THIMBLE_LET(result, emit_binary(call, "maximum", result, bound, q));
  }
  if (high < std::numeric_limits<float>::max()) {
    THIMBLE_LET(const Item bound, bound_like(call.in, x, high));
    THIMBLE_LET(result, emit_binary(call, "minimum", result, bound, q));
  }
  return result;
}

Result<Item> clip_integers(Call& call, const Item& x) {
  if (call.has("min") || call.has("max")) return damaged("bounds in float32 for integers");
  Item result = x;
  for (size_t i = 1; i <= 2; ++i) {
    if (!call.has_input(i)) continue;
    THIMBLE_LET(const Item bound, scalar_input(call, i, x));
    THIMBLE_LET(result, emit_binary(call, i == 1 ? "maximum" : "minimum", result, bound));
  }
  return result;
}

Result<Items> clip(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  if (x->type != DType::f32) return only(clip_integers(call, *x));
  float bounds[2] = {call.real("min", -kInfinity), call.real("max", kInfinity)};
  for (size_t i = 1; i <= 2; ++i) {
    if (call.has_input(i)) {
      THIMBLE_LET(const std::vector<float> value, call.constant_floats(i));
      if (value.size() != 1) return damaged(fmt::format("bound {} must be one number", i));
      bounds[i - 1] = value[0];
    }
    if (std::isnan(bounds[i - 1])) return damaged(fmt::format("bound {} is not a number", i));
  }
  return only(clip_between(call, *x, bounds[0], bounds[1]));
}

Result<Items> hard_sigmoid(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item alpha, scalar_like(call.in, *x, call.real("alpha", 0.2f)));
  THIMBLE_LET(const Item beta, scalar_like(call.in, *x, call.real("beta", 0.5f)));
  THIMBLE_LET(Item y, emit_binary(call, "mul", *x, alpha));
  THIMBLE_LET(y, emit_binary(call, "add", y, beta));
  return only(clip_between(call, y, 0, 1));
}

Result<Items> leaky_relu(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  Attrs attrs;
  attrs.set("alpha", static_cast<double>(call.real("alpha", 0.01f)));
  return only(emit_unary(call, "leaky_relu", *x, attrs));
}

// max(x, 0) + scale * (exp(min(x, 0)) - 1)
Result<Item> scaled_elu(Call& call, const Item& x, float alpha, float gamma) {
  if (alpha == 1 && gamma == 1) return emit_unary(call, "elu", x);
  THIMBLE_LET(const Item zero, scalar_like(call.in, x, 0));
  THIMBLE_LET(const Item negative, emit_binary(call, "minimum", x, zero));
  THIMBLE_LET(const Item curve, emit_unary(call, "elu", negative));
  THIMBLE_LET(const Item scale, scalar_like(call.in, x, alpha * gamma));
  THIMBLE_LET(const Item below, emit_binary(call, "mul", curve, scale));
  THIMBLE_LET(Item above, emit_unary(call, "relu", x));
  if (gamma != 1) {
    THIMBLE_LET(const Item factor, scalar_like(call.in, x, gamma));
    THIMBLE_LET(above, emit_binary(call, "mul", above, factor));
  }
  return emit_binary(call, "add", above, below);
}

Result<Items> elu(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  const bool selu = call.op() == "Selu";
  return only(scaled_elu(call, *x, call.real("alpha", selu ? 1.67326319f : 1.0f),
                         selu ? call.real("gamma", 1.05070102f) : 1.0f));
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow.
Result<Item> soft_plus(Call& call, const Item& x) {
  THIMBLE_LET(const Item one, scalar_like(call.in, x, 1));
  THIMBLE_LET(Item y, emit_unary(call, "abs", x));
  THIMBLE_LET(y, emit_unary(call, "neg", y));
  THIMBLE_LET(y, emit_unary(call, "exp", y));
  THIMBLE_LET(y, emit_binary(call, "add", y, one));
  THIMBLE_LET(y, emit_unary(call, "log", y));
  THIMBLE_LET(const Item above, emit_unary(call, "relu", x));
  return emit_binary(call, "add", above, y);
}

Result<Items> softplus(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  return only(soft_plus(call, *x));
}

// x * tanh(softplus(x))
Result<Items> mish(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(Item y, soft_plus(call, *x));
  THIMBLE_LET(y, emit_unary(call, "tanh", y));
  return only(emit_binary(call, "mul", *x, y));
}

// max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)
Result<Items> celu(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  const float alpha = call.real("alpha", 1);
  THIMBLE_LET(const Item zero, scalar_like(call.in, *x, 0));
  THIMBLE_LET(const Item share, scalar_like(call.in, *x, 1 / alpha));
  THIMBLE_LET(const Item factor, scalar_like(call.in, *x, alpha));
  THIMBLE_LET(Item below, emit_binary(call, "minimum", *x, zero));
  THIMBLE_LET(below, emit_binary(call, "mul", below, share));
  THIMBLE_LET(below, emit_unary(call, "elu", below));
  THIMBLE_LET(below, emit_binary(call, "mul", below, factor));
  THIMBLE_LET(const Item above, emit_unary(call, "relu", *x));
  return only(emit_binary(call, "add", above, below));
}

// The remainder has the divisor's sign; with fmod the dividend's, which only real numbers may have.
Result<Items> modulo(Call& call) {
  THIMBLE_LET(const Item* a, call.input(0));
  THIMBLE_LET(const Item* b, call.input(1));
  if (!call.integer("fmod")) return only(emit_binary(call, "floor_mod", *a, *b));
  if (a->type != DType::f32) return refuse("Mod of integers with fmod", "use fmod = 0");
  THIMBLE_LET(const Item size, emit_unary(call, "abs", *a));
  THIMBLE_LET(const Item divisor, emit_unary(call, "abs", *b));
  THIMBLE_LET(const Item rest, emit_binary(call, "floor_mod", size, divisor));
  THIMBLE_LET(const Item sign, emit_unary(call, "sign", *a));
  return only(emit_binary(call, "mul", rest, sign));
}

// x where it is above a threshold, else 0.
Result<Items> thresholded_relu(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const Item x, call.in.as_float(*given));
  THIMBLE_LET(const Item threshold, scalar_like(call.in, x, call.real("alpha", 1)));
  THIMBLE_LET(const Item zero, scalar_like(call.in, x, 0));
  THIMBLE_LET(const Item above, emit_binary(call, "greater", x, threshold));
  THIMBLE_LET(const Aligned aligned, align(call.in, {above, x, zero}));
  return call.in.emit("select_v2", aligned.ids, {}, aligned.order);
}

Result<Items> softsign(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item one, scalar_like(call.in, *x, 1));
  THIMBLE_LET(Item y, emit_unary(call, "abs", *x));
  THIMBLE_LET(y, emit_binary(call, "add", y, one));
  return only(emit_binary(call, "div", *x, y));
}

// From x * (1 + erf(x / sqrt(2))) / 2, which the operator gelu is, at x = sqrt(2) * |z|; the sign follows.
Result<Items> erf(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const Item z, call.in.as_float(*given));
  const auto scalar = [&](float value) { return scalar_like(call.in, z, value); };
  THIMBLE_LET(const Item root, scalar(1.41421356f));
  THIMBLE_LET(const Item least, scalar(1e-20f));
  THIMBLE_LET(const Item most, scalar(10));  // where the result is 1
  THIMBLE_LET(const Item two, scalar(2));
  THIMBLE_LET(const Item one, scalar(1));
  THIMBLE_LET(Item x, emit_unary(call, "abs", z));
  THIMBLE_LET(x, emit_binary(call, "mul", x, root));
  THIMBLE_LET(x, emit_binary(call, "maximum", x, least));
  THIMBLE_LET(x, emit_binary(call, "minimum", x, most));
  Attrs attrs;
  attrs.set("approximate", int64_t{0});
  THIMBLE_LET(Item y, emit_unary(call, "gelu", x, attrs));
  THIMBLE_LET(y, emit_binary(call, "div", y, x));
  THIMBLE_LET(y, emit_binary(call, "mul", y, two));
  THIMBLE_LET(y, emit_binary(call, "sub", y, one));
  THIMBLE_LET(const Item sign, emit_unary(call, "sign", z));
  return only(emit_binary(call, "mul", y, sign));
}

Result<Items> gelu(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  Attrs attrs;
  attrs.set("approximate", int64_t{call.word("approximate", "none") == "tanh"});
  return only(emit_unary(call, "gelu", *x, attrs));
}

Result<Items> prelu(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item* slope, call.input(1));
  return only(emit_binary(call, "prelu", *x, *slope));
}

Result<Items> where(Call& call) {
  std::vector<Item> items;
  for (size_t i = 0; i < 3; ++i) {
    THIMBLE_LET(const Item* item, call.input(i));
    THIMBLE_LET(Item real, call.in.as_float(*item));
    items.push_back(std::move(real));
  }
  THIMBLE_LET(const Aligned aligned, align(call.in, items));
  return call.in.emit("select_v2", aligned.ids, {}, aligned.order);
}

// The triangle above or below a diagonal, zeros elsewhere.
Result<Items> trilu(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  std::vector<int64_t> diagonal{0};
  if (call.has_input(1)) {
    THIMBLE_LET(diagonal, call.constant_integers(1));
  }
  if (given->rank() < 2 || diagonal.size() != 1) return damaged(fmt::format("Trilu of {}", to_string(given->shape)));
  const int64_t rows = given->shape[given->rank() - 2], columns = given->shape.back();
  const int64_t k = std::clamp(diagonal[0], -rows, columns);
  THIMBLE_TRY(call.in.spend(rows * columns * 9));
  std::vector<int64_t> kept;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      kept.push_back(call.integer("upper", 1) ? column - row >= k : column - row <= k);
  THIMBLE_LET(const Item mask, call.in.constant_item(integer_tensor(DType::boolean, {rows, columns}, kept)));
  THIMBLE_LET(const Item x, call.in.as_declared(*given));
  THIMBLE_LET(const Item zero, scalar_like(call.in, x, 0));
  THIMBLE_LET(const Aligned aligned, align(call.in, {mask, x, zero}));
  return call.in.emit("select_v2", aligned.ids, {}, aligned.order);
}

Result<Items> identity(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  return Items{*x};
}

Result<Items> dropout(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  if (call.wants_output(1)) return refuse("the mask of a dropout", "export the model for inference");
  return Items{*x};
}

Result<Items> cast(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const DType to, dtype_of_onnx(static_cast<int>(call.integer("to"))));
  if (to == x->type) return Items{*x};
  THIMBLE_LET(const Item declared, call.in.as_declared(*x));
  const Order order = call.in.order_of(declared);
  THIMBLE_LET(const ValueId id, call.in.in_order(declared, order));
  Attrs attrs;
  attrs.set("dtype", std::string(name_of(to)));
  return call.in.emit("cast", {id}, attrs, order);
}

}  // namespace

std::optional<Quantization> int8_scale(Call& call, const OpSpec& spec, const std::vector<const Item*>& operands) {
  if (!spec.quantize || call.outputs() == 0) return std::nullopt;
  for (const Item* item : operands)
    if (!call.in.stored_int8(*item) || call.in.quantization_of(*item).scale.size() != 1) return std::nullopt;
  const Quantization& input = call.in.quantization_of(*operands[0]);
  const std::optional<Quantization> after = call.in.scale_after(call.node.output(0));
  switch (spec.quantize->output) {
    case OutputScale::same_as_input:
      return input;
    case OutputScale::calibrated:
      return after;
    case OutputScale::fixed: {
      const Quantization fixed{{spec.quantize->fixed_scale}, {spec.quantize->fixed_zero_point}};
      return after == fixed ? after : std::nullopt;
    }
    case OutputScale::shared:
      for (const Item* item : operands)
        if (call.in.quantization_of(*item) != input) return std::nullopt;
      return input;
  }
  return std::nullopt;
}

namespace {

Result<Item> integer_like(Importer& in, const Item& like, int64_t value) {
  Tensor tensor = integer_tensor(like.type, {}, {value});
  if (integers_of(tensor)[0] != value || (like.type == DType::boolean && (value < 0 || value > 1)))
    return damaged(fmt::format("the number {} beside {}", value, name_of(like.type)));
  return in.constant_item(std::move(tensor));
}

}  // namespace

Order common_order(Importer& in, std::span<const Item> items) {
  const Item* best = nullptr;
  for (const Item& item : items) {
    if (item.constant) continue;
    const int64_t more = best ? element_count(item.shape) - element_count(best->shape) : 1;
    const bool image = item.rank() == 4 && in.order_of(item) == channels_last(4);
    if (more > 0 || (more == 0 && image)) best = &item;
  }
  return best ? in.order_of(*best) : same_order(items.empty() ? 0 : items[0].rank());
}

bool is_broadcasting(std::string_view op) { return kBinary.contains(op); }

Result<Item> scalar_like(Importer& in, const Item& like, float value) {
  if (like.type == DType::f32) return in.constant_item(Tensor::from(Shape{}, std::vector<float>{value}));
  // What is no whole number has no integer, nor have NaN, infinities and what int64 cannot hold.
  if (!(std::abs(value) < 0x1p63f) || value != std::trunc(value))
    return damaged(fmt::format("the number {} beside {}", value, name_of(like.type)));
  return integer_like(in, like, static_cast<int64_t>(value));
}

Result<Item> scalar_input(Call& call, size_t i, const Item& like) {
  THIMBLE_LET(const Item* given, call.input(i));
  if (given->constant && like.type != DType::f32 && given->constant->dtype != like.type)
    return damaged(fmt::format("input {} is {}, expected {}", i, name_of(given->constant->dtype), name_of(like.type)));
  if (like.type == DType::f32) {
    THIMBLE_LET(const std::vector<float> values, call.constant_floats(i));
    if (values.size() != 1) return damaged(fmt::format("input {} must be one number", i));
    return scalar_like(call.in, like, values[0]);
  }
  THIMBLE_LET(const std::vector<int64_t> values, call.constant_integers(i));
  if (values.size() != 1) return damaged(fmt::format("input {} must be one number", i));
  return integer_like(call.in, like, values[0]);
}

Result<Item> emit_unary(Call& call, std::string_view op, const Item& x, const Attrs& attrs) {
  THIMBLE_LET(const OpSpec* spec, call.in.need(op));
  const std::optional<Quantization> int8 = int8_scale(call, *spec, {&x});
  Item operand = x;
  if (!int8) {
    THIMBLE_LET(operand, call.in.as_declared(x));
  }
  const Order order = call.in.order_of(operand);
  THIMBLE_LET(const ValueId id, call.in.in_order(operand, order));
  THIMBLE_LET(const Items out, call.in.emit(op, {id}, attrs, order, int8.value_or(Quantization{})));
  return out[0];
}

Result<Item> emit_binary(Call& call, std::string_view op, const Item& a, const Item& b, const Quantization& output) {
  Item left = a, right = b;
  if (output.empty()) {
    THIMBLE_LET(left, call.in.as_declared(a));
    THIMBLE_LET(right, call.in.as_declared(b));
  }
  if (left.type != right.type)
    return damaged(
        fmt::format("two operands of one type expected, found {} and {}", name_of(left.type), name_of(right.type)));
  THIMBLE_LET(const Aligned aligned, align(call.in, {left, right}));
  THIMBLE_LET(const Items out, call.in.emit(op, aligned.ids, {}, aligned.order, output));
  return out[0];
}

void add_elementwise(HandlerTable& table) {
  for (const auto& [name, op] : kUnary) table[name] = unary;
  for (const auto& [name, op] : kBinary) table[name] = binary;
  table.insert({{"Clip", clip},
                {"HardSigmoid", hard_sigmoid},
                {"LeakyRelu", leaky_relu},
                {"Elu", elu},
                {"Selu", elu},
                {"Softplus", softplus},
                {"Mish", mish},
                {"Celu", celu},
                {"ThresholdedRelu", thresholded_relu},
                {"Mod", modulo},
                {"Softsign", softsign},
                {"Gelu", gelu},
                {"Erf", erf},
                {"PRelu", prelu},
                {"Reciprocal", reciprocal},
                {"Mean", average},
                {"Where", where},
                {"Trilu", trilu},
                {"Identity", identity},
                {"Dropout", dropout},
                {"Cast", cast}});
  table["Pow"] = power;
}

}  // namespace thimble::onnx_import
