// Joining tensors along an axis and cutting them apart: concatenation and pack (a new axis), split, split_v and unpack.
// Attribute axis, negative from the end. pack and unpack: count, of the parts; split: count, of equal parts; split_v:
// sizes of the parts, one of them may be -1 (the rest).
#include <algorithm>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr int kMostParts = 256;

Shape without(Shape shape, size_t axis) {
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis));
  return shape;
}

Result<std::vector<ValueType>> infer_concatenation(const InferArgs& args) {
  THIMBLE_TRY(check_one_dtype(args));
  ValueType joined = args.inputs[0];
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), joined.shape.size()));
  for (const ValueType& input : args.inputs.subspan(1)) {
    if (input.shape.size() != joined.shape.size() || without(input.shape, axis) != without(joined.shape, axis))
      return fail(ErrorCode::bad_data, fmt::format("inputs may differ in axis {} only, found {} and {}", axis,
                                                   to_string(args.inputs[0].shape), to_string(input.shape)));
    joined.shape[axis] += input.shape[axis];
  }
  return std::vector{std::move(joined)};
}

// Input i of `parts` lies in the whole at `at` along the axis.
Copy part_copy(const Shape& part, const Shape& whole, size_t axis, int64_t at, int number) {
  const std::vector<int64_t> strides = strides_of(whole);
  return {number, 0, part, strides_of(part), strides, 0, at * strides[axis]};
}

std::vector<Copy> join(std::span<const Shape> parts, const Shape& whole, size_t axis) {
  std::vector<Copy> copies;
  int64_t at = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    copies.push_back(part_copy(parts[i], whole, axis, at, static_cast<int>(i)));
    at += parts[i][axis];
  }
  return copies;
}

std::vector<Copy> reversed(std::vector<Copy> copies) {
  for (Copy& copy : copies) copy = copy.reversed();
  return copies;
}

std::vector<Copy> concatenation_moves(const MoveArgs& args) {
  return join(args.inputs, args.outputs[0], *axis_of(args.attrs.integer("axis"), args.outputs[0].size()));
}

std::vector<Copy> split_moves(const MoveArgs& args) {
  return reversed(join(args.outputs, args.inputs[0], *axis_of(args.attrs.integer("axis"), args.inputs[0].size())));
}

// Parts without the axis, seen as parts with an axis of one element.
std::vector<Copy> stack(std::span<const Shape> parts, const Shape& whole, int64_t axis_attr) {
  const size_t axis = *axis_of(axis_attr, whole.size());
  std::vector<Shape> slices(parts.begin(), parts.end());
  for (Shape& slice : slices) slice.insert(slice.begin() + static_cast<ptrdiff_t>(axis), 1);
  return join(slices, whole, axis);
}

std::vector<Copy> pack_moves(const MoveArgs& args) {
  return stack(args.inputs, args.outputs[0], args.attrs.integer("axis"));
}

std::vector<Copy> unpack_moves(const MoveArgs& args) {
  return reversed(stack(args.outputs, args.inputs[0], args.attrs.integer("axis")));
}

Result<std::vector<ValueType>> infer_pack(const InferArgs& args) {
  THIMBLE_TRY(check_one_dtype(args));
  ValueType packed = args.inputs[0];
  for (const ValueType& input : args.inputs)
    if (input.shape != packed.shape)
      return fail(ErrorCode::bad_data, fmt::format("inputs must be of one shape, found {} and {}",
                                                   to_string(packed.shape), to_string(input.shape)));
  const auto parts = static_cast<int64_t>(args.inputs.size());
  if (args.attrs.integer("count") != parts)
    return fail(ErrorCode::bad_data,
                fmt::format("count is {}, but there are {} inputs", args.attrs.integer("count"), parts));
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), packed.shape.size() + 1));
  packed.shape.insert(packed.shape.begin() + static_cast<ptrdiff_t>(axis), parts);
  return std::vector{std::move(packed)};
}

Result<int64_t> count_of(const Attrs& attrs) {
  const int64_t count = attrs.integer("count");
  if (count < 1 || count > kMostParts)
    return fail(ErrorCode::bad_data, fmt::format("expected 1 to {} parts, found {}", kMostParts, count));
  return count;
}

Result<std::vector<ValueType>> infer_unpack(const InferArgs& args) {
  const ValueType& input = args.inputs[0];
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), input.shape.size()));
  THIMBLE_LET(const int64_t count, count_of(args.attrs));
  if (input.shape[axis] != count)
    return fail(ErrorCode::bad_data,
                fmt::format("axis {} of {} cannot become {} parts", axis, to_string(input.shape), count));
  return std::vector<ValueType>(static_cast<size_t>(count), {input.dtype, without(input.shape, axis)});
}

Result<std::vector<ValueType>> infer_split(const InferArgs& args) {
  ValueType part = args.inputs[0];
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), part.shape.size()));
  THIMBLE_LET(const int64_t count, count_of(args.attrs));
  if (part.shape[axis] % count != 0)
    return fail(ErrorCode::bad_data,
                fmt::format("axis {} of {} cannot become {} equal parts", axis, to_string(part.shape), count));
  part.shape[axis] /= count;
  return std::vector<ValueType>(static_cast<size_t>(count), part);
}

Result<std::vector<ValueType>> infer_split_v(const InferArgs& args) {
  const ValueType& input = args.inputs[0];
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), input.shape.size()));
  std::vector<int64_t> sizes = args.attrs.integers("sizes");
  int64_t rest = input.shape[axis];
  int64_t* open = nullptr;
  bool valid = !sizes.empty() && sizes.size() <= kMostParts;
  for (int64_t& size : sizes) {
    if (size == -1 && !open) {
      open = &size;
      continue;
    }
    valid = valid && size > 0 && size <= rest;
    if (valid) rest -= size;
  }
  if (open) *open = rest;
  if (!valid || (open ? rest < 1 : rest != 0))
    return fail(ErrorCode::bad_data, fmt::format("axis {} of {} cannot be cut into parts of {}", axis,
                                                 to_string(input.shape), to_string(args.attrs.integers("sizes"))));
  std::vector<ValueType> parts(sizes.size(), input);
  for (size_t i = 0; i < sizes.size(); ++i) parts[i].shape[axis] = sizes[i];
  return parts;
}

// As TFLite Micro: 8-bit inputs are joined byte by byte and must share the output's scale; int16 ones need not.
Result<std::vector<KernelCall>> lower_concatenation(const LowerArgs& args) {
  THIMBLE_TRY(check_one_scale(args));
  return lower_moves(concatenation_moves)(args);
}

Outcome read_concatenation(const AttrReader& reader, Attrs& attrs) {
  THIMBLE_TRY(read_fused_activation(reader, attrs));
  if (attrs.word("activation") != "none")
    return fail(ErrorCode::unsupported, "a concatenation with a fused activation is not supported", {},
                "export the model with the activation as an operator of its own");
  attrs = Attrs().set("axis", reader.integer("axis"));
  return {};
}

Outcome read_pack(const AttrReader& reader, Attrs& attrs) {
  attrs.set("axis", reader.integer("axis")).set("count", reader.integer("values_count"));
  return {};
}

void write_pack(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("values_count", attrs.integer("count"));
  writer.integer("axis", attrs.integer("axis"));
}

Outcome read_unpack(const AttrReader& reader, Attrs& attrs) {
  attrs.set("axis", reader.integer("axis")).set("count", reader.integer("num"));
  return {};
}

void write_unpack(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("num", attrs.integer("count"));
  writer.integer("axis", attrs.integer("axis"));
}

Outcome read_split(const AttrReader& reader, Attrs& attrs) {
  attrs.set("count", reader.integer("num_splits"));
  return {};
}

}  // namespace

const OpSpec& concatenation() {
  static const OpSpec spec{
      .name = "concatenation",
      .doc = "Inputs one after another along an axis.",
      .traits = {.min_inputs = 1, .max_inputs = kMostParts},
      .dtypes = kAllDTypes,
      .infer = infer_concatenation,
      .forward = forward_moves(concatenation_moves),
      .backward = backward_moves(concatenation_moves),
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite = TfliteMapping{.builtin = "CONCATENATION",
                              .options = "ConcatenationOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read_concatenation,
                              .write = [](const Attrs& attrs,
                                          AttrWriter& writer) { writer.integer("axis", attrs.integer("axis")); }},
      .lower = lower_concatenation,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& pack() {
  static const OpSpec spec{
      .name = "pack",
      .doc = "Inputs of one shape stacked along a new axis.",
      .traits = {.min_inputs = 1, .max_inputs = kMostParts},
      .dtypes = kAllDTypes,
      .infer = infer_pack,
      .forward = forward_moves(pack_moves),
      .backward = backward_moves(pack_moves),
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite = TfliteMapping{.builtin = "PACK",
                              .options = "PackOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read_pack,
                              .write = write_pack},
      .lower = lower_moves(pack_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& unpack() {
  static const OpSpec spec{
      .name = "unpack",
      .doc = "The slices of a tensor along an axis, which goes away.",
      .dtypes = kAllDTypes,
      .infer = infer_unpack,
      .forward = forward_moves(unpack_moves),
      .backward = backward_moves(unpack_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "UNPACK",
                              .options = "UnpackOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = read_unpack,
                              .write = write_unpack},
      .lower = lower_moves(unpack_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& split() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{0, "axis", TfliteConstantInput::kNumber}};
  static const OpSpec spec{
      .name = "split",
      .doc = "Equal parts of a tensor along an axis.",
      .dtypes = kAllDTypes,
      .infer = infer_split,
      .forward = forward_moves(split_moves),
      .backward = backward_moves(split_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "SPLIT",
                              .options = "SplitOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = read_split,
                              .write = [](const Attrs& attrs,
                                          AttrWriter& writer) { writer.integer("num_splits", attrs.integer("count")); },
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(split_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& split_v() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "sizes"}, {2, "axis", TfliteConstantInput::kNumber}};
  static const OpSpec spec{
      .name = "split_v",
      .doc = "Parts of given sizes of a tensor along an axis.",
      .dtypes = kAllDTypes,
      .infer = infer_split_v,
      .forward = forward_moves(split_moves),
      .backward = backward_moves(split_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "SPLIT_V",
                              .options = "SplitVOptions",
                              .version = 2,
                              .read = reads_nothing,
                              .write =
                                  [](const Attrs& attrs, AttrWriter& writer) {
                                    writer.integer("num_splits", static_cast<int64_t>(attrs.integers("sizes").size()));
                                  },
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(split_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
