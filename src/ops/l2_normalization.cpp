// l2_normalization: each row of input x [..., depth] divided by its length (L2 norm); output of the same shape.
#include "device/kernels/l2_normalization.h"

#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  if (args.inputs[0].shape.empty()) return fail(ErrorCode::bad_data, "it needs a last axis, found a single number");
  return same_as_input(args);
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const auto depth = static_cast<int32_t>(input.type.shape.back());
  device::L2NormalizationParams params{static_cast<int32_t>(element_count(input.type.shape) / depth), depth, 0};
  if (dtype == DType::i8) {
    THIMBLE_TRY(expect_output_scale(args, 1.0 / 128, 0));
    params.input_zero_point = zero_point_of(input);
  }
  auto call = KernelCall::make(fmt::format("l2_normalization_{}", kernel_suffix(dtype)), params);
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs&) {
  if (reader.integer("fused_activation_function") != 0)
    return fail(ErrorCode::unsupported, "l2_normalization with a fused activation is not supported", {},
                "put the activation after it as a layer of its own");
  return {};
}

}  // namespace

const OpSpec& l2_normalization() {
  static const OpSpec spec{
      .name = "l2_normalization",
      .doc = "Each row along the last axis divided by its length.",
      .traits = {.in_place = true},
      .dtypes = {DType::f32, DType::i8},
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 1.0f / 128, .fixed_zero_point = 0},
      .tflite = TfliteMapping{.builtin = "L2_NORMALIZATION",
                              .options = "L2NormOptions",
                              .version = 2,
                              .read = read_options,
                              .write = writes_nothing},
      .lower = lower,
      .macs = OptOut{"small beside the layers before it"},
  };
  return spec;
}

}  // namespace thimble::ops
