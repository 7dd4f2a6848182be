// Fully connected: inputs x [N, ...] (flattened to [rows, in]), weights [out, in], bias [out] (optional); output [rows,
// out].
#include "device/kernels/fully_connected.h"

#include "ops/gemm.h"
#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const Shape& weights = args.inputs[1].shape;
  if (weights.size() != 2)
    return fail(ErrorCode::bad_data, fmt::format("weights must be [outputs, inputs], found {}", to_string(weights)));
  if (element_count(input) % weights[1] != 0)
    return fail(ErrorCode::bad_data, fmt::format("input {} cannot be cut into rows of {} for weights {}",
                                                 to_string(input), weights[1], to_string(weights)));
  THIMBLE_TRY(check_bias(args, weights[0]));
  return std::vector<ValueType>{{args.inputs[0].dtype, {element_count(input) / weights[1], weights[0]}}};
}

void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const int64_t rows = y.shape[0], outputs = w.shape[0], inputs = w.shape[1];
  gemm({.transpose_b = true, .m = rows, .n = outputs, .k = inputs, .lda = inputs, .ldb = inputs, .ldc = outputs},
       x.data, w.data, y.data);
  if (args.inputs.size() > 2 && args.inputs[2].data)
    for (int64_t i = 0; i < rows * outputs; ++i) y.data[i] += args.inputs[2].data[i % outputs];
  apply_activation(args.attrs.word("activation", "none"), y);
}

void backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const int64_t rows = y.shape[0], outputs = w.shape[0], inputs = w.shape[1];
  std::vector<float> dy(args.grad_outputs[0].data, args.grad_outputs[0].data + y.size());
  mask_activation_gradient(args.attrs.word("activation", "none"), y, dy);
  if (float* dx = args.grad_inputs[0].data)
    gemm({.m = rows, .n = inputs, .k = outputs, .lda = outputs, .ldb = inputs, .ldc = inputs, .add = true}, dy.data(),
         w.data, dx);
  if (float* dw = args.grad_inputs[1].data)
    gemm({.transpose_a = true,
          .m = outputs,
          .n = inputs,
          .k = rows,
          .lda = outputs,
          .ldb = inputs,
          .ldc = inputs,
          .add = true},
         dy.data(), x.data, dw);
  if (args.inputs.size() > 2 && args.grad_inputs[2].data)
    for (int64_t i = 0; i < rows * outputs; ++i) args.grad_inputs[2].data[i % outputs] += dy[static_cast<size_t>(i)];
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Graph& graph = args.graph;
  const Node& node = args.node;
  const Value& output = graph[node.outputs[0]];
  const Value& weights = graph[node.inputs[1]];
  if (!weights.constant || weights.type.dtype != output.type.dtype)
    return cannot_lower(node, fmt::format("the weights must be constant {}", name_of(output.type.dtype)));
  const auto rows = static_cast<int32_t>(output.type.shape[0]);
  const auto outputs = static_cast<int32_t>(weights.type.shape[0]),
             inputs = static_cast<int32_t>(weights.type.shape[1]);
  const std::string activation = node.attrs.word("activation", "none");
  if (is_int8(output)) {
    const auto product = weights.quantization.per_channel() ? ScaleProduct::in_double : ScaleProduct::in_float;
    THIMBLE_LET(ChannelConstants constants, channel_constants(graph, node, 0, product));
    const IntRange range = activation_range(activation, output.quantization);
    auto call = KernelCall::make(
        "fully_connected_s8",
        device::FullyConnectedS8Params{rows, inputs, outputs, zero_point_of(output), range.min, range.max});
    call.operand(node.inputs[0])
        .operand(*weights.constant)
        .operand(std::move(constants.bias))
        .operand(std::move(constants.multiplier));
    call.operand(std::move(constants.shift)).operand(node.outputs[0]);
    return std::vector{std::move(call)};
  }
  const FloatRange range = activation_range(activation);
  THIMBLE_LET(Tensor bias, float_bias(graph, node, outputs));
  auto call = KernelCall::make(
      "fully_connected_f32",
      device::FullyConnectedF32Params{rows, inputs, outputs, device::bits_of(range.min), device::bits_of(range.max)});
  call.operand(node.inputs[0]).operand(*weights.constant).operand(std::move(bias)).operand(node.outputs[0]);
  return std::vector{std::move(call)};
}

int64_t macs(const Graph& graph, const Node& node) {
  return element_count(graph[node.outputs[0]].type.shape) * graph[node.inputs[1]].type.shape[1];
}

}  // namespace

const OpSpec& fully_connected() {
  static const OpSpec spec{
      .name = "fully_connected",
      .doc = "Matrix product with constant weights [out, in], plus bias.",
      .traits = {.min_inputs = 2, .max_inputs = 3, .fuses_activation = true},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 0, .per_channel = false, .bias = 2},
      .tflite = TfliteMapping{.builtin = "FULLY_CONNECTED",
                              .options = "FullyConnectedOptions",
                              .version = 4,
                              .read = read_fused_activation,
                              .write = write_fused_activation},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
