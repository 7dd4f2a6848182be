// Transposed convolution: inputs x [N, H, W, C], weights [O, kh, kw, C], bias [O] (optional); output [N, OH, OW, O],
// which is attribute output_shape. Padding is that of the convolution from the output's extents back to the input's.
#include "device/kernels/transpose_conv.h"

#include "ops/conv_common.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

// How the window lies over the output.
Result<Window> window_of(const Attrs& attrs, const Shape& output, const Shape& weights) {
  Attrs plain = attrs;
  plain.set("dilation_h", int64_t{1}).set("dilation_w", int64_t{1});
  return make_window(plain, output, weights[1], weights[2]);
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &weights = args.inputs[1].shape;
  const Shape output = args.attrs.integers("output_shape");
  if (input.size() != 4 || weights.size() != 4)
    return fail(ErrorCode::bad_data, fmt::format("the input must be [N, H, W, C] and the weights [O, kh, kw, C], found "
                                                 "{} and {}",
                                                 to_string(input), to_string(weights)));
  if (weights[3] != input[3])
    return fail(ErrorCode::bad_data, fmt::format("weights {} read {} channels, but the input {} has {}",
                                                 to_string(weights), weights[3], to_string(input), input[3]));
  if (output.size() != 4 || output[0] != input[0] || output[3] != weights[0])
    return fail(ErrorCode::bad_data, fmt::format("output shape {} does not go with input {} and weights {}",
                                                 to_string(output), to_string(input), to_string(weights)));
  THIMBLE_TRY(window_of(args.attrs, output, weights));
  THIMBLE_TRY(check_bias(args, weights[0]));
  return std::vector<ValueType>{{args.inputs[0].dtype, output}};
}

template <class Params>
Result<Params> geometry(const LowerArgs& args) {
  const Shape &input = args.graph[args.node.inputs[0]].type.shape,
              &weights = args.graph[args.node.inputs[1]].type.shape,
              &output = args.graph[args.node.outputs[0]].type.shape;
  THIMBLE_LET(const Window window, window_of(args.node.attrs, output, weights));
  Params p{};
  const auto set = [](int32_t& field, int64_t value) { field = static_cast<int32_t>(value); };
  set(p.batches, input[0]), set(p.input_h, input[1]), set(p.input_w, input[2]), set(p.input_c, input[3]);
  set(p.output_h, output[1]), set(p.output_w, output[2]), set(p.output_c, output[3]);
  set(p.kernel_h, weights[1]), set(p.kernel_w, weights[2]);
  set(p.stride_h, window.h.stride), set(p.stride_w, window.w.stride);
  set(p.padding_h, window.h.padding), set(p.padding_w, window.w.padding);
  return p;
}

Result<KernelCall> float_call(const LowerArgs& args) {
  if (args.graph[args.node.inputs[1]].type.dtype != DType::f32)
    return cannot_lower(args.node, "the weights of float32 activations must be float32");
  THIMBLE_LET(auto params, geometry<device::TransposeConvF32Params>(args));
  const FloatRange range = activation_range(args.node.attrs.word("activation", "none"));
  params.activation_min = device::bits_of(range.min), params.activation_max = device::bits_of(range.max);
  THIMBLE_LET(Operand bias, float_bias(args.graph, args.node, params.output_c));
  auto call = KernelCall::make("transpose_conv_f32", params);
  call.operand(args.node.inputs[0]).operand(operand_of(args.graph, args.node.inputs[1]));
  call.operand(std::move(bias)).operand(args.node.outputs[0]);
  return call;
}

Result<KernelCall> integer_call(const LowerArgs& args, DType dtype) {
  const Node& node = args.node;
  const Value &input = args.graph[node.inputs[0]], &output = args.graph[node.outputs[0]];
  THIMBLE_LET(auto params, geometry<device::TransposeConvIntegerParams>(args));
  // Which taps an output pixel sums differs from pixel to pixel, so the zero point cannot be folded into the bias.
  THIMBLE_LET(ChannelConstants constants, channel_constants(args.graph, node, {.fold_zero_point = false}));
  THIMBLE_LET(const std::string kernel, integer_kernel(node, "transpose_conv", dtype, constants.bias.dtype));
  const IntRange range = activation_range(node.attrs.word("activation", "none"), output.quantization, dtype);
  params.input_zero_point = zero_point_of(input), params.output_zero_point = zero_point_of(output);
  params.activation_min = range.min, params.activation_max = range.max;
  auto call = KernelCall::make(kernel, params);
  call.operand(node.inputs[0]).operand(*args.graph[node.inputs[1]].constant).operand(std::move(constants.bias));
  call.operand(std::move(constants.multiplier)).operand(std::move(constants.shift)).operand(node.outputs[0]);
  return call;
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  KernelCall call;
  if (dtype == DType::f32) {
    THIMBLE_LET(call, float_call(args));
  } else {
    THIMBLE_LET(call, integer_call(args, dtype));
  }
  return std::vector{std::move(call)};
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& weights = graph[node.inputs[1]].type.shape;
  return element_count(graph[node.inputs[0]].type.shape) * weights[0] * weights[1] * weights[2];
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  THIMBLE_TRY(read_padding(reader, attrs));
  read_strides(reader, attrs);
  read_bias_type(reader, attrs);
  return read_fused_activation(reader, attrs);
}

void write(const Attrs& attrs, AttrWriter& writer) {
  write_padding(attrs, writer);
  write_strides(attrs, writer);
  write_fused_activation(attrs, writer);
  write_bias_type(attrs, writer);
}

constexpr TfliteConstantInput kConstantInputs[] = {{.input = 0, .attr = "output_shape"}};
constexpr int kInputOrder[] = {1, 0, 2};

int version_of(const Graph& graph, const Node& node) {
  const LinearForm form = linear_form(graph, node);
  if (form.sums_int32) return 5;
  if (node.attrs.word("activation", "none") != "none") return 4;
  if (form.bias || form.activations == DType::i16) return 3;
  return form.activations == DType::i8 ? 2 : 1;
}

}  // namespace

const OpSpec& transpose_conv() {
  static const OpSpec spec{
      .name = "transpose_conv",
      .doc = "Transposed 2-D convolution with weights [out, height, width, in], plus bias.",
      .traits = {.min_inputs = 2, .max_inputs = 3, .fuses_activation = true},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 0, .per_channel = true, .bias = 2},
      .tflite = TfliteMapping{.builtin = "TRANSPOSE_CONV",
                              .options = "TransposeConvOptions",
                              .read = read,
                              .write = write,
                              .constant_inputs = kConstantInputs,
                              .input_order = kInputOrder,
                              .version_of = version_of},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
