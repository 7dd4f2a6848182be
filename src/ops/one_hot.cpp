// one_hot: inputs indices (int32 or int64), on and off (one element each); output of their type with a new axis of
// extent depth at attribute axis (-1: the last).
#include "device/kernels/one_hot.h"

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "depth", TfliteConstantInput::kNumber}};

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  constexpr int64_t kMost = int64_t{1} << 24;
  const ValueType &indices = args.inputs[0], &on = args.inputs[1], &off = args.inputs[2];
  const auto rank = static_cast<int64_t>(indices.shape.size());
  const int64_t depth = args.attrs.integer("depth"), given = args.attrs.integer("axis", -1);
  const int64_t axis = given == -1 ? rank : given;
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    return fail(ErrorCode::bad_data, fmt::format("indices must be int32 or int64, found {}", name_of(indices.dtype)));
  if (on.dtype != off.dtype || element_count(on.shape) != 1 || element_count(off.shape) != 1)
    return fail(ErrorCode::bad_data,
                fmt::format("on and off must be one element each of one type, found {} {} and {} {}", name_of(on.dtype),
                            to_string(on.shape), name_of(off.dtype), to_string(off.shape)));
  if (depth < 1 || depth > kMost)
    return fail(ErrorCode::bad_data, fmt::format("depth must be 1 to {}, found {}", kMost, depth));
  if (axis < 0 || axis > rank)
    return fail(ErrorCode::bad_data, fmt::format("axis must be -1 to {}, found {}", rank, given));
  Shape shape = indices.shape;
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), depth);
  return std::vector<ValueType>{{on.dtype, std::move(shape)}};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  const Value& output = args.graph[args.node.outputs[0]];
  for (size_t i : {1u, 2u})
    if (args.graph[args.node.inputs[i]].quantization != output.quantization)
      return cannot_lower(args.node, "on and off have the scale and zero point of the output");
  THIMBLE_LET(const AxisExtents e, axis_extents(args.node.attrs.integer("axis", -1), output.type.shape));
  const DType indices = args.graph[args.node.inputs[0]].type.dtype;
  auto call = KernelCall::make(
      fmt::format("one_hot_{}", kernel_suffix(indices)),
      device::OneHotParams{e.outer, e.count, e.inner, static_cast<int32_t>(size_of(output.type.dtype))});
  for (ValueId input : args.node.inputs) call.operand(operand_of(args.graph, input));
  call.operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("axis", reader.integer("axis"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) { writer.integer("axis", attrs.integer("axis", -1)); }

}  // namespace

const OpSpec& one_hot() {
  static const OpSpec spec{
      .name = "one_hot",
      .doc = "A vector for each index that is on at the index and off elsewhere.",
      .traits = {.min_inputs = 3, .max_inputs = 3},
      .dtypes = kAllDTypes,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"it makes two values from indices"},
      .tflite = TfliteMapping{.builtin = "ONE_HOT",
                              .options = "OneHotOptions",
                              .read = read_options,
                              .write = write_options,
                              .constant_inputs = kConstantInputs},
      .lower = lower,
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
