// Softmax over the last axis: input x [..., depth], output of the same shape. Attribute beta (1).
#include "device/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& shape = args.inputs[0].shape;
  if (shape.empty() || shape.back() <= 0)
    return fail(ErrorCode::bad_data,
                fmt::format("softmax needs a last axis with at least one element, found {}", to_string(shape)));
  return same_as_input(args);
}

void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const auto beta = static_cast<float>(args.attrs.real("beta", 1.0));
  const int64_t depth = y.shape.back();
  for (int64_t row = 0; row < y.size(); row += depth) {
    const float top = *std::max_element(x.data + row, x.data + row + depth);
    float sum = 0;
    for (int64_t i = row; i < row + depth; ++i) sum += y.data[i] = std::exp((x.data[i] - top) * beta);
    for (int64_t i = row; i < row + depth; ++i) y.data[i] /= sum;
  }
}

void backward(const BackwardArgs& args) {
  const FloatView &y = args.outputs[0], &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  const auto beta = static_cast<float>(args.attrs.real("beta", 1.0));
  const int64_t depth = y.shape.back();
  for (int64_t row = 0; row < y.size(); row += depth) {
    float along = 0;
    for (int64_t i = row; i < row + depth; ++i) along += dy.data[i] * y.data[i];
    for (int64_t i = row; i < row + depth; ++i) dx.data[i] += beta * y.data[i] * (dy.data[i] - along);
  }
}

// exp of minus d input steps as the reference computes it: Q5.26 argument, 0 below the least argument it counts.
Result<Tensor> make_exp_table(const Node& node, double input_scale, double beta) {
  constexpr int kIntegerBits = 5;
  const double real =
      std::min(beta * input_scale * (1 << (31 - kIntegerBits)), static_cast<double>((int64_t{1} << 31) - 1));
  if (!(real > 1))
    return cannot_lower(node,
                        fmt::format("input scale {} times beta {} is too small for int8 softmax", input_scale, beta));
  const Multiplier m = quantize_multiplier(real);
  const double radius = std::floor(((1 << kIntegerBits) - 1) * std::ldexp(1.0, 31 - kIntegerBits - m.shift));
  std::vector<int32_t> table(256, 0);
  for (int32_t d = 0; d < 256 && d <= radius; ++d)
    table[static_cast<size_t>(d)] = device::exp_on_negative_values(device::requantize(-d, m.multiplier, m.shift));
  return Tensor::from<int32_t>({256}, table);
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  const double beta = args.node.attrs.real("beta", 1.0);
  const auto depth = static_cast<int32_t>(output.type.shape.back());
  const auto rows = static_cast<int32_t>(element_count(output.type.shape) / depth);
  if (!is_int8(output)) {
    auto call = KernelCall::make("softmax_f32",
                                 device::SoftmaxF32Params{rows, depth, device::bits_of(static_cast<float>(beta))});
    call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
    return std::vector{std::move(call)};
  }
  if (scale_of(output) != 1.0f / 256 || zero_point_of(output) != -128)
    return cannot_lower(args.node, fmt::format("int8 softmax gives scale 1/256 and zero point -128, found {} and {}",
                                               scale_of(output), zero_point_of(output)));
  if (depth >= 4096)
    return cannot_lower(args.node, fmt::format("int8 softmax takes fewer than 4096 classes, found {}", depth));
  THIMBLE_LET(Tensor table, make_exp_table(args.node, static_cast<double>(scale_of(input)), beta));
  auto call = KernelCall::make("softmax_s8", device::SoftmaxS8Params{rows, depth});
  call.operand(args.node.inputs[0]).operand(std::move(table)).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("beta", reader.real("beta", 1.0));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) { writer.real("beta", attrs.real("beta", 1.0)); }

}  // namespace

const OpSpec& softmax() {
  static const OpSpec spec{
      .name = "softmax",
      .doc = "Exponentials over the last axis, divided by their sum: class probabilities.",
      .traits = {.in_place = true},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 1.0f / 256, .fixed_zero_point = -128},
      .tflite = TfliteMapping{.builtin = "SOFTMAX",
                              .options = "SoftmaxOptions",
                              .version = 2,
                              .read = read_options,
                              .write = write_options},
      .lower = lower,
      .macs = OptOut{"small beside the layers before it"},
  };
  return spec;
}

}  // namespace thimble::ops
