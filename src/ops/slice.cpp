// Parts of a tensor: slice (begin and size of each axis; size -1 is the rest; begin may instead be a second input, and
// is then moved so that the part lies inside), strided_slice (begin, end and stride of
// each index, with TFLite's bit masks: a set bit of begin_mask or end_mask takes the axis from its start or to its end,
// of shrink_axis_mask drops the axis, of new_axis_mask inserts one, of ellipsis_mask stands for all axes between;
// offset 1: end counts from begin), reverse_v2 (axes).
#include <algorithm>
#include <optional>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

// ---- slice

// begin is an input.
Result<std::vector<ValueType>> infer_slice_at(const InferArgs& args) {
  const Shape &shape = args.inputs[0].shape, size = args.attrs.integers("size");
  THIMBLE_TRY(check_indices(args.inputs[1]));
  bool valid = !shape.empty() && size.size() == shape.size() &&
               args.inputs[1].shape == Shape{static_cast<int64_t>(shape.size())};
  for (size_t axis = 0; valid && axis < shape.size(); ++axis) valid = size[axis] >= 1 && size[axis] <= shape[axis];
  if (!valid)
    return fail(ErrorCode::bad_data, fmt::format("{} has no part of size {} at a place that is computed",
                                                 to_string(shape), to_string(size)));
  return std::vector<ValueType>{{args.inputs[0].dtype, size}};
}

Result<std::vector<ValueType>> infer_slice(const InferArgs& args) {
  if (args.inputs.size() == 2) return infer_slice_at(args);
  Shape shape = args.inputs[0].shape;
  const std::vector<int64_t> begin = args.attrs.integers("begin"), size = args.attrs.integers("size");
  bool valid = begin.size() == shape.size() && size.size() == shape.size();
  for (size_t axis = 0; valid && axis < shape.size(); ++axis) {
    valid = begin[axis] >= 0 && begin[axis] < shape[axis] && size[axis] >= -1 && size[axis] != 0 &&
            size[axis] <= shape[axis] - begin[axis];
    if (valid) shape[axis] = size[axis] == -1 ? shape[axis] - begin[axis] : size[axis];
  }
  if (!valid)
    return fail(ErrorCode::bad_data, fmt::format("{} has no part of size {} at {}", to_string(args.inputs[0].shape),
                                                 to_string(size), to_string(begin)));
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

std::vector<Copy> slice_moves(const MoveArgs& args) {
  const std::vector<int64_t> begin = args.attrs.integers("begin");
  Copy copy{0, 0, args.outputs[0], strides_of(args.inputs[0]), strides_of(args.outputs[0])};
  for (size_t axis = 0; axis < begin.size(); ++axis) copy.from += begin[axis] * copy.from_strides[axis];
  return {copy};
}

Result<std::vector<KernelCall>> lower_slice(const LowerArgs& args) {
  if (args.node.inputs.size() == 1) return lower_moves(slice_moves)(args);
  THIMBLE_LET(KernelCall call,
              copy_call_at(args, args.graph[args.node.inputs[0]].type.shape,
                           args.graph[args.node.outputs[0]].type.shape, false, input_operand(args, 0), 1));
  return std::vector{std::move(call)};
}

// ---- strided_slice

// What a strided slice takes of one axis of the input.
struct Range {
  int64_t start = 0, count = 1, stride = 1;
  bool kept = true;  // an axis of the output
};
struct Selection {
  std::vector<Range> ranges;  // one per axis of the input
  Shape output;               // with new axes
};

int64_t clamped(int64_t index, int64_t extent, int64_t stride) {
  if (index < 0) index = index < -extent ? -1 : index + extent;
  return stride > 0 ? std::clamp<int64_t>(index, 0, extent) : std::clamp<int64_t>(index, -1, extent - 1);
}

std::optional<Range> range_of(const Attrs& attrs, size_t index, int64_t extent) {
  const auto bit = [&](std::string_view mask) { return (attrs.integer(mask) >> index & 1) != 0; };
  constexpr int64_t kMost = int64_t{1} << 31;
  const auto number = [&](std::string_view name) { return std::clamp(attrs.integers(name)[index], -kMost, kMost); };
  Range range{.start = number("begin"), .stride = number("strides"), .kept = !bit("shrink_axis_mask")};
  if (range.stride == 0) return std::nullopt;
  const bool forward = range.stride > 0;
  range.start = bit("begin_mask") ? (forward ? 0 : extent - 1) : clamped(range.start, extent, range.stride);
  if (!range.kept) return range.start >= 0 && range.start < extent ? std::optional(range) : std::nullopt;
  const int64_t given = number("end") + (attrs.integer("offset") ? range.start : 0);
  const int64_t end = bit("end_mask") ? (forward ? extent : -1) : clamped(given, extent, range.stride);
  range.count = (end - range.start + range.stride - (forward ? 1 : -1)) / range.stride;
  return range.count > 0 ? std::optional(range) : std::nullopt;
}

Result<Selection> select(const Attrs& attrs, const Shape& input) {
  const size_t count = attrs.integers("begin").size();
  if (attrs.integers("end").size() != count || attrs.integers("strides").size() != count || count > 32)
    return fail(ErrorCode::bad_data,
                fmt::format("begin, end and strides must be of one length, found {}, {} and {}", count,
                            attrs.integers("end").size(), attrs.integers("strides").size()));
  const auto bit = [&](std::string_view mask, size_t index) { return (attrs.integer(mask) >> index & 1) != 0; };
  // Indices that name an axis of the input; the ellipsis stands for the axes that are left.
  size_t named = 0;
  bool seen = false;
  for (size_t i = 0; i < count; ++i) {
    const bool ellipsis = bit("ellipsis_mask", i);
    if (ellipsis && seen) return fail(ErrorCode::bad_data, "more than one ellipsis");
    seen = seen || ellipsis;
    if (!ellipsis && !bit("new_axis_mask", i)) ++named;
  }
  if (named > input.size())
    return fail(ErrorCode::bad_data, fmt::format("{} indices for the axes of {}", named, to_string(input)));
  const auto keep_whole = [&](Selection& to, size_t axes) {
    for (size_t k = 0; k < axes; ++k) {
      to.ranges.push_back({.count = input[to.ranges.size()]});
      to.output.push_back(to.ranges.back().count);
    }
  };
  Selection selection;
  for (size_t i = 0; i < count; ++i) {
    if (bit("ellipsis_mask", i)) {
      keep_whole(selection, input.size() - named);
    } else if (bit("new_axis_mask", i)) {
      selection.output.push_back(1);
    } else {
      const size_t axis = selection.ranges.size();
      const std::optional<Range> range = range_of(attrs, i, input[axis]);
      if (!range)
        return fail(ErrorCode::bad_data, fmt::format("takes nothing of axis {} of {}", axis, to_string(input)));
      selection.ranges.push_back(*range);
      if (range->kept) selection.output.push_back(range->count);
    }
  }
  keep_whole(selection, input.size() - selection.ranges.size());
  return selection;
}

Result<std::vector<ValueType>> infer_strided_slice(const InferArgs& args) {
  THIMBLE_LET(Selection selection, select(args.attrs, args.inputs[0].shape));
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(selection.output)}};
}

std::vector<Copy> strided_slice_moves(const MoveArgs& args) {
  const Selection selection = *select(args.attrs, args.inputs[0]);
  Copy copy{.from_strides = strides_of(args.inputs[0])};
  for (size_t axis = 0; axis < selection.ranges.size(); ++axis) {
    const Range& range = selection.ranges[axis];
    copy.from += range.start * copy.from_strides[axis];
    copy.from_strides[axis] *= range.stride;
    copy.extents.push_back(range.count);
  }
  copy.to_strides = strides_of(copy.extents);
  return {copy};
}

Outcome read_strided_slice(const AttrReader& reader, Attrs& attrs) {
  for (const char* mask : {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset"})
    attrs.set(mask, reader.integer(mask));
  return {};
}

void write_strided_slice(const Attrs& attrs, AttrWriter& writer) {
  for (const char* mask : {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"})
    writer.integer(mask, attrs.integer(mask));
  if (attrs.integer("offset")) writer.integer("offset", 1);
}

// ---- reverse_v2

Result<std::vector<ValueType>> infer_reverse(const InferArgs& args) {
  std::vector<bool> seen(args.inputs[0].shape.size(), false);
  for (int64_t number : args.attrs.integers("axes")) {
    THIMBLE_LET(const size_t axis, axis_of(number, seen.size()));
    if (seen[axis]) return fail(ErrorCode::bad_data, fmt::format("axis {} is listed twice", number));
    seen[axis] = true;
  }
  return std::vector{args.inputs[0]};
}

std::vector<Copy> reverse_moves(const MoveArgs& args) {
  Copy copy{0, 0, args.inputs[0], strides_of(args.inputs[0]), strides_of(args.inputs[0])};
  for (int64_t number : args.attrs.integers("axes")) {
    const size_t axis = *axis_of(number, copy.extents.size());
    copy.from += copy.from_strides[axis] * (copy.extents[axis] - 1);
    copy.from_strides[axis] *= -1;
  }
  return {copy};
}

}  // namespace

const OpSpec& slice() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "begin", 0, true}, {2, "size"}};
  static const OpSpec spec{
      .name = "slice",
      .doc = "A block of a tensor.",
      .traits = {.max_inputs = 2},
      .dtypes = kAllDTypes,
      .infer = infer_slice,
      .forward = forward_moves(slice_moves),
      .backward = backward_moves(slice_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "SLICE",
                              .options = "SliceOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_slice,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& strided_slice() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "begin"}, {2, "end"}, {3, "strides"}};
  static const OpSpec spec{
      .name = "strided_slice",
      .doc = "Every n-th element of parts of the axes, forwards or backwards.",
      .dtypes = kAllDTypes,
      .infer = infer_strided_slice,
      .forward = forward_moves(strided_slice_moves),
      .backward = backward_moves(strided_slice_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "STRIDED_SLICE",
                              .options = "StridedSliceOptions",
                              .version = 2,
                              .read = read_strided_slice,
                              .write = write_strided_slice,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(strided_slice_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& reverse_v2() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "axes"}};
  static const OpSpec spec{
      .name = "reverse_v2",
      .doc = "A tensor with the order along some axes turned round.",
      .dtypes = kAllDTypes,
      .infer = infer_reverse,
      .forward = forward_moves(reverse_moves),
      .backward = backward_moves(reverse_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "REVERSE_V2",
                              .options = "ReverseV2Options",
                              .version = 3,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(reverse_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
