// relu, relu6, relu_0_to_1 and relu_n1_to_1: input x of any shape, output of the same shape. Graph passes usually fuse
// them into the op before.
#include "device/kernels/activation.h"

#include "device/kernels/unary_s16.h"
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

// relu6 of the reference clamps the input's codes and does not look at the output's scale; the others requantise.
struct QuantizedClamp {
  Multiplier scale;
  int32_t input_zero_point, output_zero_point;
  IntRange range;
};

QuantizedClamp clamp_of(std::string_view activation, const UnaryNode& node) {
  const Value &input = node.input, &output = node.output;
  if (activation == "relu6")
    return {quantize_multiplier(1), 0, 0, activation_range(activation, input.quantization, input.type.dtype)};
  return {quantize_multiplier(static_cast<double>(scale_of(input) / scale_of(output))), zero_point_of(input),
          zero_point_of(output), activation_range(activation, output.quantization, output.type.dtype)};
}

std::vector<KernelCall> lower_s8(std::string_view activation, const UnaryNode& node) {
  const QuantizedClamp c = clamp_of(activation, node);
  return lookup_call(node.args, lookup_table([&](int32_t x) {
                       const int32_t value =
                           device::requantize(x - c.input_zero_point, c.scale.multiplier, c.scale.shift);
                       return device::clamp(value + c.output_zero_point, c.range.min, c.range.max);
                     }));
}

std::vector<KernelCall> lower_s16(std::string_view activation, const UnaryNode& node) {
  const QuantizedClamp c = clamp_of(activation, node);
  return unary_call(
      node, "bent_s16",
      device::BentS16Params{node.size, c.input_zero_point, c.output_zero_point, c.scale.multiplier, c.scale.shift,
                            c.scale.multiplier, c.scale.shift, 0, c.range.min, c.range.max});
}

std::vector<KernelCall> lower_f32(std::string_view activation, const UnaryNode& node) {
  const FloatRange range = activation_range(activation);
  return unary_call(node, "clamp_f32",
                    device::ClampF32Params{node.size, device::bits_of(range.min), device::bits_of(range.max)});
}

OpSpec make_spec(std::string_view activation, std::string_view builtin, std::string_view doc, int version_i16) {
  const FloatRange range = activation_range(activation);
  std::map<DType, UnaryLowering> forms = {
      {DType::f32, [activation](const UnaryNode& node) { return lower_f32(activation, node); }},
      {DType::i8, [activation](const UnaryNode& node) { return lower_s8(activation, node); }}};
  if (version_i16 > 0) forms[DType::i16] = [activation](const UnaryNode& node) { return lower_s16(activation, node); };
  return {
      .name = activation,
      .doc = doc,
      // What other operators can store as their activation.
      .traits = {.in_place = true,
                 .rows = row_by_row,
                 .activation = activation == "relu_0_to_1" ? "" : activation,
                 .channels = separate_channels},
      .dtypes = types_of(forms),
      .infer = same_as_input,
      .forward = [range](const ForwardArgs& args) { forward(range, args); },
      .backward = [range](const BackwardArgs& args) { backward(range, args); },
      .quantize = QuantizeRule{.output = activation == "relu6" ? OutputScale::same_as_input : OutputScale::calibrated},
      .tflite = TfliteMapping{.builtin = builtin,
                              .options = "",
                              .version = version_i16 > 0 ? 2 : 1,
                              .version_i16 = version_i16,
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = [forms = std::move(forms)](const LowerArgs& args) { return lower_unary(args, forms); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

}  // namespace

const OpSpec& relu() {
  static const OpSpec spec = make_spec("relu", "RELU", "max(x, 0).", 3);
  return spec;
}

const OpSpec& relu6() {
  static const OpSpec spec = make_spec("relu6", "RELU6", "min(max(x, 0), 6).", 3);
  return spec;
}

const OpSpec& relu_0_to_1() {
  static const OpSpec spec = make_spec("relu_0_to_1", "RELU_0_TO_1", "min(max(x, 0), 1).", 0);
  return spec;
}

const OpSpec& relu_n1_to_1() {
  static const OpSpec spec = make_spec("relu_n1_to_1", "RELU_N1_TO_1", "min(max(x, -1), 1).", 0);
  return spec;
}

}  // namespace thimble::ops
