// add_n: the sum of 2 to 16 inputs of one shape and type.
#include "device/kernels/add_n.h"

#include "device/kernels/binary_f32.h"
#include "device/kernels/binary_integer.h"
#include "ops/ops.h"
#include "ops/quantized_binary.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  for (const ValueType& input : args.inputs)
    if (input != args.inputs[0])
      return fail(ErrorCode::bad_data, fmt::format("add_n takes inputs of one shape and type, found {} {} and {} {}",
                                                   name_of(args.inputs[0].dtype), to_string(args.inputs[0].shape),
                                                   name_of(input.dtype), to_string(input.shape)));
  return std::vector{args.inputs[0]};
}

// One addition after the other, into the output.
std::vector<KernelCall> additions(const LowerArgs& args, const KernelCall& addition) {
  std::vector<KernelCall> calls;
  for (size_t i = 1; i < args.node.inputs.size(); ++i) {
    KernelCall call = addition;
    call.operand(i == 1 ? operand_of(args.graph, args.node.inputs[0]) : Operand(args.node.outputs[0]))
        .operand(operand_of(args.graph, args.node.inputs[i]))
        .operand(args.node.outputs[0]);
    calls.push_back(std::move(call));
  }
  return calls;
}

Result<KernelCall> int8_call(const LowerArgs& args, int32_t size) {
  const Value& first = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  THIMBLE_TRY(require_one_scale(args.node, {&first, &output}));
  for (ValueId input : args.node.inputs)
    if (args.graph[input].quantization != first.quantization)
      return cannot_lower(args.node, "its int8 inputs must have one scale and zero point");
  const double twice = 2 * static_cast<double>(scale_of(first));
  const double to_output = twice / ((1 << 20) * static_cast<double>(scale_of(output)));
  if (!(to_output < 1))
    return cannot_lower(
        args.node, fmt::format("output scale {} is too small for input scale {}", scale_of(output), scale_of(first)));
  const Multiplier in = quantize_multiplier(static_cast<double>(scale_of(first)) / twice),
                   out = quantize_multiplier(to_output);
  auto call = KernelCall::make(
      "add_n_s8", device::AddNS8Params{size, static_cast<int32_t>(args.node.inputs.size()), zero_point_of(first),
                                       in.multiplier, in.shift, zero_point_of(output), out.multiplier, out.shift});
  for (size_t i = 0; i < device::kMostAddends; ++i)
    call.operand(operand_of(args.graph, args.node.inputs[i < args.node.inputs.size() ? i : 0]));
  call.operand(args.node.outputs[0]);
  return call;
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Shape& shape = args.graph[args.node.outputs[0]].type.shape;
  if (dtype == DType::i8) {
    THIMBLE_LET(KernelCall call, int8_call(args, static_cast<int32_t>(element_count(shape))));
    return std::vector{std::move(call)};
  }
  const Shape shapes[] = {shape, shape};
  THIMBLE_LET(const BroadcastAxes axes, broadcast_axes("add_n", shapes));
  if (dtype == DType::i32) {
    device::BinaryI32Params params{};
    set_broadcast(params, axes);
    params.operation = static_cast<int32_t>(device::IntegerOp::add);
    params.activation_min = INT32_MIN;
    params.activation_max = INT32_MAX;
    return additions(args, KernelCall::make("binary_i32", params));
  }
  device::BinaryF32Params params{};
  set_broadcast(params, axes);
  params.activation_min = device::bits_of(-device::infinity_f32());
  params.activation_max = device::bits_of(device::infinity_f32());
  return additions(args, KernelCall::make("add_f32", params));
}

}  // namespace

const OpSpec& add_n() {
  static const OpSpec spec{
      .name = "add_n",
      .doc = "Sum of 2 to 16 inputs of one shape.",
      .traits = {.min_inputs = 2, .max_inputs = device::kMostAddends},
      .dtypes = {DType::f32, DType::i8, DType::i32},
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite =
          TfliteMapping{.builtin = "ADD_N", .options = "AddNOptions", .read = reads_nothing, .write = writes_nothing},
      .lower = lower,
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
