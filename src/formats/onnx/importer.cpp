#include "formats/onnx/importer.h"

#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"
#include "graph/passes/fold_constants.h"
#include "ops/ops.h"

namespace thimble::onnx_import {

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(ErrorCode::unsupported, std::move(message), {}, std::move(hint));
}

tl::unexpected<Error> damaged(std::string message) {
  return fail(ErrorCode::bad_data, std::move(message), {},
              "the file is damaged or was written wrongly: export it again, and check it with onnx.checker");
}

Result<size_t> axis_in(int64_t axis, size_t rank) {
  const auto count = static_cast<int64_t>(rank);
  if (axis < -count || axis >= count) return damaged(fmt::format("axis {} is not one of {} axes", axis, rank));
  return static_cast<size_t>(axis < 0 ? axis + count : axis);
}

Result<std::vector<size_t>> axes_in(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> result;
  for (int64_t axis : axes) {
    THIMBLE_LET(const size_t known, axis_in(axis, rank));
    if (std::ranges::find(result, known) != result.end()) return damaged(fmt::format("axis {} is named twice", axis));
    result.push_back(known);
  }
  return result;
}

int64_t place_of(size_t axis, const Order& order) {
  return std::ranges::find(order, static_cast<int>(axis)) - order.begin();
}

Result<Items> only(Result<Item> item) {
  if (!item) return tl::unexpected<Error>(std::move(item).error());
  Items items;
  items.push_back(std::move(*item));
  return items;
}

// ---- constants

Outcome Importer::spend(int64_t bytes) {
  spent_ += bytes;
  if (spent_ > kMaxConstantBytes || bytes < 0)
    return refuse(fmt::format("the model's constants need more than {} bytes", kMaxConstantBytes));
  return {};
}

Result<Item> Importer::constant_item(Tensor tensor, Quantization quantization) {
  THIMBLE_TRY(spend(static_cast<int64_t>(tensor.bytes.size())));
  Item item{.type = tensor.dtype, .shape = tensor.shape, .quantization = std::move(quantization)};
  item.before = item.shape;
  item.order = same_order(item.rank());
  item.constant = std::make_shared<const Tensor>(std::move(tensor));
  return item;
}

// ---- orders

Order Importer::order_of(const Item& item) const {
  if (item.constant) return same_order(item.rank());
  if (!item.pending()) return item.order;
  // It must be transposed: to whichever of the two usual orders moves fewer of the outer axes.
  const auto kept = [&](const Order& order) {
    const auto from = reshaped_order(item.shape, order, item.before);
    if (!from) return ptrdiff_t{-1};
    const Order want = long_axes(*from, item.before), have = long_axes(item.order, item.before);
    return std::ranges::mismatch(want, have).in1 - want.begin();
  };
  const Order plain = same_order(item.rank()), images = channels_last(item.rank());
  return item.rank() == 4 && kept(images) > kept(plain) ? images : plain;
}

std::pair<Tensor, Quantization> arranged(const Item& constant, const Order& order) {
  Quantization quantization = constant.quantization;
  if (quantization.per_channel())
    quantization.axis = static_cast<int>(place_of(static_cast<size_t>(quantization.axis), order));
  return {permuted(*constant.constant, order), std::move(quantization)};
}

Result<ValueId> Importer::in_order(const Item& item, const Order& order) {
  if (item.constant) {
    THIMBLE_TRY(spend(static_cast<int64_t>(item.constant->bytes.size())));
    auto [tensor, quantization] = arranged(item, order);
    return builder.constant(layer + ".constant", std::move(tensor), std::move(quantization));
  }
  ValueId id = item.id;
  const auto as_shape = [&](const Shape& shape) -> Outcome {
    if (builder[id].type.shape == shape) return {};
    ValueId& known = reshapes_.try_emplace({id, shape}, kNoValue).first->second;
    if (known == kNoValue) {
      Attrs attrs;
      attrs.set("shape", shape);
      THIMBLE_LET(const Items out, emit("reshape", {id}, attrs, same_order(shape.size()), builder[id].quantization));
      known = out[0].id;
    }
    id = known;
    return {};
  };
  const auto transpose = [&](const Shape& shape, const Order& from, const Order& to) -> Outcome {
    if (same_memory(from, to, shape)) return {};
    THIMBLE_TRY(as_shape(permuted(shape, from)));
    Order perm;
    for (int axis : to) perm.push_back(static_cast<int>(place_of(static_cast<size_t>(axis), from)));
    ValueId& known = transposes_.try_emplace({id, perm}, kNoValue).first->second;
    if (known == kNoValue) {
      Attrs attrs;
      attrs.set("perm", std::vector<int64_t>(perm.begin(), perm.end()));
      THIMBLE_LET(const Items out, emit("transpose", {id}, attrs, same_order(perm.size()), builder[id].quantization));
      known = out[0].id;
    }
    id = known;
    return {};
  };
  Order from = item.order;
  if (const auto direct = item.pending() ? reshaped_order(item.shape, order, item.before) : std::nullopt) {
    // Axes that the reshape joins come to lie side by side: after that the memory is what is wanted.
    THIMBLE_TRY(transpose(item.before, item.order, *direct));
    THIMBLE_TRY(as_shape(permuted(item.shape, order)));
    return id;
  }
  if (item.pending()) {
    THIMBLE_TRY(transpose(item.before, item.order, same_order(item.before.size())));
    from = same_order(item.rank());
  }
  THIMBLE_TRY(transpose(item.shape, from, order));
  THIMBLE_TRY(as_shape(permuted(item.shape, order)));
  return id;
}

Result<Item> Importer::reshaped(const Item& item, const Shape& shape) {
  if (shape.size() > kMaxRank)
    return refuse(fmt::format("{} has {} axes; at most {} are supported", to_string(shape), shape.size(), kMaxRank));
  if (elements_within(shape, kMaxElements) != element_count(item.shape))
    return damaged(fmt::format("{} has {} elements and cannot become {}", to_string(item.shape),
                               element_count(item.shape), to_string(shape)));
  Item result = item;
  result.shape = shape;
  if (item.constant) {
    if (item.quantization.per_channel()) {
      const auto groups = reshaped_order(item.shape, same_order(item.rank()), shape);
      const int64_t channels = item.shape[static_cast<size_t>(item.quantization.axis)];
      const auto axis = std::ranges::find(shape, channels);
      if (!groups || axis == shape.end() || std::ranges::count(shape, channels) != 1)
        return refuse("a reshape of constants with one scale per channel");
      result.quantization.axis = static_cast<int>(axis - shape.begin());
    }
    Tensor tensor = *item.constant;
    tensor.shape = shape;
    THIMBLE_TRY(spend(static_cast<int64_t>(tensor.bytes.size())));
    result.constant = std::make_shared<const Tensor>(std::move(tensor));
    result.before = shape;
    result.order = same_order(shape.size());
    return result;
  }
  if (const auto order = reshaped_order(item.before, item.order, shape)) {
    result.before = shape;
    result.order = *order;
  }
  return result;
}

// ---- number formats

bool Importer::stored_int8(const Item& item) const {
  if (item.type != DType::f32) return false;
  return (item.constant ? item.constant->dtype : builder[item.id].type.dtype) == DType::i8;
}

bool Importer::carries_scale(const Item& item) const {
  return (item.constant ? item.constant->dtype : builder[item.id].type.dtype) == DType::i8 &&
         quantization_of(item).scale.size() == 1;
}

Quantization Importer::quantization_of(const Item& item) const {
  return item.constant ? item.quantization : builder[item.id].quantization;
}

Result<Item> Importer::as_float(const Item& item) {
  const DType stored = item.constant ? item.constant->dtype : builder[item.id].type.dtype;
  if (item.type != DType::f32 || stored == DType::f32) return item;
  if (item.constant) {
    std::vector<float> values = floats_of(*item.constant);
    const Quantization& q = item.quantization;
    int64_t inner = 1;
    for (size_t axis = static_cast<size_t>(q.axis) + 1; axis < item.rank(); ++axis) inner *= item.shape[axis];
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t c = q.per_channel() ? i / static_cast<size_t>(inner) % q.scale.size() : 0;
      values[i] = (values[i] - static_cast<float>(q.zero_point[c])) * q.scale[c];
    }
    return constant_item(Tensor::from(item.shape, values));
  }
  const auto known = floats_.find(item.id);
  Item result = item;
  if (known == floats_.end()) {
    const Shape& shape = builder[item.id].type.shape;
    THIMBLE_LET(const Items out, emit("dequantize", {item.id}, {}, same_order(shape.size())));
    floats_[item.id] = out[0].id;
    result.id = out[0].id;
  } else {
    result.id = known->second;
    result.exclusive = false;
  }
  return result;
}

Result<Item> Importer::as_declared(const Item& item) {
  if (item.type == DType::f32) return as_float(item);
  if (item.constant || item.type != DType::u8 || builder[item.id].type.dtype != DType::i8) return item;
  Quantization q = builder[item.id].quantization;
  for (int32_t& zero : q.zero_point) zero += 128;
  Attrs attrs;
  attrs.set("dtype", std::string(name_of(DType::u8)));
  const Shape& shape = builder[item.id].type.shape;
  THIMBLE_LET(const Items out, emit("quantize", {item.id}, attrs, same_order(shape.size()), q));
  Item result = item;
  result.id = out[0].id;
  return result;
}

// ---- nodes

Result<const OpSpec*> Importer::need(std::string_view op) const {
  if (const OpSpec* spec = ops::find(op)) return spec;
  return refuse(fmt::format("needs the operator {}, which is not supported", op),
                "`thimble ops` lists what is supported: rebuild the model from those, or leave this part out of it");
}

Result<Items> Importer::emit(std::string_view op, const std::vector<ValueId>& inputs, const Attrs& attrs,
                             const Order& order, Quantization output) {
  THIMBLE_LET(const OpSpec* spec, need(op));
  THIMBLE_LET(const std::vector<ValueId> ids, builder.node(*spec, layer, inputs, attrs));
  const Node added = builder.graph().nodes.back();
  const bool folded = fold_node(builder.graph(), added, fold_budget_);
  if (folded) builder.graph().nodes.pop_back();
  Items items;
  for (ValueId id : ids) {
    if (!folded) writers_[id] = builder.graph().nodes.size() - 1;
    Value& value = builder.graph()[id];
    int64_t elements = 1;
    for (int64_t extent : value.type.shape)
      if (extent < 1 || __builtin_mul_overflow(elements, extent, &elements) || elements > kMaxElements)
        return refuse(fmt::format("gives {}; every axis must have an element, and all at most {}",
                                  to_string(value.type.shape), kMaxElements));
    if (value.type.dtype == DType::i8 || value.type.dtype == DType::u8) value.quantization = output;
    Item item{.type = value.type.dtype == DType::i8 && !output.empty() ? DType::f32 : value.type.dtype,
              .id = id,
              .order = order.size() == value.type.shape.size() ? order : same_order(value.type.shape.size())};
    item.shape = item.before = unpermuted(value.type.shape, item.order);
    items.push_back(std::move(item));
  }
  return items;
}

Node* Importer::writer_of(ValueId id) {
  const auto known = writers_.find(id);
  return known == writers_.end() ? nullptr : &builder.graph().nodes[known->second];
}

// ---- names

const Item* Importer::find(const std::string& name) const {
  const auto known = items_.find(name);
  return known == items_.end() ? nullptr : &known->second;
}

int Importer::uses_of(const std::string& name) const {
  const auto readers = readers_.find(name);
  const auto outputs = outputs_.find(name);
  return (readers == readers_.end() ? 0 : static_cast<int>(readers->second.size())) +
         (outputs == outputs_.end() ? 0 : outputs->second);
}

std::vector<const ::onnx::NodeProto*> Importer::readers_of(const std::string& name) const {
  const auto readers = readers_.find(name);
  if (readers == readers_.end() || outputs_.contains(name)) return {};
  return readers->second;
}

std::optional<Quantization> Importer::scale_after(const std::string& name, int depth) const {
  const auto readers = readers_.find(name);
  if (readers == readers_.end() || outputs_.contains(name)) return std::nullopt;
  if (readers->second.size() == 1 && depth < 2) {
    const ::onnx::NodeProto& reader = *readers->second[0];
    if ((reader.op_type() == "Relu" || reader.op_type() == "Clip") && reader.output_size() > 0)
      return scale_after(reader.output(0), depth + 1);
  }
  std::optional<Quantization> result;
  for (const ::onnx::NodeProto* reader : readers->second) {
    if (reader->op_type() != "QuantizeLinear" || reader->input_size() < 2) return std::nullopt;
    const Item* scale = find(reader->input(1));
    const Item* zero = reader->input_size() > 2 ? find(reader->input(2)) : nullptr;
    if (!scale || !scale->constant || scale->constant->dtype != DType::f32 || scale->constant->size() != 1)
      return std::nullopt;
    const float step = scale->constant->as<float>()[0];
    if (!std::isfinite(step) || step <= 0) return std::nullopt;  // that node refuses it
    int64_t zero_point = -128;                                   // uint8's 0, the default
    if (reader->input_size() > 2) {
      if (!zero || !zero->constant || zero->constant->size() != 1) return std::nullopt;
      if (zero->type != DType::i8 && zero->type != DType::u8) return std::nullopt;
      zero_point = integers_of(*zero->constant)[0] - (zero->type == DType::u8 ? 128 : 0);
    }
    Quantization q{{step}, {static_cast<int32_t>(zero_point)}};
    if (result && *result != q) return std::nullopt;
    result = q;
  }
  return result;
}

// ---- what a handler asks of its node

Result<const Item*> Call::input(size_t i) const {
  if (!has_input(i)) return damaged(fmt::format("has no input {}", i));
  return inputs[i];
}

Result<std::vector<int64_t>> Call::constant_integers(size_t i) const {
  THIMBLE_LET(const Item* item, input(i));
  if (!item->constant)
    return refuse(
        fmt::format("input {} ({}) must be constant, and is computed", i, clean_name(node.input(static_cast<int>(i)))),
        "export the model with fixed shapes, or simplify it (onnxsim)");
  if (item->constant->dtype == DType::f32) return damaged(fmt::format("input {} must hold integers", i));
  if (item->constant->size() > 65536)
    return refuse(fmt::format("input {} lists {} integers", i, item->constant->size()));
  return integers_of(*item->constant);
}

Result<std::vector<float>> Call::constant_floats(size_t i) const {
  THIMBLE_LET(const Item* item, input(i));
  if (!item->constant)
    return refuse(
        fmt::format("input {} ({}) must be constant, and is computed", i, clean_name(node.input(static_cast<int>(i)))),
        "export the model with constants folded");
  THIMBLE_LET(const Item real, in.as_float(*item));
  return floats_of(*real.constant);
}

Result<std::vector<int64_t>> Call::integers_from(size_t i, std::string_view name) const {
  if (has_input(i)) return constant_integers(i);
  return integers(name);
}

const ::onnx::AttributeProto* Call::attribute(std::string_view name) const {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t Call::integer(std::string_view name, int64_t fallback) const {
  const auto* found = attribute(name);
  return found ? found->i() : fallback;
}

float Call::real(std::string_view name, float fallback) const {
  const auto* found = attribute(name);
  return found ? found->f() : fallback;
}

std::string Call::word(std::string_view name, std::string_view fallback) const {
  const auto* found = attribute(name);
  return found ? found->s() : std::string(fallback);
}

std::vector<int64_t> Call::integers(std::string_view name) const {
  const auto* found = attribute(name);
  return found ? std::vector<int64_t>(found->ints().begin(), found->ints().end()) : std::vector<int64_t>();
}

}  // namespace thimble::onnx_import
