// Operators that pick, join, cut, repeat and pad: they keep the numbers and their format.
#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

Result<Items> concat(Call& call) {
  THIMBLE_LET(const Item* first, call.input(0));
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis", call.in.opset < 4 ? 1 : 0), first->rank()));
  if (call.inputs.size() == 1) return Items{*first};
  const std::optional<Quantization> after = call.in.scale_after(call.node.output(0));
  bool int8 = true, same = true;
  std::vector<Item> items;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    THIMBLE_LET(const Item* item, call.input(i));
    if (item->rank() != first->rank() || item->type != first->type)
      return damaged(fmt::format("{} {} and {} {} do not go together", name_of(first->type), to_string(first->shape),
                                 name_of(item->type), to_string(item->shape)));
    int8 = int8 && call.in.carries_scale(*item);
    same = same && int8 && call.in.quantization_of(*item) == call.in.quantization_of(*first);
    items.push_back(*item);
  }
  const bool rescale = after && first->type == DType::f32, keep = int8 && (same || rescale);
  const Quantization q = !keep ? Quantization{} : rescale ? *after : call.in.quantization_of(*first);
  const Order order = common_order(call.in, items);
  std::vector<ValueId> ids;
  for (Item& item : items) {
    if (keep) {
      THIMBLE_LET(item, requantized(call.in, item, q));
    } else {
      THIMBLE_LET(item, call.in.as_declared(item));
    }
    THIMBLE_LET(const ValueId id, call.in.in_order(item, order));
    ids.push_back(id);
  }
  THIMBLE_LET(const ValueId id, emit_concat(call.in, std::move(ids), place_of(axis, order), q));
  Item result{.type = first->type, .id = id, .order = order};
  result.shape = result.before = unpermuted(call.in.builder[id].type.shape, order);
  return Items{result};
}

Result<Items> split(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis"), x->rank()));
  THIMBLE_LET(std::vector<int64_t> sizes, call.integers_from(1, "split"));
  const auto parts = static_cast<int64_t>(call.outputs());
  if (sizes.empty()) {
    const int64_t each = (x->shape[axis] + parts - 1) / std::max<int64_t>(parts, 1);
    for (int64_t left = x->shape[axis]; left > 0; left -= each) sizes.push_back(std::min(each, left));
  }
  if (static_cast<int64_t>(sizes.size()) != parts)
    return damaged(fmt::format("{} sizes for {} outputs", sizes.size(), parts));
  int64_t sum = 0;
  for (int64_t size : sizes) {
    if (size < 1 || size > x->shape[axis])
      return refuse(fmt::format("a part of {} elements", size), "use parts with at least one element");
    sum += size;
  }
  if (sum != x->shape[axis]) return damaged(fmt::format("parts of {} elements of {}", sum, x->shape[axis]));
  if (parts == 1) return Items{*x};
  const Order order = call.in.order_of(*x);
  Attrs attrs;
  attrs.set("axis", place_of(axis, order)).set("sizes", sizes);
  return emit_move(call, "split_v", *x, order, attrs);
}

// begin, end and step of one axis as Python slices it, with `count` elements.
struct Range {
  int64_t begin = 0, step = 1, count = 0;
};

Range range_of(int64_t begin, int64_t end, int64_t step, int64_t extent) {
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
  const auto clamp = [&](int64_t at) {
    return std::clamp(at < 0 ? std::max(at, -extent - 1) + extent : at, low, high);
  };
  const int64_t first = clamp(begin), last = end < -extent ? low : clamp(end);
  const int64_t distance = step > 0 ? last - first : first - last;
  // A step beyond the extent takes one element, whatever it is.
  const int64_t width = std::min(step > 0 ? step : -std::max(step, -extent - 1), extent + 1);
  return {first, step > 0 ? width : -width, distance > 0 ? (distance + width - 1) / width : 0};
}

Result<std::vector<Range>> slice_ranges(Call& call, const Item& x) {
  THIMBLE_LET(const auto starts, call.integers_from(1, "starts"));
  THIMBLE_LET(const auto ends, call.integers_from(2, "ends"));
  THIMBLE_LET(auto given_axes, call.integers_from(3, "axes"));
  std::vector<int64_t> steps;
  if (call.has_input(4)) {
    THIMBLE_LET(steps, call.constant_integers(4));
  }
  if (given_axes.empty())
    for (size_t i = 0; i < starts.size(); ++i) given_axes.push_back(static_cast<int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  THIMBLE_LET(const auto axes, axes_in(given_axes, x.rank()));
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return damaged("starts, ends, axes and steps of different lengths");
  std::vector<Range> ranges;
  for (int64_t extent : x.shape) ranges.push_back({0, 1, extent});
  for (size_t i = 0; i < axes.size(); ++i) {
    if (steps[i] == 0) return damaged("a step of 0");
    ranges[axes[i]] = range_of(starts[i], ends[i], steps[i], x.shape[axes[i]]);
    if (ranges[axes[i]].count == 0)
      return refuse(fmt::format("nothing is left of axis {}", axes[i]), "keep at least one element");
  }
  return ranges;
}

Result<Items> slice(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const std::vector<Range> ranges, slice_ranges(call, *x));
  Shape begin, size, end, steps;
  bool plain = true;
  for (const Range& range : ranges) {
    begin.push_back(range.begin);
    size.push_back(range.count);
    steps.push_back(range.step);
    end.push_back(range.begin + (range.count - 1) * range.step + (range.step > 0 ? 1 : -1));
    plain = plain && (range.step == 1 || range.count == 1);
  }
  if (plain) return only(emit_slice(call, *x, begin, size));
  const Order order = call.in.order_of(*x);
  const Shape ends = permuted(end, order);
  int64_t end_mask = 0;
  for (size_t i = 0; i < ends.size(); ++i)
    if (ends[i] < 0) end_mask |= int64_t{1} << i;  // before the first element
  Attrs attrs;
  attrs.set("begin", permuted(begin, order))
      .set("end", ends)
      .set("strides", permuted(steps, order))
      .set("end_mask", end_mask);
  return emit_move(call, "strided_slice", *x, order, attrs);
}

Result<std::vector<int64_t>> positive_indices(const std::vector<int64_t>& given, int64_t extent) {
  std::vector<int64_t> indices = given;
  for (int64_t& index : indices) {
    if (index < -extent || index >= extent) return damaged(fmt::format("index {} of {} elements", index, extent));
    if (index < 0) index += extent;
  }
  return indices;
}

// Computed indices may be negative, which counts from the end: their remainder does not.
Result<ValueId> counted_from_start(Call& call, const Item& indices, const std::vector<int64_t>& extents) {
  THIMBLE_LET(const Item extent,
              call.in.constant_item(integer_tensor(indices.type, {static_cast<int64_t>(extents.size())}, extents)));
  THIMBLE_LET(const Item positive, emit_binary(call, "floor_mod", indices, extent));
  THIMBLE_LET(const Item shaped, call.in.reshaped(positive, indices.shape));
  return call.in.plain(shaped);
}

Result<Items> gather(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item* indices, call.input(1));
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis"), x->rank()));
  Shape shape = x->shape;
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis));
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), indices->shape.begin(), indices->shape.end());
  if (indices->constant) {
    THIMBLE_LET(const auto given, call.constant_integers(1));
    THIMBLE_LET(const auto known, positive_indices(given, x->shape[axis]));
    THIMBLE_LET(const Item y, emit_gather(call, *x, axis, known));
    return only(call.in.reshaped(y, shape));
  }
  THIMBLE_LET(const ValueId index, counted_from_start(call, *indices, {x->shape[axis]}));
  Attrs attrs;
  attrs.set("axis", static_cast<int64_t>(axis)).set("batch_dims", int64_t{0});
  return emit_move(call, "gather", *x, same_order(x->rank()), attrs, {index});
}

Result<Items> gather_nd(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item* indices, call.input(1));
  if (call.integer("batch_dims") != 0) return refuse("GatherND with batch_dims", "use batch_dims = 0");
  const size_t depth = indices->shape.empty() ? 0 : static_cast<size_t>(indices->shape.back());
  if (depth == 0 || depth > x->rank())
    return damaged(fmt::format("indices {} into {}", to_string(indices->shape), to_string(x->shape)));
  if (!indices->constant) {
    THIMBLE_LET(
        const ValueId id,
        counted_from_start(call, *indices, Shape(x->shape.begin(), x->shape.begin() + static_cast<ptrdiff_t>(depth))));
    return emit_move(call, "gather_nd", *x, same_order(x->rank()), {}, {id});
  }
  THIMBLE_LET(std::vector<int64_t> given, call.constant_integers(1));
  for (size_t i = 0; i < given.size(); ++i) {
    THIMBLE_LET(const auto one, positive_indices({given[i]}, x->shape[i % depth]));
    given[i] = one[0];
  }
  THIMBLE_LET(const Item index, call.in.constant_item(integer_tensor(DType::i32, indices->shape, given)));
  THIMBLE_LET(const ValueId id, call.in.plain(index));
  return emit_move(call, "gather_nd", *x, same_order(x->rank()), {}, {id});
}

Result<Items> gather_elements(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Item* indices, call.input(1));
  THIMBLE_LET(const size_t axis, axis_in(call.integer("axis"), x->rank()));
  THIMBLE_LET(const auto given, call.constant_integers(1));
  if (indices->rank() != x->rank()) return damaged("indices and data of different rank");
  std::vector<int64_t> flat, at(x->rank(), 0);
  for (int64_t index : given) {
    THIMBLE_LET(const auto known, positive_indices({index}, x->shape[axis]));
    int64_t offset = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      const int64_t here = i == axis ? known[0] : at[i];
      if (here >= x->shape[i])
        return damaged(fmt::format("indices {} for {}", to_string(indices->shape), to_string(x->shape)));
      offset = offset * x->shape[i] + here;
    }
    flat.push_back(offset);
    for (size_t i = at.size(); i-- > 0;) {
      if (++at[i] < indices->shape[i]) break;
      at[i] = 0;
    }
  }
  THIMBLE_LET(const Item line, call.in.reshaped(*x, {element_count(x->shape)}));
  THIMBLE_LET(const Item y, emit_gather(call, line, 0, flat));
  return only(call.in.reshaped(y, indices->shape));
}

Result<Items> tile(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Shape repeats, call.constant_integers(1));
  if (repeats.size() != x->rank() || std::ranges::any_of(repeats, [](int64_t r) { return r < 1; }))
    return damaged(fmt::format("repeats {} for {}", to_string(repeats), to_string(x->shape)));
  const Order order = call.in.order_of(*x);
  Attrs attrs;
  attrs.set("multiples", permuted(repeats, order));
  return emit_move(call, "tile", *x, order, attrs);
}

// ---- pad

struct Pads {
  std::vector<int64_t> before, after;
};

Result<Pads> read_pads(Call& call, size_t rank) {
  THIMBLE_LET(std::vector<int64_t> given, call.integers_from(1, call.in.opset < 2 ? "paddings" : "pads"));
  std::vector<size_t> axes;
  if (call.has_input(3)) {
    THIMBLE_LET(const auto named, call.constant_integers(3));
    THIMBLE_LET(axes, axes_in(named, rank));
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(i);
  }
  if (given.size() != 2 * axes.size()) return damaged(fmt::format("{} pads for {} axes", given.size(), axes.size()));
  Pads pads{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    pads.before[axes[i]] = given[i];
    pads.after[axes[i]] = given[i + axes.size()];
  }
  return pads;
}

// Negative pads cut.
Result<Item> cut(Call& call, const Item& x, Pads& pads) {
  Shape begin(x.rank(), 0), size = x.shape;
  bool any = false;
  for (size_t i = 0; i < x.rank(); ++i) {
    constexpr int64_t kMost = int64_t{1} << 30;
    const auto fits = [](int64_t pad) { return pad >= -kMost && pad <= kMost; };
    if (!fits(pads.before[i]) || !fits(pads.after[i])) return damaged("pads beyond any size");
    begin[i] = std::max<int64_t>(0, -pads.before[i]);
    size[i] -= begin[i] + std::max<int64_t>(0, -pads.after[i]);
    if (size[i] < 1) return damaged(fmt::format("pads leave nothing of axis {}", i));
    any = any || size[i] != x.shape[i];
    pads.before[i] = std::max<int64_t>(0, pads.before[i]);
    pads.after[i] = std::max<int64_t>(0, pads.after[i]);
  }
  return any ? emit_slice(call, x, begin, size) : Result<Item>(x);
}

// Each padded axis picks its elements by constant indices.
Result<Item> pad_by_index(Call& call, Item x, const Pads& pads, bool wrap) {
  for (size_t axis = 0; axis < pads.before.size(); ++axis) {
    if (!pads.before[axis] && !pads.after[axis]) continue;
    std::vector<int64_t> indices;
    const int64_t extent = x.shape[axis], total = extent + pads.before[axis] + pads.after[axis];
    THIMBLE_TRY(call.in.spend(total * 8));
    for (int64_t i = -pads.before[axis]; i < extent + pads.after[axis]; ++i)
      indices.push_back(wrap ? ((i % extent) + extent) % extent : std::clamp<int64_t>(i, 0, extent - 1));
    THIMBLE_LET(x, emit_gather(call, x, axis, indices));
  }
  return x;
}

Result<Items> pad(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(Pads pads, read_pads(call, given->rank()));
  THIMBLE_LET(Item x, cut(call, *given, pads));
  const std::string mode = call.word("mode", "constant");
  if (mode == "edge" || mode == "wrap") return only(pad_by_index(call, x, pads, mode == "wrap"));
  if (mode != "constant" && mode != "reflect")
    return refuse(fmt::format("pad mode {}", clean_name(mode)), "use constant, reflect or edge");
  float value = call.real("value", 0);
  Item scalar;
  if (call.has_input(2)) {
    THIMBLE_LET(scalar, scalar_input(call, 2, x));
    value = floats_of(*scalar.constant)[0];
  } else {
    THIMBLE_LET(scalar, scalar_like(call.in, x, value));
  }
  const bool plain = mode == "reflect" || value == 0;
  if (!plain || x.type != DType::f32) {
    THIMBLE_LET(x, call.in.as_declared(x));
  }
  const Order order = call.in.order_of(x);
  std::vector<int64_t> paddings;
  bool any = false;
  for (int axis : order)
    for (int64_t amount : {pads.before[static_cast<size_t>(axis)], pads.after[static_cast<size_t>(axis)]}) {
      paddings.push_back(amount);
      any = any || amount;
    }
  if (!any) return Items{x};
  Attrs attrs;
  attrs.set("paddings", paddings);
  if (mode == "reflect") attrs.set("mode", "reflect");
  std::vector<ValueId> further;
  if (!plain) {
    THIMBLE_LET(const Item listed, call.in.reshaped(scalar, {1}));
    THIMBLE_LET(const ValueId id, call.in.plain(listed));
    further.push_back(id);
  }
  return emit_move(call, mode == "reflect" ? "mirror_pad" : plain ? "pad" : "padv2", x, order, attrs, further);
}

// ---- blocks

Result<Items> depth_to_space(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  if (given->rank() != 4) return damaged(fmt::format("[N, C, H, W] expected, found {}", to_string(given->shape)));
  const int64_t block = call.integer("blocksize");
  const bool to_space = call.op() == "DepthToSpace";
  if (block < 1 || block > 1024 || (to_space && given->shape[1] % (block * block) != 0))
    return damaged(fmt::format("blocks of {} in {}", block, to_string(given->shape)));
  Item x = *given;
  if (to_space && call.word("mode", "DCR") == "CRD") {
    const int64_t channels = x.shape[1] / (block * block);
    THIMBLE_TRY(call.in.spend(x.shape[1] * 8));
    std::vector<int64_t> indices;
    for (int64_t at = 0; at < block * block; ++at)
      for (int64_t c = 0; c < channels; ++c) indices.push_back(c * block * block + at);
    THIMBLE_LET(x, emit_gather(call, x, 1, indices));
  }
  Attrs attrs;
  attrs.set("block_size", block);
  return emit_move(call, to_space ? "depth_to_space" : "space_to_depth", x, channels_last(4), attrs);
}

}  // namespace

Result<Item> emit_slice(Call& call, const Item& x, const Shape& begin, const Shape& size) {
  if (size == x.shape) return x;
  const Order order = call.in.order_of(x);
  Attrs attrs;
  attrs.set("begin", permuted(begin, order)).set("size", permuted(size, order));
  THIMBLE_LET(const Items out, emit_move(call, "slice", x, order, attrs));
  return out[0];
}

Result<ValueId> emit_concat(Importer& in, std::vector<ValueId> ids, int64_t axis, const Quantization& output) {
  constexpr size_t kMost = 24;
  Attrs attrs;
  attrs.set("axis", axis);
  while (ids.size() > 1) {
    std::vector<ValueId> joined;
    for (size_t at = 0; at < ids.size(); at += kMost) {
      const std::vector<ValueId> group(ids.begin() + static_cast<ptrdiff_t>(at),
                                       ids.begin() + static_cast<ptrdiff_t>(std::min(at + kMost, ids.size())));
      if (group.size() == 1) {
        joined.push_back(group[0]);
        continue;
      }
      THIMBLE_LET(const Items out, in.emit("concatenation", group, attrs, {}, output));
      joined.push_back(out[0].id);
    }
    ids = std::move(joined);
  }
  return ids[0];
}

Result<Item> emit_gather(Call& call, const Item& x, size_t axis, const std::vector<int64_t>& indices) {
  bool run = !indices.empty();
  for (size_t i = 1; i < indices.size(); ++i) run = run && indices[i] == indices[i - 1] + 1;
  if (run) {
    Shape begin(x.rank(), 0), size = x.shape;
    begin[axis] = indices[0];
    size[axis] = static_cast<int64_t>(indices.size());
    return emit_slice(call, x, begin, size);
  }
  const Order order = call.in.order_of(x);
  THIMBLE_LET(const Item item,
              call.in.constant_item(integer_tensor(DType::i32, {static_cast<int64_t>(indices.size())}, indices)));
  THIMBLE_LET(const ValueId id, call.in.plain(item));
  Attrs attrs;
  attrs.set("axis", place_of(axis, order)).set("batch_dims", int64_t{0});
  THIMBLE_LET(const Items out, emit_move(call, "gather", x, order, attrs, {id}));
  return out[0];
}

void add_movement(HandlerTable& table) {
  table.insert({{"Concat", concat},
                {"Split", split},
                {"Slice", slice},
                {"Gather", gather},
                {"GatherND", gather_nd},
                {"GatherElements", gather_elements},
                {"Tile", tile},
                {"Pad", pad},
                {"DepthToSpace", depth_to_space},
                {"SpaceToDepth", depth_to_space}});
  add_resize(table);
}

}  // namespace thimble::onnx_import
