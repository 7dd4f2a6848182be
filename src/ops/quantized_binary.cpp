#include "ops/quantized_binary.h"

#include <algorithm>

namespace thimble::ops {

namespace {

using device::AddQuantizedParams;
using device::MulQuantizedParams;

std::string kernel_name(std::string_view stem, const BinaryNode& node) {
  return fmt::format("{}_{}", stem, node.is_int16() ? "s16" : "s8");
}

IntRange output_range(const BinaryNode& node) {
  return activation_range(node.args.node.attrs.word("activation", "none"), node.output.quantization,
                          node.output.type.dtype);
}

template <class Params>
Params with_zero_points(const BinaryNode& node) {
  Params params{};
  set_broadcast(params, node.axes);
  params.a_zero_point = zero_point_of(node.a);
  params.b_zero_point = zero_point_of(node.b);
  params.output_zero_point = zero_point_of(node.output);
  const IntRange range = output_range(node);
  params.activation_min = range.min;
  params.activation_max = range.max;
  return params;
}

struct CommonScale {
  double a = 0, b = 0, output = 0;
};

AddQuantizedParams common_scale_params(const BinaryNode& node, const CommonScale& scale, int32_t left_shift) {
  auto params = with_zero_points<AddQuantizedParams>(node);
  const Multiplier a = quantize_multiplier(scale.a), b = quantize_multiplier(scale.b),
                   output = quantize_multiplier(scale.output);
  params.left_shift = left_shift;
  params.a_multiplier = a.multiplier;
  params.a_shift = a.shift;
  params.b_multiplier = b.multiplier;
  params.b_shift = b.shift;
  params.output_multiplier = output.multiplier;
  params.output_shift = output.shift;
  return params;
}

Result<KernelCall> product_call(const BinaryNode& node, std::string_view stem, double real) {
  auto params = with_zero_points<MulQuantizedParams>(node);
  const Multiplier m = quantize_multiplier(real);
  params.output_multiplier = m.multiplier;
  params.output_shift = m.shift;
  return KernelCall::make(kernel_name(stem, node), params);
}

}  // namespace

Result<BinaryNode> binary_node(const LowerArgs& args) {
  const Value& a = args.graph[args.node.inputs[0]];
  const Value& b = args.graph[args.node.inputs[1]];
  const Shape shapes[] = {a.type.shape, b.type.shape};
  THIMBLE_LET(BroadcastAxes axes, broadcast_axes(args.node.op->name, shapes));
  return BinaryNode{args, a, b, args.graph[args.node.outputs[0]], std::move(axes)};
}

Outcome require_one_scale(const Node& node, std::initializer_list<const Value*> values) {
  for (const Value* value : values)
    if (value->quantization.scale.size() != 1)
      return cannot_lower(node, fmt::format("{} {} has {} scales, expected one", name_of(value->type.dtype),
                                            value->name, value->quantization.scale.size()));
  return {};
}

Result<KernelCall> quantized_sum(const BinaryNode& node, bool subtract) {
  const int32_t left_shift = node.is_int16() ? 15 : 20;
  const float a = scale_of(node.a), b = scale_of(node.b), output = scale_of(node.output);
  const double twice_largest = 2 * static_cast<double>(std::max(a, b));
  const CommonScale scale{static_cast<double>(a) / twice_largest, static_cast<double>(b) / twice_largest,
                          twice_largest / ((1 << left_shift) * static_cast<double>(output))};
  if (!(scale.output < 1))
    return cannot_lower(node.args.node,
                        fmt::format("output scale {} is too small for input scales {} and {}", output, a, b));
  AddQuantizedParams params = common_scale_params(node, scale, left_shift);
  params.subtract = subtract;
  return KernelCall::make(kernel_name("add", node), params);
}

Result<KernelCall> quantized_product(const BinaryNode& node) {
  return product_call(node, "mul",
                      static_cast<double>(scale_of(node.a)) * static_cast<double>(scale_of(node.b)) /
                          static_cast<double>(scale_of(node.output)));
}

Result<KernelCall> quantized_quotient(const BinaryNode& node) {
  const float real = scale_of(node.a) / (scale_of(node.b) * scale_of(node.output));
  if (!std::isfinite(real)) return cannot_lower(node.args.node, "the scales of its tensors are too far apart");
  return product_call(node, "div", static_cast<double>(real));
}

Result<KernelCall> quantized_squared_difference(const BinaryNode& node) {
  const int32_t left_shift = node.is_int16() ? 0 : 7;
  const float a = scale_of(node.a), b = scale_of(node.b);
  const double twice_largest = 2.0 * static_cast<double>(std::max(a, b));
  const CommonScale scale{static_cast<double>(a) / twice_largest, static_cast<double>(b) / twice_largest,
                          twice_largest * twice_largest /
                              static_cast<double>(static_cast<float>(1 << (2 * left_shift)) * scale_of(node.output))};
  if (!std::isfinite(scale.output)) return cannot_lower(node.args.node, "the scales of its tensors are too far apart");
  return KernelCall::make(kernel_name("squared_difference", node), common_scale_params(node, scale, left_shift));
}

Result<KernelCall> quantized_prelu(const BinaryNode& node) {
  const double input = static_cast<double>(scale_of(node.a)), alpha = static_cast<double>(scale_of(node.b)),
               output = static_cast<double>(scale_of(node.output));
  const Multiplier positive = quantize_multiplier(input / output),
                   negative = quantize_multiplier(input * alpha / output);
  const IntRange range = limits_of(node.output.type.dtype);
  device::PreluQuantizedParams params{};
  set_broadcast(params, node.axes);
  params.input_zero_point = zero_point_of(node.a);
  params.alpha_zero_point = zero_point_of(node.b);
  params.output_zero_point = zero_point_of(node.output);
  params.positive_multiplier = positive.multiplier;
  params.positive_shift = positive.shift;
  params.negative_multiplier = negative.multiplier;
  params.negative_shift = negative.shift;
  params.output_min = range.min;
  params.output_max = range.max;
  return KernelCall::make(kernel_name("prelu", node), params);
}

}  // namespace thimble::ops
