// Searching: arg_max and arg_min give the index of the largest or least element along attribute axis (output_type: 0 is
// int32, 1 int64); topk_v2 gives the attribute k largest elements along the last axis and their indices.
#include "device/kernels/arg.h"

#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kAxisInput[] = {{1, "axis", TfliteConstantInput::kNumber}};
constexpr TfliteConstantInput kCountInput[] = {{1, "k", TfliteConstantInput::kNumber}};

Result<std::vector<ValueType>> infer_arg(const InferArgs& args) {
  Shape shape = args.inputs[0].shape;
  THIMBLE_LET(const AxisExtents e, axis_extents(args.attrs.integer("axis"), shape));
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(e.axis));
  const bool wide = args.attrs.integer("output_type") == 1;
  return std::vector<ValueType>{{wide ? DType::i64 : DType::i32, std::move(shape)}};
}

Result<std::vector<KernelCall>> lower_arg(const LowerArgs& args, bool least) {
  const ValueType& input = args.graph[args.node.inputs[0]].type;
  const DType index = args.graph[args.node.outputs[0]].type.dtype;
  THIMBLE_TRY(input_dtype(args));
  if (input.dtype == DType::i16 && index != DType::i32)
    return cannot_lower(args.node, fmt::format("the indices of int16 numbers are int32, found {}", name_of(index)));
  THIMBLE_LET(const AxisExtents e, axis_extents(args.node.attrs.integer("axis"), input.shape));
  auto call = KernelCall::make(fmt::format("arg_{}_{}", kernel_suffix(input.dtype), kernel_suffix(index)),
                               device::ArgParams{e.outer, e.count, e.inner, least ? 1 : 0});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

// TFLite's numbers of int32 and int64.
constexpr int64_t kTfliteInt32 = 2, kTfliteInt64 = 4;

Outcome read_arg(const AttrReader& reader, Attrs& attrs) {
  const int64_t type = reader.integer("output_type", kTfliteInt32);
  if (type != kTfliteInt32 && type != kTfliteInt64)
    return fail(ErrorCode::unsupported,
                fmt::format("indices of element type number {}; int32 and int64 are supported", type));
  attrs.set("output_type", int64_t{type == kTfliteInt64});
  return {};
}

void write_arg(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("output_type", attrs.integer("output_type") == 1 ? kTfliteInt64 : kTfliteInt32);
}

OpSpec arg_spec(std::string_view name, std::string_view doc, std::string_view builtin, std::string_view options,
                bool least) {
  return {.name = name,
          .doc = doc,
          .dtypes = {DType::f32, DType::i8, DType::i16, DType::i32},
          .infer = infer_arg,
          .forward = kImportedOnly,
          .backward = kImportedOnly,
          .quantize = QuantizeRule{.output = OutputScale::same_as_input},
          .tflite = TfliteMapping{.builtin = builtin,
                                  .options = options,
                                  .version = 2,
                                  .version_i16 = 1,
                                  .read = read_arg,
                                  .write = write_arg,
                                  .constant_inputs = kAxisInput},
          .lower = [least](const LowerArgs& args) { return lower_arg(args, least); },
          .macs = OptOut{"it compares, and multiplies nothing"}};
}

Result<std::vector<ValueType>> infer_top_k(const InferArgs& args) {
  Shape shape = args.inputs[0].shape;
  const int64_t k = args.attrs.integer("k");
  if (shape.empty() || k < 1 || k > shape.back())
    return fail(ErrorCode::bad_data,
                fmt::format("k must be 1 to the last extent, found {} for {}", k, to_string(args.inputs[0].shape)));
  shape.back() = k;
  return std::vector<ValueType>{{args.inputs[0].dtype, shape}, {DType::i32, shape}};
}

Result<std::vector<KernelCall>> lower_top_k(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  if (input.quantization != args.graph[args.node.outputs[0]].quantization)
    return cannot_lower(args.node, "it keeps the scale and zero point, but input and output differ in them");
  const auto size = static_cast<int32_t>(input.type.shape.back());
  const auto rows = static_cast<int32_t>(element_count(input.type.shape) / size);
  auto call = KernelCall::make(fmt::format("top_k_{}", kernel_suffix(dtype)),
                               device::TopKParams{rows, size, static_cast<int32_t>(args.node.attrs.integer("k"))});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]).operand(args.node.outputs[1]);
  return std::vector{std::move(call)};
}

}  // namespace

const OpSpec& arg_max() {
  static const OpSpec spec =
      arg_spec("arg_max", "Index of the largest element along one axis.", "ARG_MAX", "ArgMaxOptions", false);
  return spec;
}

const OpSpec& arg_min() {
  static const OpSpec spec =
      arg_spec("arg_min", "Index of the least element along one axis.", "ARG_MIN", "ArgMinOptions", true);
  return spec;
}

const OpSpec& topk_v2() {
  static const OpSpec spec{
      .name = "topk_v2",
      .doc = "The largest elements along the last axis, from the largest down, and their indices.",
      .dtypes = {DType::f32, DType::i8, DType::i32},
      .infer = infer_top_k,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "TOPK_V2",
                              .options = "TopKV2Options",
                              .version = 2,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kCountInput},
      .lower = lower_top_k,
      .macs = OptOut{"it compares, and multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
