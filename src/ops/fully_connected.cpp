// Fully connected: inputs x [N, ...] (flattened to [rows, in]), weights [out, in], bias [out] (optional); output [rows,
// out], or with attribute keep_num_dims x's shape with `out` as its last extent.
#include "device/kernels/fully_connected.h"

#include "ops/arm_dsp.h"
#include "ops/arm_mve.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/ops.h"
#include "ops/scalar.h"

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
  if (args.attrs.integer("keep_num_dims") == 0)
    return std::vector<ValueType>{{args.inputs[0].dtype, {element_count(input) / weights[1], weights[0]}}};
  if (input.empty() || input.back() != weights[1])
    return fail(ErrorCode::bad_data, fmt::format("the last extent of input {} is not that of weights {}",
                                                 to_string(input), to_string(weights)));
  Shape output = input;
  output.back() = weights[0];
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(output)}};
}

void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const int64_t outputs = w.shape[0], inputs = w.shape[1], rows = y.size() / outputs;
  gemm({.transpose_b = true, .m = rows, .n = outputs, .k = inputs, .lda = inputs, .ldb = inputs, .ldc = outputs},
       x.data, w.data, y.data);
  if (args.inputs.size() > 2 && args.inputs[2].data)
    for (int64_t i = 0; i < rows * outputs; ++i) y.data[i] += args.inputs[2].data[i % outputs];
  apply_activation(args.attrs.word("activation", "none"), y);
}

void backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const int64_t outputs = w.shape[0], inputs = w.shape[1], rows = y.size() / outputs;
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

// TFLite's integer reference counts the zero point of weights with one scale, and only there.
bool is_asymmetric(const Value& weights) {
  return weights.quantization.scale.size() == 1 && weights.quantization.zero_point[0] != 0;
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Graph& graph = args.graph;
  const Node& node = args.node;
  const Value& output = graph[node.outputs[0]];
  const Value& weights = graph[node.inputs[1]];
  const auto outputs = static_cast<int32_t>(weights.type.shape[0]),
             inputs = static_cast<int32_t>(weights.type.shape[1]);
  const auto rows = static_cast<int32_t>(element_count(output.type.shape) / outputs);
  const std::string activation = node.attrs.word("activation", "none");
  if (dtype == DType::f32) {
    if (weights.type.dtype != DType::f32)
      return cannot_lower(node, "the weights of float32 activations must be float32");
    const FloatRange range = activation_range(activation);
    THIMBLE_LET(Operand bias, float_bias(graph, node, outputs));
    auto call = KernelCall::make(
        "fully_connected_f32",
        device::FullyConnectedF32Params{rows, inputs, outputs, device::bits_of(range.min), device::bits_of(range.max)});
    call.operand(node.inputs[0]).operand(operand_of(graph, node.inputs[1]));
    call.operand(std::move(bias)).operand(node.outputs[0]);
    return std::vector{std::move(call)};
  }
  if (dtype == DType::i8 && (!weights.constant || is_asymmetric(weights))) {
    const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
    return lower_matmul(args, {.a = node.inputs[0],
                               .b = node.inputs[1],
                               .transpose_b = true,
                               .a_shape = {rows, inputs},
                               .b_shape = weights.type.shape,
                               .bias = bias});
  }
  THIMBLE_LET(ChannelConstants constants,
              channel_constants(graph, node, {.product_in_float = !weights.quantization.per_channel()}));
  THIMBLE_LET(const std::string kernel, integer_kernel(node, "fully_connected", dtype, constants.bias.dtype));
  const IntRange range = activation_range(activation, output.quantization, dtype);
  auto call = KernelCall::make(
      kernel, device::FullyConnectedIntegerParams{rows, inputs, outputs, zero_point_of(output), range.min, range.max});
  call.operand(node.inputs[0]).operand(*weights.constant).operand(std::move(constants.bias));
  call.operand(std::move(constants.multiplier)).operand(std::move(constants.shift)).operand(node.outputs[0]);
  if (args.form.isa == "arm_dsp" && call.kernel == "fully_connected_s8")
    if (auto own = fully_connected_arm_dsp(args.form, call)) call = std::move(*own);
  std::vector calls{std::move(call)};
  if (args.form.isa == "arm_mve") return with_arm_mve(std::move(calls));
  return with_scalar(args.form, std::move(calls));
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  if (reader.integer("keep_num_dims") != 0) attrs.set("keep_num_dims", int64_t{1});
  if (const int64_t format = reader.integer("weights_format"); format != 0)
    return fail(ErrorCode::unsupported,
                fmt::format("weights stored in format {}; only the plain one (0) is known", format));
  read_bias_type(reader, attrs);
  return read_fused_activation(reader, attrs);
}

void write(const Attrs& attrs, AttrWriter& writer) {
  write_fused_activation(attrs, writer);
  if (attrs.integer("keep_num_dims") != 0) writer.integer("keep_num_dims", 1);
  write_bias_type(attrs, writer);
}

int64_t macs(const Graph& graph, const Node& node) {
  return element_count(graph[node.outputs[0]].type.shape) * graph[node.inputs[1]].type.shape[1];
}

int version_of(const Graph& graph, const Node& node) {
  const LinearForm form = linear_form(graph, node);
  if (form.sums_int32) return 11;
  if (form.int4) return 10;
  if (form.activations == DType::i8 && graph[node.inputs[1]].quantization.per_channel()) return 12;
  if (form.activations == DType::i16) return 7;
  if (!form.bias) return 6;
  if (node.attrs.integer("keep_num_dims") != 0) return 5;
  return form.activations == DType::i8 ? 4 : 1;
}

}  // namespace

const OpSpec& fully_connected() {
  static const OpSpec spec{
      .name = "fully_connected",
      .doc = "Matrix product with constant weights [out, in], plus bias.",
      .traits =
          {.min_inputs = 2, .max_inputs = 3, .fuses_activation = true, .flattens = true, .channels = mixed_channels},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 0, .per_channel = false, .bias = 2},
      .tflite = TfliteMapping{.builtin = "FULLY_CONNECTED",
                              .options = "FullyConnectedOptions",
                              .read = read,
                              .write = write,
                              .version_of = version_of},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
