// Picking parts by indices: gather (attributes axis and batch_dims), gather_nd, embedding_lookup; and
// dynamic_update_slice, which puts a block where its third input says. Indices may be constant or computed, int16
// (gather only), int32 or int64. A computed index outside its axis gives zeros; a start is moved so that the block
// stays inside.
#include "device/kernels/gather.h"

#include <algorithm>
#include <array>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr size_t kAxes = 6;  // of the kernels
using Axes = std::array<int32_t, kAxes>;

int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t result = 1;
  for (size_t axis = begin; axis < end; ++axis) result *= shape[axis];
  return result;
}

// What the kernel is told: see GatherParams.
struct Rows {
  int64_t batches = 1, outer = 1, count = 1, row = 1;  // row in elements
  Shape indexed;                                       // extents of the axes that indices count along
};

int64_t index_of(const Tensor& indices, size_t position) {
  if (indices.dtype == DType::i16) return indices.as<int16_t>()[position];
  if (indices.dtype == DType::i32) return indices.as<int32_t>()[position];
  return indices.as<int64_t>()[position];
}

// source, indices: which inputs of the node.
Result<std::vector<KernelCall>> gather_call(const LowerArgs& args, const Rows& rows, size_t source, size_t indices) {
  const Value& picks = args.graph[args.node.inputs[indices]];
  const size_t depth = rows.indexed.size();
  if (depth > kAxes)
    return cannot_lower(args.node, fmt::format("indices along {} axes; at most {} are supported", depth, kAxes));
  if (picks.constant)
    for (size_t i = 0; i < static_cast<size_t>(picks.constant->size()); ++i) {
      const int64_t index = index_of(*picks.constant, i), extent = rows.indexed[i % depth];
      if (index < 0 || index >= extent)
        return fail(ErrorCode::bad_data, fmt::format("index {} is outside an axis of {}", index, extent),
                    args.node.name);
    }
  const auto bytes = static_cast<int64_t>(size_of(args.graph[args.node.outputs[0]].type.dtype)) * rows.row;
  Axes extent, stride;
  extent.fill(1);
  stride.fill(static_cast<int32_t>(bytes));
  const std::vector<int64_t> strides = strides_of(rows.indexed);
  for (size_t axis = 0; axis < depth; ++axis) {
    extent[axis] = static_cast<int32_t>(rows.indexed[axis]);
    stride[axis] = static_cast<int32_t>(strides[axis] * bytes);
  }
  auto call = KernelCall::make(
      "gather",
      device::GatherParams{static_cast<int32_t>(rows.batches), static_cast<int32_t>(rows.outer),
                           static_cast<int32_t>(rows.count), static_cast<int32_t>(depth), static_cast<int32_t>(bytes),
                           static_cast<int32_t>(size_of(picks.type.dtype)), extent[0], extent[1], extent[2], extent[3],
                           extent[4], extent[5], stride[0], stride[1], stride[2], stride[3], stride[4], stride[5]});
  call.operand(input_operand(args, source)).operand(input_operand(args, indices)).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

// ---- gather

struct GatherAxes {
  size_t axis = 0, batch_dims = 0;
};

Result<GatherAxes> gather_axes(const Attrs& attrs, const Shape& input, const Shape& indices) {
  THIMBLE_LET(const size_t axis, axis_of(attrs.integer("axis"), input.size()));
  int64_t batch_dims = attrs.integer("batch_dims");
  const auto most = static_cast<int64_t>(std::min(axis, indices.size()));
  if (batch_dims < 0 && batch_dims >= -static_cast<int64_t>(indices.size()))
    batch_dims += static_cast<int64_t>(indices.size());
  bool valid = batch_dims >= 0 && batch_dims <= most;
  for (size_t i = 0; valid && i < static_cast<size_t>(batch_dims); ++i) valid = input[i] == indices[i];
  if (!valid)
    return fail(ErrorCode::bad_data,
                fmt::format("batch_dims {} does not fit axis {} of {} with indices {}", attrs.integer("batch_dims"),
                            axis, to_string(input), to_string(indices)));
  return GatherAxes{axis, static_cast<size_t>(batch_dims)};
}

Result<std::vector<ValueType>> infer_gather(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &indices = args.inputs[1].shape;
  THIMBLE_TRY(check_indices(args.inputs[1], true));
  THIMBLE_LET(const GatherAxes axes, gather_axes(args.attrs, input, indices));
  const auto at = [](const Shape& shape, size_t i) { return shape.begin() + static_cast<ptrdiff_t>(i); };
  Shape output(input.begin(), at(input, axes.axis));
  output.insert(output.end(), at(indices, axes.batch_dims), indices.end());
  output.insert(output.end(), at(input, axes.axis + 1), input.end());
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(output)}};
}

Result<std::vector<KernelCall>> lower_gather(const LowerArgs& args) {
  const Shape &input = args.graph[args.node.inputs[0]].type.shape,
              &indices = args.graph[args.node.inputs[1]].type.shape;
  THIMBLE_LET(const GatherAxes axes, gather_axes(args.node.attrs, input, indices));
  const Rows rows{.batches = product(input, 0, axes.batch_dims),
                  .outer = product(input, axes.batch_dims, axes.axis),
                  .count = product(indices, axes.batch_dims, indices.size()),
                  .row = product(input, axes.axis + 1, input.size()),
                  .indexed = {input[axes.axis]}};
  return gather_call(args, rows, 0, 1);
}

Outcome read_gather(const AttrReader& reader, Attrs& attrs) {
  attrs.set("axis", reader.integer("axis")).set("batch_dims", reader.integer("batch_dims"));
  return {};
}

void write_gather(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("axis", attrs.integer("axis"));
  writer.integer("batch_dims", attrs.integer("batch_dims"));
}

// ---- gather_nd: the last axis of the indices holds one index for each leading axis of the input

Result<std::vector<ValueType>> infer_gather_nd(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &indices = args.inputs[1].shape;
  THIMBLE_TRY(check_indices(args.inputs[1], true));
  if (indices.empty() || indices.back() > static_cast<int64_t>(input.size()))
    return fail(ErrorCode::bad_data,
                fmt::format("indices {} name more axes than {} has", to_string(indices), to_string(input)));
  Shape output(indices.begin(), indices.end() - 1);
  output.insert(output.end(), input.begin() + static_cast<ptrdiff_t>(indices.back()), input.end());
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(output)}};
}

Result<std::vector<KernelCall>> lower_gather_nd(const LowerArgs& args) {
  const Shape &input = args.graph[args.node.inputs[0]].type.shape,
              &indices = args.graph[args.node.inputs[1]].type.shape;
  const auto depth = static_cast<size_t>(indices.back());
  const Rows rows{.count = product(indices, 0, indices.size() - 1),
                  .row = product(input, depth, input.size()),
                  .indexed = Shape(input.begin(), input.begin() + indices.back())};
  return gather_call(args, rows, 0, 1);
}

// ---- embedding_lookup: indices first, then the table

Result<std::vector<ValueType>> infer_lookup(const InferArgs& args) {
  THIMBLE_TRY(check_indices(args.inputs[0]));
  Shape output = args.inputs[1].shape;
  if (output.size() < 2 || args.inputs[0].shape.size() != 1)
    return fail(ErrorCode::bad_data, fmt::format("expected a list of indices and a table, found {} and {}",
                                                 to_string(args.inputs[0].shape), to_string(output)));
  output[0] = args.inputs[0].shape[0];
  return std::vector<ValueType>{{args.inputs[1].dtype, std::move(output)}};
}

Result<std::vector<KernelCall>> lower_lookup(const LowerArgs& args) {
  const Shape& table = args.graph[args.node.inputs[1]].type.shape;
  const Rows rows{.count = args.graph[args.node.inputs[0]].type.shape[0],
                  .row = product(table, 1, table.size()),
                  .indexed = {table[0]}};
  return gather_call(args, rows, 1, 0);
}

// ---- dynamic_update_slice: tensor, update, starts

Result<std::vector<ValueType>> infer_update(const InferArgs& args) {
  const Shape &whole = args.inputs[0].shape, &part = args.inputs[1].shape;
  THIMBLE_TRY(check_indices(args.inputs[2]));
  bool valid = args.inputs[0].dtype == args.inputs[1].dtype && whole.size() == part.size() && !whole.empty() &&
               args.inputs[2].shape == Shape{static_cast<int64_t>(whole.size())};
  for (size_t axis = 0; valid && axis < whole.size(); ++axis) valid = part[axis] <= whole[axis];
  if (!valid)
    return fail(
        ErrorCode::bad_data,
        fmt::format("a block {} {} cannot be put into {} {} at {}", name_of(args.inputs[1].dtype), to_string(part),
                    name_of(args.inputs[0].dtype), to_string(whole), to_string(args.inputs[2].shape)));
  return std::vector{args.inputs[0]};
}

Result<std::vector<KernelCall>> lower_update(const LowerArgs& args) {
  const ValueType& tensor = args.graph[args.node.inputs[0]].type;
  std::vector<KernelCall> calls =
      copy_calls(whole(tensor.shape), tensor.dtype, input_operand(args, 0), args.node.outputs[0]);
  THIMBLE_LET(KernelCall update, copy_call_at(args, tensor.shape, args.graph[args.node.inputs[1]].type.shape, true,
                                              input_operand(args, 1), 2));
  calls.push_back(std::move(update));
  return calls;
}

}  // namespace

const OpSpec& gather() {
  static const OpSpec spec{
      .name = "gather",
      .doc = "Parts of a tensor along one axis, picked by indices.",
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = kAllDTypes,
      .infer = infer_gather,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "GATHER",
                              .options = "GatherOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = read_gather,
                              .write = write_gather},
      .lower = lower_gather,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& gather_nd() {
  static const OpSpec spec{
      .name = "gather_nd",
      .doc = "Parts of a tensor, each picked by an index for every leading axis.",
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = kAllDTypes,
      .infer = infer_gather_nd,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "GATHER_ND",
                              .options = "GatherNdOptions",
                              .version_i16 = 3,
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = lower_gather_nd,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& embedding_lookup() {
  static const OpSpec spec{
      .name = "embedding_lookup",
      .doc = "Rows of a table, picked by indices.",
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = kAllDTypes,
      .infer = infer_lookup,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"the table keeps the type that it was imported with"},
      .tflite =
          TfliteMapping{.builtin = "EMBEDDING_LOOKUP", .options = "", .read = reads_nothing, .write = writes_nothing},
      .lower = lower_lookup,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& dynamic_update_slice() {
  static const OpSpec spec{
      .name = "dynamic_update_slice",
      .doc = "A tensor with a block of it replaced, at a place that is an input.",
      .traits = {.min_inputs = 3, .max_inputs = 3},
      .dtypes = kAllDTypes,
      .infer = infer_update,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite = TfliteMapping{.builtin = "DYNAMIC_UPDATE_SLICE",
                              .options = "DynamicUpdateSliceOptions",
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = lower_update,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
