// Matrix products, and what all linear layers share: weights and biases in float or int8, and affine maps folded into
// them.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

// int8 as TensorFlow Lite computes it: symmetric weights, an input and an output with one scale each.
std::optional<Quantization> int8_output(Call& call, const Linear& linear) {
  const Quantization& w = linear.weights_quantization;
  if (!call.in.stored_int8(linear.x) || linear.weights.dtype != DType::i8 || w.empty()) return std::nullopt;
  if (std::ranges::any_of(w.zero_point, [](int32_t zero) { return zero != 0; })) return std::nullopt;
  if (w.per_channel() && w.axis != linear.weights_axis) return std::nullopt;
  if (linear.bias && !linear.bias->constant) return std::nullopt;
  return call.in.scale_after(call.node.output(0));
}

Result<std::vector<float>> bias_values(Call& call, const Linear& linear, int64_t channels) {
  if (!linear.bias->constant)
    return refuse("its bias is computed by another node", "export the model with constant weights and biases");
  THIMBLE_LET(const Item real, call.in.as_float(*linear.bias));
  std::vector<float> values = floats_of(*real.constant);
  for (float& value : values) value *= linear.bias_factor;
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  if (linear.bias->type == DType::i32) {  // of QLinearConv: in the scale of the sums
    if (!call.in.stored_int8(linear.x) || linear.weights_quantization.empty())
      return damaged("an int32 bias without scales");
    const Quantization& w = linear.weights_quantization;
    const float scale = call.in.quantization_of(linear.x).scale[0];
    for (size_t c = 0; c < values.size(); ++c) values[c] *= scale * w.scale[w.per_channel() ? c % w.scale.size() : 0];
  }
  if (static_cast<int64_t>(values.size()) != channels)
    return damaged(fmt::format("{} biases for {} output channels", values.size(), channels));
  return values;
}

// int32 biases in the scale of the sums, input scale times weight scale. Stored ones in just that scale stay as they
// are.
Result<ValueId> int8_bias(Call& call, const Linear& linear, int64_t channels) {
  const Quantization& w = linear.weights_quantization;
  const float input_scale = call.in.quantization_of(linear.x).scale[0];
  const auto count = static_cast<size_t>(channels);
  Quantization q;
  for (float scale : w.scale) q.scale.push_back(input_scale * scale);
  q.zero_point.resize(q.scale.size(), 0);
  for (float scale : q.scale)
    if (!std::isfinite(scale) || scale <= 0)
      return damaged(fmt::format("input and weights whose scales make {} together, expected a positive number", scale));
  const auto scale_at = [](const Quantization& of, size_t c) { return of.scale[of.per_channel() ? c : 0]; };
  const Item& bias = *linear.bias;
  bool exact = bias.constant->dtype == DType::i32 && (bias.type == DType::i32 || !bias.quantization.empty()) &&
               linear.bias_factor == 1 && bias.constant->size() == channels &&
               (!bias.quantization.per_channel() || bias.quantization.scale.size() == count);
  for (size_t c = 0; exact && c < count; ++c)
    exact = bias.type == DType::i32 || std::abs(scale_at(bias.quantization, c) / scale_at(q, c) - 1) < 1e-5f;
  std::vector<int64_t> sums(count);
  if (exact) {
    sums = integers_of(*bias.constant);
  } else {
    THIMBLE_LET(const std::vector<float> values, bias_values(call, linear, channels));
    for (float value : values)
      if (std::isnan(value)) return damaged("a bias that is not a number");
    for (size_t c = 0; c < count; ++c)
      sums[c] = static_cast<int64_t>(std::nearbyint(std::clamp(
          static_cast<double>(values[c]) / static_cast<double>(scale_at(q, c)), -2147483647.0, 2147483647.0)));
  }
  return call.in.builder.constant(call.in.layer + ".bias", integer_tensor(DType::i32, {channels}, sums), std::move(q));
}

}  // namespace

Result<Item> emit_linear(Call& call, Linear linear) {
  Importer& in = call.in;
  const int64_t channels = linear.weights.shape[static_cast<size_t>(linear.weights_axis)];
  const std::optional<Quantization> int8 = int8_output(call, linear);
  if (linear.weights.dtype != DType::f32 && linear.weights_quantization.empty())
    return refuse(fmt::format("weights of type {} without scales", name_of(linear.weights.dtype)),
                  "export the model with float32 weights, or with a DequantizeLinear after them");
  THIMBLE_TRY(in.spend(static_cast<int64_t>(linear.weights.bytes.size())));
  std::vector<ValueId> ids(2);
  if (int8) {
    THIMBLE_LET(ids[0], in.in_order(linear.x, linear.x_order));
    Quantization& w = linear.weights_quantization;
    const bool one_scale = w.scale.size() == 1;
    ids[1] = in.builder.constant(in.layer + ".weights", std::move(linear.weights),
                                 one_scale ? Quantization{w.scale, w.zero_point} : w);
    if (linear.bias) {
      THIMBLE_LET(const ValueId bias, int8_bias(call, linear, channels));
      ids.push_back(bias);
    }
  } else {
    THIMBLE_LET(const Item x, in.as_float(linear.x));
    THIMBLE_LET(ids[0], in.in_order(x, linear.x_order));
    Item weights{.type = DType::f32, .shape = linear.weights.shape};
    weights.quantization = linear.weights_quantization;
    weights.constant = std::make_shared<const Tensor>(std::move(linear.weights));
    THIMBLE_LET(const Item real, in.as_float(weights));
    ids[1] = in.builder.constant(in.layer + ".weights", *real.constant);
    if (linear.bias) {
      THIMBLE_LET(const std::vector<float> bias, bias_values(call, linear, channels));
      ids.push_back(in.builder.constant(in.layer + ".bias", Tensor::from({channels}, bias)));
    }
  }
  THIMBLE_LET(const Items out,
              in.emit(linear.op, ids, linear.attrs, linear.output_order, int8.value_or(Quantization{})));
  return out[0];
}

bool fold_affine(Importer& in, const Item& x, const std::vector<float>& scale, const std::vector<float>& offset) {
  if (x.constant || !x.exclusive) return false;
  Node* node = in.writer_of(x.id);
  if (!node || !node->op->quantize || node->op->quantize->weights < 0 || node->op->quantize->bias < 0) return false;
  if (node->attrs.word("activation", "none") != "none") return false;
  Graph& graph = in.builder.graph();
  const auto weights_input = static_cast<size_t>(node->op->quantize->weights);
  const auto bias_input = static_cast<size_t>(node->op->quantize->bias);
  const Value& weights = graph[node->inputs[weights_input]];
  if (!weights.constant || weights.type.dtype != DType::f32) return false;
  const auto axis = static_cast<size_t>(node->op->quantize->weights_axis);
  const auto channels = static_cast<int64_t>(scale.size());
  if (axis >= weights.type.shape.size() || weights.type.shape[axis] != channels) return false;
  if (node->inputs.size() > bias_input + 1) return false;
  std::vector<float> bias(scale.size(), 0.0f);
  const bool had_bias = node->inputs.size() > bias_input && node->inputs[bias_input] != kNoValue;
  if (had_bias) {
    const Value& old = graph[node->inputs[bias_input]];
    if (!old.constant || old.type.dtype != DType::f32 || old.constant->size() != channels) return false;
    bias = floats_of(*old.constant);
  }
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * scale[c] + offset[c];
  if (std::ranges::any_of(scale, [](float s) { return s != 1; })) {
    Tensor scaled = *weights.constant;
    int64_t stride = 1;
    for (size_t i = axis + 1; i < scaled.shape.size(); ++i) stride *= scaled.shape[i];
    std::span<float> values = scaled.as<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] *= scale[i / static_cast<size_t>(stride) % scale.size()];
    if (!in.spend(static_cast<int64_t>(scaled.bytes.size()))) return false;
    node->inputs[weights_input] = in.builder.constant(node->name + ".weights", std::move(scaled));
  }
  node->inputs.resize(bias_input + 1, kNoValue);
  node->inputs[bias_input] = in.builder.constant(node->name + ".bias", Tensor::from({channels}, bias));
  return true;
}

namespace {

// Weights [in, out] of a fully connected layer in the sequence in which the input's elements lie in memory: a flatten
// of [N, C, H, W] reads [N, H, W, C] without a transpose when the rows move instead. Empty: the input must be
// transposed.
std::optional<std::vector<int64_t>> rows_in_memory(const Item& x) {
  if (x.constant || !x.pending() || x.rank() == 0 || x.before.empty()) return std::nullopt;
  const int64_t count = x.shape.back();
  Order order = x.order;
  Shape shape = x.before;
  int64_t rows = element_count(x.shape) / std::max<int64_t>(count, 1);
  while (rows != 1 && !order.empty() && order[0] == 0) {  // the batch stays in front
    if (rows % shape[0] != 0) return std::nullopt;
    rows /= shape[0];
    order.erase(order.begin());
    shape.erase(shape.begin());
    for (int& axis : order) --axis;
  }
  if (rows != 1 || element_count(shape) != count) return std::nullopt;
  std::vector<int64_t> sequence(static_cast<size_t>(count));
  std::iota(sequence.begin(), sequence.end(), 0);
  return integers_of(permuted(Tensor::from(shape, sequence), order));
}

// weights: constant [out, in] as an item. Gives [..., out].
Result<Item> fully_connected(Call& call, const Item& x, const Item& weights, const Item* bias, float bias_factor) {
  const int64_t inputs = weights.shape[1], outputs = weights.shape[0];
  if (inputs == 0 || outputs == 0) return damaged(fmt::format("empty weights {}", to_string(weights.shape)));
  if (x.rank() == 0 || x.shape.back() != inputs)
    return damaged(fmt::format("an input {} for weights {} -> {}", to_string(x.shape), inputs, outputs));
  Linear linear{
      .op = "fully_connected", .x = x, .x_order = same_order(x.rank()), .bias = bias, .bias_factor = bias_factor};
  std::tie(linear.weights, linear.weights_quantization) = arranged(weights, {0, 1});
  if (const auto rows = rows_in_memory(x)) {
    Tensor moved = linear.weights;
    const size_t width = size_of(moved.dtype), row = static_cast<size_t>(inputs) * width;
    for (int64_t o = 0; o < outputs; ++o)
      for (size_t i = 0; i < rows->size(); ++i)
        std::memcpy(
            moved.bytes.data() + static_cast<size_t>(o) * row + i * width,
            linear.weights.bytes.data() + static_cast<size_t>(o) * row + static_cast<size_t>((*rows)[i]) * width,
            width);
    linear.weights = std::move(moved);
    linear.x.before = linear.x.shape;  // in memory it is this shape already, in the sequence of the moved rows
    linear.x.order = same_order(linear.x.rank());
  }
  // Rows may lie in any sequence, as long as each is whole.
  Order order = call.in.order_of(linear.x);
  if (!order.empty() && order.back() == static_cast<int>(order.size()) - 1) linear.x_order = order;
  linear.output_order = {0, 1};
  const Shape& shape = linear.x.shape;
  Shape result_shape = permuted(shape, linear.x_order);
  result_shape.back() = outputs;
  const Order result_order = linear.x_order;
  THIMBLE_LET(Item y, emit_linear(call, std::move(linear)));
  y.order = result_order;
  y.shape = y.before = unpermuted(result_shape, result_order);
  return y;
}

Result<Item> transposed_last(Importer& in, const Item& item) {
  Order perm = same_order(item.rank());
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transposed(in, item, perm);
}

}  // namespace

Result<Item> batch_matmul(Call& call, const Item& a, const Item& b) {
  THIMBLE_LET(const OpSpec* spec, call.in.need("batch_matmul"));
  Quantization int8;
  if (spec->quantize && call.in.stored_int8(a) && call.in.stored_int8(b) && !a.constant && !b.constant)
    int8 = call.in.scale_after(call.node.output(0)).value_or(Quantization{});
  Item left = a, right = b;
  if (int8.empty()) {
    THIMBLE_LET(left, call.in.as_declared(a));
    THIMBLE_LET(right, call.in.as_declared(b));
  }
  const size_t rank = std::max({left.rank(), right.rank(), size_t{2}});
  const auto widen = [&](Item& item) -> Outcome {
    Shape shape(rank - item.rank(), 1);
    shape.insert(shape.end(), item.shape.begin(), item.shape.end());
    THIMBLE_LET(item, call.in.reshaped(item, shape));
    return {};
  };
  THIMBLE_TRY(widen(left));
  THIMBLE_TRY(widen(right));
  THIMBLE_LET(const ValueId left_id, call.in.plain(left));
  // The operator reads a transposed right side as it lies.
  Order turned = same_order(rank);
  std::swap(turned[rank - 1], turned[rank - 2]);
  const bool adjoint = !right.constant && !right.pending() && right.order == turned &&
                       !same_memory(turned, same_order(rank), right.shape);
  THIMBLE_LET(const ValueId right_id, call.in.in_order(right, adjoint ? turned : same_order(rank)));
  Attrs attrs;
  if (adjoint) attrs.set("adj_y", int64_t{1});
  THIMBLE_LET(const Items out, call.in.emit("batch_matmul", {left_id, right_id}, attrs, same_order(rank), int8));
  return out[0];
}

namespace {

Result<Items> matmul(Call& call) {
  THIMBLE_LET(const Item* a, call.input(0));
  THIMBLE_LET(const Item* b, call.input(1));
  if (a->rank() == 0 || b->rank() == 0) return damaged("a product with a scalar");
  Item left = *a, right = *b;
  // A vector is a row on the left and a column on the right; the extra axis goes again afterwards.
  if (a->rank() == 1) {
    THIMBLE_LET(left, call.in.reshaped(*a, {1, a->shape[0]}));
  }
  if (b->rank() == 1) {
    THIMBLE_LET(right, call.in.reshaped(*b, {b->shape[0], 1}));
  }
  if (left.shape.back() != right.shape[right.rank() - 2])
    return damaged(fmt::format("a product of {} and {}", to_string(a->shape), to_string(b->shape)));
  Item y;
  if (right.constant && right.rank() == 2 && left.type == DType::f32) {
    THIMBLE_LET(const Item weights, transposed_last(call.in, right));
    THIMBLE_LET(y, fully_connected(call, left, weights, nullptr, 1));
  } else {
    THIMBLE_LET(y, batch_matmul(call, left, right));
  }
  Shape shape = y.shape;
  if (b->rank() == 1) shape.pop_back();
  if (a->rank() == 1) shape.erase(shape.end() - (b->rank() == 1 ? 1 : 2));
  return only(call.in.reshaped(y, shape));
}

Result<Items> gemm(Call& call) {
  THIMBLE_LET(const Item* a, call.input(0));
  THIMBLE_LET(const Item* b, call.input(1));
  if (a->rank() != 2 || b->rank() != 2)
    return damaged(fmt::format("two matrices expected, found {} and {}", to_string(a->shape), to_string(b->shape)));
  Item left = *a, right = *b;
  if (call.integer("transA")) {
    THIMBLE_LET(left, transposed_last(call.in, *a));
  }
  // fully_connected takes [out, in].
  if (!call.integer("transB")) {
    THIMBLE_LET(right, transposed_last(call.in, *b));
  }
  const float alpha = call.real("alpha", 1), beta = call.real("beta", 1);
  const Item* c = call.has_input(2) && beta != 0 ? call.inputs[2] : nullptr;
  const bool bias = c && c->constant && (c->shape.empty() || element_count(c->shape) == c->shape.back());
  Item y;
  if (right.constant) {
    if (alpha != 1) {
      THIMBLE_LET(const Item real, call.in.as_float(right));
      std::vector<float> scaled = floats_of(*real.constant);
      for (float& value : scaled) value *= alpha;
      THIMBLE_LET(right, call.in.constant_item(Tensor::from(right.shape, scaled)));
    }
    THIMBLE_LET(y, fully_connected(call, left, right, bias ? c : nullptr, beta));
    if (bias) return Items{y};
  } else {
    THIMBLE_LET(right, transposed_last(call.in, right));
    THIMBLE_LET(y, batch_matmul(call, left, right));
    if (alpha != 1) {
      THIMBLE_LET(const Item scale, scalar_like(call.in, y, alpha));
      THIMBLE_LET(y, emit_binary(call, "mul", y, scale));
    }
  }
  if (!c) return Items{y};
  Item added = *c;
  if (beta != 1) {
    THIMBLE_LET(const Item scale, scalar_like(call.in, y, beta));
    THIMBLE_LET(added, emit_binary(call, "mul", added, scale));
  }
  return only(emit_binary(call, "add", y, added));
}

Result<Items> batch_normalization(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  if (call.integer("training_mode") || (call.in.opset < 7 && !call.integer("is_test")))
    return refuse("batch normalisation in training mode", "export the model for inference (model.eval())");
  std::vector<std::vector<float>> parts;
  for (size_t i = 1; i <= 4; ++i) {
    THIMBLE_LET(std::vector<float> part, call.constant_floats(i));
    if (x->rank() < 2 || static_cast<int64_t>(part.size()) != x->shape[1])
      return damaged(fmt::format("{} numbers in input {} for an input {}", part.size(), i, to_string(x->shape)));
    parts.push_back(std::move(part));
  }
  std::vector<float> scale(parts[0].size()), offset(scale.size());
  const double epsilon = static_cast<double>(call.real("epsilon", 1e-5f));
  for (size_t c = 0; c < scale.size(); ++c) {
    const double s = static_cast<double>(parts[0][c]) / std::sqrt(static_cast<double>(parts[3][c]) + epsilon);
    scale[c] = static_cast<float>(s);
    offset[c] = static_cast<float>(static_cast<double>(parts[1][c]) - static_cast<double>(parts[2][c]) * s);
  }
  const bool along_last = !x->constant && !x->pending() && x->order.back() == 1;
  if (along_last && !call.in.stored_int8(*x) && fold_affine(call.in, *x, scale, offset)) return Items{*x};
  Shape shape(x->rank() - 1, 1);
  shape[0] = static_cast<int64_t>(scale.size());
  THIMBLE_LET(const Item factor, call.in.constant_item(Tensor::from(shape, scale)));
  THIMBLE_LET(const Item term, call.in.constant_item(Tensor::from(shape, offset)));
  THIMBLE_LET(const Item scaled, emit_binary(call, "mul", *x, factor));
  return only(emit_binary(call, "add", scaled, term));
}

}  // namespace

Result<Item> emit_along_axis(Call& call, const Item& x, size_t axis, const Tensor& matrix) {
  Order perm = same_order(x.rank());
  std::swap(perm[axis], perm.back());
  THIMBLE_LET(const Item real, call.in.as_float(x));
  THIMBLE_LET(const Item last, transposed(call.in, real, perm));
  THIMBLE_LET(const Item weights, call.in.constant_item(matrix));
  THIMBLE_LET(const Item y, fully_connected(call, last, weights, nullptr, 1));
  return transposed(call.in, y, perm);
}

void add_matrix(HandlerTable& table) {
  table.insert({{"MatMul", matmul}, {"Gemm", gemm}, {"BatchNormalization", batch_normalization}});
  add_einsum(table);
}

}  // namespace thimble::onnx_import
