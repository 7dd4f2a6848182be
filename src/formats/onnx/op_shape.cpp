// Operators that change the shape or the sequence of axes only. Most of them make no node: they change what the
// importer knows of a tensor.
#include <algorithm>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

Result<Items> reshape(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(Shape shape, call.integers_from(1, "shape"));
  if (!call.has_input(1) && !call.has("shape")) return damaged("no shape is given");
  int64_t known = 1;
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t& extent = shape[i];
    if (extent == 0 && !call.integer("allowzero")) {
      if (i >= x->rank()) return damaged(fmt::format("extent {} is copied from {}", i, to_string(x->shape)));
      extent = x->shape[i];
    }
    if (extent == -1 && !open)
      open = &extent;
    else if (extent < 0 || __builtin_mul_overflow(known, extent, &known))
      return damaged(fmt::format("a shape {}", to_string(shape)));
  }
  if (open) {
    if (known == 0) return damaged(fmt::format("a shape {} with an open extent", to_string(shape)));
    *open = element_count(x->shape) / known;
  }
  return only(call.in.reshaped(*x, shape));
}

Result<Items> flatten(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  int64_t axis = call.integer("axis", 1);
  const auto rank = static_cast<int64_t>(x->rank());
  if (axis < -rank || axis > rank) return damaged(fmt::format("axis {} of {}", axis, to_string(x->shape)));
  if (axis < 0) axis += rank;
  Shape shape{1, 1};
  for (int64_t i = 0; i < rank; ++i) shape[i < axis ? 0 : 1] *= x->shape[static_cast<size_t>(i)];
  return only(call.in.reshaped(*x, shape));
}

Result<Items> squeeze(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const auto given, call.integers_from(1, "axes"));
  THIMBLE_LET(const auto axes, axes_in(given, x->rank()));
  Shape shape;
  for (size_t i = 0; i < x->rank(); ++i) {
    const bool named = std::ranges::find(axes, i) != axes.end();
    if (named && x->shape[i] != 1) return damaged(fmt::format("axis {} of {} is not 1", i, to_string(x->shape)));
    if (!named && (!axes.empty() || x->shape[i] != 1)) shape.push_back(x->shape[i]);
  }
  return only(call.in.reshaped(*x, shape));
}

Result<Items> unsqueeze(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const auto given, call.integers_from(1, "axes"));
  const size_t rank = x->rank() + given.size();
  if (rank > kMaxRank) return refuse(fmt::format("{} axes; at most {} are supported", rank, kMaxRank));
  THIMBLE_LET(const auto axes, axes_in(given, rank));
  Shape shape;
  for (size_t i = 0, next = 0; i < rank; ++i)
    shape.push_back(std::ranges::find(axes, i) != axes.end() ? 1 : x->shape[next++]);
  return only(call.in.reshaped(*x, shape));
}

Result<Items> transpose(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  std::vector<int64_t> given = call.integers("perm");
  if (given.empty())
    for (size_t i = x->rank(); i-- > 0;) given.push_back(static_cast<int64_t>(i));
  THIMBLE_LET(const auto axes, axes_in(given, x->rank()));
  if (axes.size() != x->rank()) return damaged(fmt::format("perm {} for {}", to_string(given), to_string(x->shape)));
  return only(transposed(call.in, *x, Order(axes.begin(), axes.end())));
}

// Everything that reads the output broadcasts by itself against a tensor of this shape.
bool broadcast_by_readers(Call& call, const Shape& shape) {
  const std::string& name = call.node.output(0);
  const auto readers = call.in.readers_of(name);
  return !readers.empty() && std::ranges::all_of(readers, [&](const ::onnx::NodeProto* reader) {
    if (!is_broadcasting(reader->op_type()) || reader->input_size() != 2) return false;
    const std::string& other = reader->input(reader->input(0) == name ? 1 : 0);
    const Item* item = call.in.find(other);
    return item && other != name && item->shape == shape;
  });
}

Result<Items> expand(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Shape wanted, call.constant_integers(1));
  if (std::ranges::any_of(wanted, [](int64_t extent) { return extent < 1; }))
    return damaged(fmt::format("a shape {}", to_string(wanted)));
  const auto shape = broadcast_shape(x->shape, wanted);
  if (!shape) return damaged(fmt::format("{} cannot become {}", to_string(x->shape), to_string(wanted)));
  Shape padded(shape->size() - x->rank(), 1);
  padded.insert(padded.end(), x->shape.begin(), x->shape.end());
  THIMBLE_LET(const Item wide, call.in.reshaped(*x, padded));
  if (padded == *shape || broadcast_by_readers(call, *shape)) return Items{wide};
  const Order order = call.in.order_of(wide);
  Attrs attrs;
  attrs.set("shape", permuted(*shape, order));
  return emit_move(call, "broadcast_to", wide, order, attrs);
}

Result<Items> constant(Call& call) {
  if (const auto* value = call.attribute("value"); value && value->has_t()) {
    THIMBLE_LET(Tensor tensor, read_tensor(value->t()));
    return only(call.in.constant_item(std::move(tensor)));
  }
  const auto list = [&](std::string_view name) { return call.attribute(name); };
  if (const auto* value = list("value_int"))
    return only(call.in.constant_item(Tensor::from({}, std::vector<int64_t>{value->i()})));
  if (const auto* value = list("value_float"))
    return only(call.in.constant_item(Tensor::from({}, std::vector<float>{value->f()})));
  if (const auto* value = list("value_ints"))
    return only(call.in.constant_item(
        Tensor::from({value->ints_size()}, std::vector<int64_t>(value->ints().begin(), value->ints().end()))));
  if (const auto* value = list("value_floats"))
    return only(call.in.constant_item(
        Tensor::from({value->floats_size()}, std::vector<float>(value->floats().begin(), value->floats().end()))));
  return refuse("a constant of text or of sparse values", "use a dense tensor of numbers");
}

// Known branches and loops never come here: they are translated in their places.
Result<Items> computed_branch(Call&) {
  return refuse("a branch whose condition is computed from the input",
                "export the model with fixed shapes, or without the branch");
}

// Always computed at import; here it would read a shape that is not constant.
Result<Items> at_import_only(Call& call) {
  return refuse(fmt::format("{} of a shape that another node computes", call.op()),
                "export the model with fixed shapes");
}

}  // namespace

Result<Item> transposed(Importer& in, const Item& x, const Order& perm) {
  Item result = x;
  if (x.constant) {
    auto [tensor, quantization] = arranged(x, perm);
    THIMBLE_TRY(in.spend(static_cast<int64_t>(tensor.bytes.size())));
    result.constant = std::make_shared<const Tensor>(std::move(tensor));
    result.quantization = std::move(quantization);
  } else if (x.pending()) {
    result.order = in.order_of(x);
    THIMBLE_LET(result.id, in.in_order(x, result.order));
  }
  result.shape = result.before = permuted(x.shape, perm);
  if (x.constant) {
    result.order = same_order(x.rank());
  } else {
    for (int& axis : result.order) axis = static_cast<int>(place_of(static_cast<size_t>(axis), perm));
  }
  return result;
}

Result<Items> emit_move(Call& call, std::string_view op, const Item& x, const Order& order, const Attrs& attrs,
                        const std::vector<ValueId>& further) {
  THIMBLE_LET(const ValueId id, call.in.in_order(x, order));
  std::vector<ValueId> ids{id};
  ids.insert(ids.end(), further.begin(), further.end());
  const Quantization q = call.in.builder[id].quantization;
  THIMBLE_LET(Items items, call.in.emit(op, ids, attrs, order, q));
  for (Item& item : items) item.type = x.type;
  return items;
}

void add_shape(HandlerTable& table) {
  table.insert({{"Reshape", reshape},
                {"Flatten", flatten},
                {"Squeeze", squeeze},
                {"Unsqueeze", unsqueeze},
                {"Transpose", transpose},
                {"Expand", expand},
                {"Constant", constant},
                {"If", computed_branch},
                {"Loop", computed_branch},
                {"Shape", at_import_only},
                {"Size", at_import_only},
                {"ConstantOfShape", at_import_only},
                {"Range", at_import_only}});
}

}  // namespace thimble::onnx_import
