// Rearranging and repeating: transpose (perm: output axis i is input axis perm[i]), tile (multiples), broadcast_to
// (shape).
#include <algorithm>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr int64_t kMostElements = int64_t{1} << 31;

// Error unless the shape is positive and what verify() lets a tensor be.
Outcome check_size(const Shape& shape) {
  int64_t room = kMostElements;
  for (int64_t extent : shape) {
    if (extent < 1 || extent > room)
      return fail(ErrorCode::bad_data, fmt::format("an output of shape {} is not possible", to_string(shape)));
    room /= extent;
  }
  return {};
}

Result<std::vector<ValueType>> infer_transpose(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const std::vector<int64_t> perm = args.attrs.integers("perm");
  std::vector<bool> seen(input.size(), false);
  Shape shape;
  for (int64_t number : perm) {
    THIMBLE_LET(const size_t axis, axis_of(number, input.size()));
    if (seen[axis]) break;
    seen[axis] = true;
    shape.push_back(input[axis]);
  }
  if (shape.size() != input.size() || perm.size() != input.size())
    return fail(ErrorCode::bad_data,
                fmt::format("perm {} does not name each axis of {} once", to_string(perm), to_string(input)));
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

std::vector<Copy> transpose_moves(const MoveArgs& args) {
  const std::vector<int64_t> strides = strides_of(args.inputs[0]);
  Copy copy{.extents = args.outputs[0], .to_strides = strides_of(args.outputs[0])};
  for (int64_t axis : args.attrs.integers("perm")) copy.from_strides.push_back(strides[*axis_of(axis, strides.size())]);
  return {copy};
}

Result<std::vector<ValueType>> infer_tile(const InferArgs& args) {
  const std::vector<int64_t> multiples = args.attrs.integers("multiples");
  Shape shape = args.inputs[0].shape;
  bool valid = multiples.size() == shape.size();
  for (size_t axis = 0; valid && axis < shape.size(); ++axis) {
    valid = multiples[axis] >= 1 && multiples[axis] <= kMostElements / shape[axis];
    if (valid) shape[axis] *= multiples[axis];
  }
  if (!valid)
    return fail(ErrorCode::bad_data,
                fmt::format("{} cannot be repeated {} times", to_string(args.inputs[0].shape), to_string(multiples)));
  THIMBLE_TRY(check_size(shape));
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

// Each axis is two in the block: the repetition, then the input's own.
std::vector<Copy> tile_moves(const MoveArgs& args) {
  const std::vector<int64_t> from = strides_of(args.inputs[0]), to = strides_of(args.outputs[0]);
  Copy copy;
  for (size_t axis = 0; axis < from.size(); ++axis) {
    const int64_t extent = args.inputs[0][axis];
    copy.extents.insert(copy.extents.end(), {args.outputs[0][axis] / extent, extent});
    copy.from_strides.insert(copy.from_strides.end(), {0, from[axis]});
    copy.to_strides.insert(copy.to_strides.end(), {to[axis] * extent, to[axis]});
  }
  return {copy};
}

Result<std::vector<ValueType>> infer_broadcast(const InferArgs& args) {
  const Shape shape = args.attrs.integers("shape"), &input = args.inputs[0].shape;
  THIMBLE_TRY(check_size(shape));
  bool valid = input.size() <= shape.size();
  for (size_t i = 1; valid && i <= input.size(); ++i)
    valid = input[input.size() - i] == 1 || input[input.size() - i] == shape[shape.size() - i];
  if (!valid)
    return fail(ErrorCode::bad_data, fmt::format("{} cannot be broadcast to {}", to_string(input), to_string(shape)));
  return std::vector<ValueType>{{args.inputs[0].dtype, shape}};
}

std::vector<Copy> broadcast_moves(const MoveArgs& args) {
  const Shape &input = args.inputs[0], &output = args.outputs[0];
  std::vector<int64_t> from = strides_of(input);
  for (size_t axis = 0; axis < from.size(); ++axis)
    if (input[axis] == 1) from[axis] = 0;
  from.insert(from.begin(), output.size() - input.size(), 0);
  return {{0, 0, output, from, strides_of(output)}};
}

}  // namespace

const OpSpec& transpose() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "perm"}};
  static const OpSpec spec{
      .name = "transpose",
      .doc = "A tensor with its axes in another order.",
      .dtypes = kAllDTypes,
      .infer = infer_transpose,
      .forward = forward_moves(transpose_moves),
      .backward = backward_moves(transpose_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "TRANSPOSE",
                              .options = "TransposeOptions",
                              .version = 2,
                              .version_i16 = 5,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(transpose_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& tile() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "multiples"}};
  static const OpSpec spec{
      .name = "tile",
      .doc = "A tensor repeated along its axes.",
      .dtypes = kAllDTypes,
      .infer = infer_tile,
      .forward = forward_moves(tile_moves),
      .backward = backward_moves(tile_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "TILE",
                              .options = "TileOptions",
                              .version = 3,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(tile_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& broadcast_to() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "shape"}};
  static const OpSpec spec{
      .name = "broadcast_to",
      .doc = "A tensor repeated along its axes of one element, to a given shape.",
      .dtypes = kAllDTypes,
      .infer = infer_broadcast,
      .forward = forward_moves(broadcast_moves),
      .backward = backward_moves(broadcast_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "BROADCAST_TO",
                              .options = "BroadcastToOptions",
                              .version = 3,
                              .version_f32 = 2,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(broadcast_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
