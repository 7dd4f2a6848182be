// relu and relu6: input x of any shape, output of the same shape. Graph passes usually fuse them into the op before.
#include "device/kernels/activation.h"

#include "ops/loops.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

THIMBLE_VECTORIZED void clamp_range(const float* x, float* y, int64_t count, float low, float high) {
  for (int64_t i = 0; i < count; ++i) {
    const float value = x[i] < low ? low : x[i];
    y[i] = value > high ? high : value;
  }
}

THIMBLE_VECTORIZED void clamp_gradient_range(const float* y, const float* dy, float* dx, int64_t count, float low,
                                             float high) {
  for (int64_t i = 0; i < count; ++i) dx[i] += y[i] > low && y[i] < high ? dy[i] : 0.0f;
}

void forward(FloatRange range, const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  parallel_ranges(y.size(), kElementsPerChunk, [&](int64_t begin, int64_t end) {
    clamp_range(x.data + begin, y.data + begin, end - begin, range.min, range.max);
  });
}

void backward(FloatRange range, const BackwardArgs& args) {
  const FloatView &y = args.outputs[0], &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  parallel_ranges(y.size(), kElementsPerChunk, [&](int64_t begin, int64_t end) {
    clamp_gradient_range(y.data + begin, dy.data + begin, dx.data + begin, end - begin, range.min, range.max);
  });
}

// The requantising form of TFLite's reference.
Tensor make_table(std::string_view activation, const Value& input, const Value& output) {
  const IntRange range = activation_range(activation, output.quantization);
  const Multiplier scale =
      quantize_multiplier(static_cast<double>(scale_of(input)) / static_cast<double>(scale_of(output)));
  return lookup_table([&](int32_t x) {
    const int32_t value =
        device::requantize(x - zero_point_of(input), scale.multiplier, scale.shift) + zero_point_of(output);
    return device::clamp(value, range.min, range.max);
  });
}

Result<std::vector<KernelCall>> lower(std::string_view activation, const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Value& output = args.graph[args.node.outputs[0]];
  if (is_int8(output)) return lookup_call(args, make_table(activation, args.graph[args.node.inputs[0]], output));
  const FloatRange range = activation_range(activation);
  const auto size = static_cast<int32_t>(element_count(output.type.shape));
  auto call = KernelCall::make("clamp_f32",
                               device::ClampF32Params{size, device::bits_of(range.min), device::bits_of(range.max)});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

OpSpec make_spec(std::string_view activation, std::string_view builtin, std::string_view doc) {
  const FloatRange range = activation_range(activation);
  return {
      .name = activation,
      .doc = doc,
      .traits = {.in_place = true, .activation = activation},
      .infer = same_as_input,
      .forward = [range](const ForwardArgs& args) { forward(range, args); },
      .backward = [range](const BackwardArgs& args) { backward(range, args); },
      .quantize = QuantizeRule{},
      .tflite =
          TfliteMapping{
              .builtin = builtin, .options = "", .version = 2, .read = reads_nothing, .write = writes_nothing},
      .lower = [activation](const LowerArgs& args) { return lower(activation, args); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

}  // namespace

const OpSpec& relu() {
  static const OpSpec spec = make_spec("relu", "RELU", "max(x, 0).");
  return spec;
}

const OpSpec& relu6() {
  static const OpSpec spec = make_spec("relu6", "RELU6", "min(max(x, 0), 6).");
  return spec;
}

}  // namespace thimble::ops
