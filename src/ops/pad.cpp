// Pad: zeros (in int8 the zero point) around input x of up to four axes. Attribute paddings: before and after of each
// axis in turn.
#include "device/kernels/pad.h"

#include <array>

#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "paddings", 2}};

constexpr size_t kAxes = 4;

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  constexpr int64_t kMost = int64_t{1} << 20;
  Shape shape = args.inputs[0].shape;
  const std::vector<int64_t> paddings = args.attrs.integers("paddings");
  if (shape.empty() || shape.size() > kAxes)
    return fail(ErrorCode::unsupported, fmt::format("pad takes 1 to {} axes, found {}", kAxes, to_string(shape)));
  if (paddings.size() != 2 * shape.size())
    return fail(ErrorCode::bad_data, fmt::format("paddings of {} must be {} numbers, found {}", to_string(shape),
                                                 2 * shape.size(), paddings.size()));
  for (size_t i = 0; i < paddings.size(); ++i) {
    if (paddings[i] < 0 || paddings[i] > kMost)
      return fail(ErrorCode::bad_data, fmt::format("a padding must be 0 to {}, found {}", kMost, paddings[i]));
    shape[i / 2] += paddings[i];
  }
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

// Missing axes in front have extent 1.
device::PadParams make_params(const Attrs& attrs, const Shape& input) {
  const std::vector<int64_t> paddings = attrs.integers("paddings");
  std::array<int32_t, kAxes> extent, before, output;
  extent.fill(1);
  before.fill(0);
  output.fill(1);
  for (size_t axis = 0; axis < input.size(); ++axis) {
    const size_t slot = kAxes - input.size() + axis;
    extent[slot] = static_cast<int32_t>(input[axis]);
    before[slot] = static_cast<int32_t>(paddings[2 * axis]);
    output[slot] = static_cast<int32_t>(input[axis] + paddings[2 * axis] + paddings[2 * axis + 1]);
  }
  return {extent[0], extent[1], extent[2], extent[3], before[0], before[1], before[2],
          before[3], output[0], output[1], output[2], output[3], 0};
}

void forward(const ForwardArgs& args) {
  device::pad_f32(make_params(args.attrs, args.inputs[0].shape), args.inputs[0].data, args.outputs[0].data);
}

void backward(const BackwardArgs& args) {
  const FloatView& dx = args.grad_inputs[0];
  if (!dx.data) return;
  const device::PadParams p = make_params(args.attrs, args.inputs[0].shape);
  float* to = dx.data;
  for (int64_t i = 0; i < p.input_0; ++i)
    for (int64_t j = 0; j < p.input_1; ++j)
      for (int64_t k = 0; k < p.input_2; ++k) {
        const int64_t row = ((i + p.before_0) * p.output_1 + j + p.before_1) * p.output_2 + k + p.before_2;
        const float* from = args.grad_outputs[0].data + row * p.output_3 + p.before_3;
        for (int64_t l = 0; l < p.input_3; ++l) *to++ += from[l];
      }
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  device::PadParams params = make_params(args.node.attrs, input.type.shape);
  if (is_int8(output)) {
    if (input.quantization != output.quantization)
      return cannot_lower(args.node, "pad keeps the scale and zero point, but input and output differ in them");
    params.value = zero_point_of(output);
  }
  auto call = KernelCall::make(is_int8(output) ? "pad_s8" : "pad_f32", params);
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

}  // namespace

const OpSpec& pad() {
  static const OpSpec spec{
      .name = "pad",
      .doc = "Zeros around the input.",
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "PAD",
                              .options = "PadOptions",
                              .version = 2,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
