// Add: inputs a and b of one shape (either may be constant), output of that shape. Attribute activation.
#include "device/kernels/add.h"

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const ValueType &a = args.inputs[0], &b = args.inputs[1];
  if (a.shape != b.shape)
    return fail(ErrorCode::unsupported, fmt::format("add takes two inputs of one shape, found {} and {}",
                                                    to_string(a.shape), to_string(b.shape)));
  if (a.dtype != b.dtype)
    return fail(ErrorCode::bad_data,
                fmt::format("add takes two inputs of one type, found {} and {}", name_of(a.dtype), name_of(b.dtype)));
  return std::vector{a};
}

void forward(const ForwardArgs& args) {
  const FloatView& y = args.outputs[0];
  for (int64_t i = 0; i < y.size(); ++i) y.data[i] = args.inputs[0].data[i] + args.inputs[1].data[i];
  apply_activation(args.attrs.word("activation", "none"), y);
}

void backward(const BackwardArgs& args) {
  const FloatView& y = args.outputs[0];
  std::vector<float> dy(args.grad_outputs[0].data, args.grad_outputs[0].data + y.size());
  mask_activation_gradient(args.attrs.word("activation", "none"), y, dy);
  for (const FloatView& dx : args.grad_inputs)
    if (dx.data)
      for (int64_t i = 0; i < y.size(); ++i) dx.data[i] += dy[static_cast<size_t>(i)];
}

Operand operand_of(const Graph& graph, ValueId id) {
  if (graph[id].constant) return *graph[id].constant;
  return id;
}

Result<KernelCall> int8_call(const LowerArgs& args, int32_t size, std::string_view activation) {
  const Value& a = args.graph[args.node.inputs[0]];
  const Value& b = args.graph[args.node.inputs[1]];
  const Value& output = args.graph[args.node.outputs[0]];
  const double twice_largest = 2 * static_cast<double>(std::max(scale_of(a), scale_of(b)));
  const double to_output = twice_largest / ((1 << 20) * static_cast<double>(scale_of(output)));
  if (to_output >= 1)
    return cannot_lower(args.node, fmt::format("output scale {} is too small for input scales {} and {}",
                                               scale_of(output), scale_of(a), scale_of(b)));
  const Multiplier ma = quantize_multiplier(static_cast<double>(scale_of(a)) / twice_largest);
  const Multiplier mb = quantize_multiplier(static_cast<double>(scale_of(b)) / twice_largest);
  const Multiplier mo = quantize_multiplier(to_output);
  const IntRange range = activation_range(activation, output.quantization);
  return KernelCall::make(
      "add_s8", device::AddS8Params{size, zero_point_of(a), ma.multiplier, ma.shift, zero_point_of(b), mb.multiplier,
                                    mb.shift, zero_point_of(output), mo.multiplier, mo.shift, range.min, range.max});
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Value& output = args.graph[args.node.outputs[0]];
  const auto size = static_cast<int32_t>(element_count(output.type.shape));
  const std::string activation = args.node.attrs.word("activation", "none");
  KernelCall call;
  if (is_int8(output)) {
    THIMBLE_LET(call, int8_call(args, size, activation));
  } else {
    const FloatRange range = activation_range(activation);
    call =
        KernelCall::make("add_f32", device::AddF32Params{size, device::bits_of(range.min), device::bits_of(range.max)});
  }
  call.operand(operand_of(args.graph, args.node.inputs[0]))
      .operand(operand_of(args.graph, args.node.inputs[1]))
      .operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

}  // namespace

const OpSpec& add() {
  static const OpSpec spec{
      .name = "add",
      .doc = "Sum of two inputs of one shape.",
      .traits = {.min_inputs = 2, .max_inputs = 2, .in_place = true, .fuses_activation = true},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{},
      .tflite = TfliteMapping{.builtin = "ADD",
                              .options = "AddOptions",
                              .version = 2,
                              .read = read_fused_activation,
                              .write = write_fused_activation},
      .lower = lower,
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
