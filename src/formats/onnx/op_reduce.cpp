// Operators that take several elements together: reductions, normalisations, softmax, orderings.
#include <algorithm>
#include <numeric>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

// Reduces ONNX axes, which stay with extent 1.
Result<Item> emit_reduce(Call& call, std::string_view op, const Item& x, const std::vector<size_t>& axes) {
  THIMBLE_LET(const OpSpec* spec, call.in.need(op));
  const auto int8 = int8_scale(call, *spec, {&x});
  Item operand = x;
  if (!int8) {
    THIMBLE_LET(operand, call.in.as_declared(x));
  }
  const Order order = call.in.order_of(operand);
  THIMBLE_LET(const ValueId id, call.in.in_order(operand, order));
  std::vector<int64_t> places;
  for (size_t axis : axes) places.push_back(place_of(axis, order));
  std::ranges::sort(places);
  Attrs attrs;
  attrs.set("axes", places).set("keep_dims", int64_t{1});
  THIMBLE_LET(const Items out, call.in.emit(op, {id}, attrs, order, int8.value_or(Quantization{})));
  return out[0];
}

Result<Item> without_axes(Importer& in, const Item& x, const std::vector<size_t>& axes) {
  Shape shape;
  for (size_t i = 0; i < x.rank(); ++i)
    if (std::ranges::find(axes, i) == axes.end()) shape.push_back(x.shape[i]);
  return in.reshaped(x, shape);
}

Result<Items> reduce(Call& call) {
  static const std::map<std::string, std::string, std::less<>> kOps = {
      {"ReduceMean", "mean"},      {"ReduceSum", "sum"},          {"ReduceMax", "reduce_max"},
      {"ReduceMin", "reduce_min"}, {"ReduceProd", "reduce_prod"}, {"ReduceL1", "sum"},
      {"ReduceL2", "sum"},         {"ReduceSumSquare", "sum"},    {"ReduceLogSum", "sum"}};
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(auto named, call.integers_from(1, "axes"));
  if (named.empty()) {
    if (call.integer("noop_with_empty_axes")) return Items{*given};
    named.resize(given->rank());
    std::iota(named.begin(), named.end(), int64_t{0});
  }
  THIMBLE_LET(const auto axes, axes_in(named, given->rank()));
  Item x = *given;
  const std::string& op = call.op();
  if (op == "ReduceL1") {
    THIMBLE_LET(x, emit_unary(call, "abs", x));
  }
  if (op == "ReduceL2" || op == "ReduceSumSquare") {
    THIMBLE_LET(x, emit_binary(call, "mul", x, x));
  }
  THIMBLE_LET(Item y, emit_reduce(call, kOps.find(op)->second, x, axes));
  if (op == "ReduceL2") {
    THIMBLE_LET(y, emit_unary(call, "sqrt", y));
  }
  if (op == "ReduceLogSum") {
    THIMBLE_LET(y, emit_unary(call, "log", y));
  }
  if (call.integer("keepdims", 1)) return Items{y};
  return only(without_axes(call.in, y, axes));
}

// log(sum(exp(x))), with the largest x taken out so that nothing overflows.
Result<Items> log_sum_exp(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(auto named, call.integers_from(1, "axes"));
  if (named.empty()) {
    named.resize(given->rank());
    std::iota(named.begin(), named.end(), int64_t{0});
  }
  THIMBLE_LET(const auto axes, axes_in(named, given->rank()));
  THIMBLE_LET(const Item x, call.in.as_float(*given));
  THIMBLE_LET(const Item largest, emit_reduce(call, "reduce_max", x, axes));
  THIMBLE_LET(Item y, emit_binary(call, "sub", x, largest));
  THIMBLE_LET(y, emit_unary(call, "exp", y));
  THIMBLE_LET(y, emit_reduce(call, "sum", y, axes));
  THIMBLE_LET(y, emit_unary(call, "log", y));
  THIMBLE_LET(y, emit_binary(call, "add", y, largest));
  if (call.integer("keepdims", 1)) return Items{y};
  return only(without_axes(call.in, y, axes));
}

Result<Items> global_pool(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  if (x->rank() < 3) return damaged(fmt::format("[N, C, ...] expected, found {}", to_string(x->shape)));
  std::vector<size_t> axes(x->rank() - 2);
  std::iota(axes.begin(), axes.end(), size_t{2});
  return only(emit_reduce(call, call.op() == "GlobalMaxPool" ? "reduce_max" : "mean", *x, axes));
}

// x with one ONNX axis last in memory.
Result<Item> with_last(Importer& in, const Item& x, size_t axis) {
  Order order = in.order_of(x);
  if (!order.empty() && order.back() == static_cast<int>(axis)) return x;
  std::erase(order, static_cast<int>(axis));
  order.push_back(static_cast<int>(axis));
  THIMBLE_LET(const ValueId id, in.in_order(x, order));
  Item result = x;
  result.id = id;
  result.constant = nullptr;
  result.order = order;
  result.before = x.shape;
  return result;
}

Result<Items> softmax(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  const std::string op = call.op() == "Softmax" ? "softmax" : "log_softmax";
  // com.microsoft's quantised softmax names the opset whose rule it follows.
  const bool flat = call.integer("opset", call.in.opset) < 13;
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis", flat ? 1 : -1), given->rank()));
  Item x = *given;
  const bool coerce = flat && axis + 1 != given->rank();
  if (coerce) {
    Shape shape{1, 1};
    for (size_t i = 0; i < x.rank(); ++i) shape[i < axis ? 0 : 1] *= x.shape[i];
    THIMBLE_LET(x, call.in.reshaped(x, shape));
  }
  THIMBLE_LET(x, with_last(call.in, x, coerce ? 1 : axis));
  THIMBLE_LET(const Item y, emit_unary(call, op, x));
  if (!coerce) return Items{y};
  return only(call.in.reshaped(y, given->shape));
}

// (x - mean) / sqrt(variance + epsilon) over axes.
Result<Item> normalised(Call& call, const Item& x, const std::vector<size_t>& axes) {
  THIMBLE_LET(const Item mean, emit_reduce(call, "mean", x, axes));
  THIMBLE_LET(const Item centred, emit_binary(call, "sub", x, mean));
  THIMBLE_LET(const Item square, emit_binary(call, "mul", centred, centred));
  THIMBLE_LET(Item variance, emit_reduce(call, "mean", square, axes));
  THIMBLE_LET(const Item epsilon, scalar_like(call.in, variance, call.real("epsilon", 1e-5f)));
  THIMBLE_LET(variance, emit_binary(call, "add", variance, epsilon));
  THIMBLE_LET(const Item inverse, emit_unary(call, "rsqrt", variance));
  return emit_binary(call, "mul", centred, inverse);
}

Result<Items> layer_normalization(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const size_t first, axis_in(call.integer("axis", -1), x->rank()));
  if (call.wants_output(1) || call.wants_output(2))
    return refuse("mean and deviation as outputs", "use the first output only");
  std::vector<size_t> axes(x->rank() - first);
  std::iota(axes.begin(), axes.end(), first);
  THIMBLE_LET(const Item real, call.in.as_float(*x));
  THIMBLE_LET(Item y, normalised(call, real, axes));
  for (size_t i = 1; i <= 2; ++i) {
    if (!call.has_input(i)) continue;
    THIMBLE_LET(y, emit_binary(call, i == 1 ? "mul" : "add", y, *call.inputs[i]));
  }
  return Items{y};
}

// The mean over groups of channels and all places, [N, C, 1, 1 ...]: first over places, so that nothing is transposed.
Result<Item> group_mean(Call& call, const Item& x, int64_t groups) {
  std::vector<size_t> places(x.rank() - 2);
  std::iota(places.begin(), places.end(), size_t{2});
  THIMBLE_LET(const Item channels, emit_reduce(call, "mean", x, places));
  const int64_t each = x.shape[1] / groups;
  THIMBLE_LET(const Item grouped, call.in.reshaped(channels, {x.shape[0], groups, each}));
  THIMBLE_LET(Item mean, emit_reduce(call, "mean", grouped, {2}));
  if (each > 1) {
    Attrs attrs;
    attrs.set("shape", Shape{x.shape[0], groups, each});
    THIMBLE_LET(const Items out, emit_move(call, "broadcast_to", mean, same_order(3), attrs));
    mean = out[0];
  }
  Shape shape(x.rank(), 1);
  std::copy_n(x.shape.begin(), 2, shape.begin());
  return call.in.reshaped(mean, shape);
}

Result<Item> group_normalised(Call& call, const Item& given, int64_t groups) {
  THIMBLE_LET(const Item x, call.in.as_float(given));
  THIMBLE_LET(const Item mean, group_mean(call, x, groups));
  THIMBLE_LET(const Item centred, emit_binary(call, "sub", x, mean));
  THIMBLE_LET(const Item square, emit_binary(call, "mul", centred, centred));
  THIMBLE_LET(Item variance, group_mean(call, square, groups));
  THIMBLE_LET(const Item epsilon, scalar_like(call.in, variance, call.real("epsilon", 1e-5f)));
  THIMBLE_LET(variance, emit_binary(call, "add", variance, epsilon));
  THIMBLE_LET(const Item inverse, emit_unary(call, "rsqrt", variance));
  return emit_binary(call, "mul", centred, inverse);
}

// Scales and biases are per channel from opset 21 on, before that per group.
Result<Items> group_normalization(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  const int64_t groups = call.integer("num_groups");
  if (x->rank() < 3 || groups < 1 || x->shape[1] % groups != 0)
    return damaged(fmt::format("{} groups in {}", groups, to_string(x->shape)));
  THIMBLE_LET(Item y, group_normalised(call, *x, groups));
  for (size_t i = 1; i <= 2; ++i) {
    THIMBLE_LET(std::vector<float> values, call.constant_floats(i));
    const auto channels = static_cast<size_t>(x->shape[1]);
    if (values.size() == static_cast<size_t>(groups) && values.size() != channels) {
      std::vector<float> wide;
      for (size_t c = 0; c < channels; ++c) wide.push_back(values[c / (channels / values.size())]);
      values = std::move(wide);
    }
    if (values.size() != channels) return damaged(fmt::format("{} numbers for {} channels", values.size(), channels));
    Shape shape(x->rank() - 1, 1);
    shape[0] = x->shape[1];
    THIMBLE_LET(const Item factor, call.in.constant_item(Tensor::from(shape, values)));
    THIMBLE_LET(y, emit_binary(call, i == 1 ? "mul" : "add", y, factor));
  }
  return Items{y};
}

// Exporters write a group normalisation as an instance normalisation of [N, groups, rest] with nothing to scale. What
// it was before the reshape, [N, C, H, W]; none: it is something else.
std::optional<Item> grouped_before(Call& call, const Item& x) {
  if (x.constant || !x.pending() || x.rank() != 3 || x.before.size() != 4 || x.before[0] != x.shape[0] ||
      x.before[1] % x.shape[1] != 0 || !call.has_input(1) || !call.has_input(2))
    return std::nullopt;
  for (size_t i = 1; i <= 2; ++i) {
    const auto values = call.constant_floats(i);
    if (!values || std::ranges::any_of(*values, [&](float value) { return value != (i == 1 ? 1.0f : 0.0f); }))
      return std::nullopt;
  }
  Item before = x;
  before.shape = x.before;
  return before;
}

Result<Items> instance_normalization(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  if (const auto before = grouped_before(call, *x)) {
    THIMBLE_LET(const Item y, group_normalised(call, *before, x->shape[1]));
    return only(call.in.reshaped(y, x->shape));
  }
  if (x->rank() < 3) return damaged(fmt::format("[N, C, ...] expected, found {}", to_string(x->shape)));
  std::vector<size_t> axes(x->rank() - 2);
  std::iota(axes.begin(), axes.end(), size_t{2});
  THIMBLE_LET(const Item real, call.in.as_float(*x));
  THIMBLE_LET(Item y, normalised(call, real, axes));
  for (size_t i = 1; i <= 2; ++i) {
    THIMBLE_LET(const Item* given, call.input(i));
    Shape shape(x->rank() - 1, 1);
    shape[0] = x->shape[1];
    THIMBLE_LET(const Item factor, call.in.reshaped(*given, shape));
    THIMBLE_LET(y, emit_binary(call, i == 1 ? "mul" : "add", y, factor));
  }
  return Items{y};
}

// x / (bias + alpha / size * the sum of squares of the channels around)^beta; the sums are a matrix over the channels.
Result<Items> local_response(Call& call) {
  constexpr int64_t kMostChannels = 1024;
  THIMBLE_LET(const Item* given, call.input(0));
  const int64_t size = call.integer("size");
  if (given->rank() < 2 || size < 1) return damaged(fmt::format("size {} over {}", size, to_string(given->shape)));
  const int64_t channels = given->shape[1];
  if (channels > kMostChannels)
    return refuse(fmt::format("LRN over {} channels; at most {}", channels, kMostChannels), "normalise otherwise");
  THIMBLE_TRY(call.in.spend(channels * channels * 4));
  const float share = call.real("alpha", 1e-4f) / static_cast<float>(size);
  std::vector<float> matrix;
  for (int64_t to = 0; to < channels; ++to)
    for (int64_t from = 0; from < channels; ++from)
      matrix.push_back(from >= to - (size - 1) / 2 && from - to <= size / 2 ? share : 0.0f);
  THIMBLE_LET(const Item x, call.in.as_float(*given));
  THIMBLE_LET(const Item squares, emit_binary(call, "mul", x, x));
  THIMBLE_LET(Item y, emit_along_axis(call, squares, 1, Tensor::from({channels, channels}, matrix)));
  THIMBLE_LET(const Item bias, scalar_like(call.in, y, call.real("bias", 1)));
  THIMBLE_LET(const Item power, scalar_like(call.in, y, -call.real("beta", 0.75f)));
  THIMBLE_LET(y, emit_binary(call, "add", y, bias));
  THIMBLE_LET(y, emit_binary(call, "pow", y, power));
  return only(emit_binary(call, "mul", x, y));
}

Result<Items> arg_extreme(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis"), given->rank()));
  if (call.integer("select_last_index")) return refuse("the last of equal elements", "use select_last_index = 0");
  Item x = *given;  // int8 compares as the real numbers do
  if (!call.in.carries_scale(x)) {
    THIMBLE_LET(x, call.in.as_declared(x));
  }
  THIMBLE_LET(const ValueId id, call.in.plain(x));
  Attrs attrs;
  attrs.set("axis", static_cast<int64_t>(axis)).set("output_type", int64_t{1});
  THIMBLE_LET(const Items out, call.in.emit(call.op() == "ArgMax" ? "arg_max" : "arg_min", {id}, attrs, {}));
  if (!call.integer("keepdims", 1)) return Items{out[0]};
  Shape shape = given->shape;
  shape[axis] = 1;
  return only(call.in.reshaped(out[0], shape));
}

Result<Items> top_k(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  int64_t count = call.integer("k");
  if (call.has_input(1)) {
    THIMBLE_LET(const auto k, call.constant_integers(1));
    if (k.size() != 1) return damaged("k must be one number");
    count = k[0];
  }
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis", -1), given->rank()));
  if (!call.integer("largest", 1)) return refuse("the smallest elements", "negate the input and take the largest");
  THIMBLE_LET(const Item real, call.in.as_float(*given));
  THIMBLE_LET(const Item x, with_last(call.in, real, axis));
  THIMBLE_LET(const ValueId id, call.in.in_order(x, call.in.order_of(x)));
  Attrs attrs;
  attrs.set("k", count);
  THIMBLE_LET(Items out, call.in.emit("topk_v2", {id}, attrs, call.in.order_of(x)));
  if (!call.wants_output(1)) return Items{out[0]};
  Attrs wide;
  wide.set("dtype", std::string(name_of(DType::i64)));
  THIMBLE_LET(const Items indices, call.in.emit("cast", {out[1].id}, wide, out[1].order));
  return Items{out[0], indices[0]};
}

Result<Items> cum_sum(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const auto named, call.constant_integers(1));
  if (named.size() != 1) return damaged("one axis expected");
  THIMBLE_LET(const size_t axis, axis_in(named[0], given->rank()));
  THIMBLE_LET(const Item x, call.in.as_declared(*given));
  const Order order = call.in.order_of(x);
  THIMBLE_LET(const ValueId id, call.in.in_order(x, order));
  Attrs attrs;
  attrs.set("axis", place_of(axis, order))
      .set("exclusive", call.integer("exclusive"))
      .set("reverse", call.integer("reverse"));
  return call.in.emit("cumsum", {id}, attrs, order);
}

}  // namespace

void add_reduce(HandlerTable& table) {
  for (const char* name : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                           "ReduceSumSquare", "ReduceLogSum"})
    table[name] = reduce;
  table.insert({{"GlobalAveragePool", global_pool},
                {"GlobalMaxPool", global_pool},
                {"Softmax", softmax},
                {"LogSoftmax", softmax},
                {"LayerNormalization", layer_normalization},
                {"InstanceNormalization", instance_normalization},
                {"GroupNormalization", group_normalization},
                {"LRN", local_response},
                {"ReduceLogSumExp", log_sum_exp},
                {"ArgMax", arg_extreme},
                {"ArgMin", arg_extreme},
                {"TopK", top_k},
                {"CumSum", cum_sum}});
}

}  // namespace thimble::onnx_import
