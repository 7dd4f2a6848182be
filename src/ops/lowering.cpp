#include "ops/lowering.h"

#include <algorithm>
#include <cmath>

#include "device/base/fixed_point.h"
#include "graph/kernel_table.h"

namespace thimble::ops {

Multiplier quantize_multiplier(double real) {
  if (real == 0) return {};
  int exponent = 0;
  const double fraction = std::frexp(real, &exponent);
  auto fixed = static_cast<int64_t>(std::round(fraction * static_cast<double>(int64_t{1} << 31)));
  if (fixed == int64_t{1} << 31) {
    fixed /= 2;
    ++exponent;
  }
  if (exponent < -31) return {};
  if (exponent > 30) return {std::numeric_limits<int32_t>::max(), 30};
  return {static_cast<int32_t>(fixed), exponent};
}

FloatRange activation_range(std::string_view activation) {
  if (activation == "relu") return {0, std::numeric_limits<float>::infinity()};
  if (activation == "relu6") return {0, 6};
  if (activation == "relu_n1_to_1") return {-1, 1};
  if (activation == "relu_0_to_1") return {0, 1};
  return {};
}

IntRange limits_of(DType dtype) {
  if (dtype == DType::u8) return {0, 255};
  if (dtype == DType::i16) return {-32768, 32767};
  return {-128, 127};
}

IntRange activation_range(std::string_view activation, const Quantization& output, DType dtype) {
  const FloatRange real = activation_range(activation);
  // In double and clamped: a tiny scale of a hostile file must not overflow.
  const auto quantize = [&](float value) {
    const double steps = std::round(static_cast<double>(value / output.scale.at(0)));
    return output.zero_point.at(0) + static_cast<int32_t>(std::clamp(steps, -1e9, 1e9));
  };
  IntRange range = limits_of(dtype);
  if (std::isfinite(real.min)) range.min = std::max(range.min, quantize(real.min));
  if (std::isfinite(real.max)) range.max = std::min(range.max, quantize(real.max));
  return range;
}

namespace {

tl::unexpected<Error> no_kernel_of(const LowerArgs& args, DType input, DType output) {
  return fail(ErrorCode::unsupported,
              fmt::format("{} from {} to {} has no kernel; there are: {}", args.node.op->name, name_of(input),
                          name_of(output), fmt::join(args.node.op->dtypes.names(), ", ")),
              args.node.name,
              input == DType::u8 || output == DType::u8
                  ? "uint8 is the older quantisation: export the model with full integer quantisation to int8"
                  : "export the model with int8 or float32 activations");
}

}  // namespace

Result<DType> kernel_dtype(const LowerArgs& args) {
  const DType output = args.graph[args.node.outputs.at(0)].type.dtype;
  const DType input = args.graph[args.node.inputs.at(0)].type.dtype;
  if (input == output && args.node.op->dtypes.contains(output)) return output;
  return no_kernel_of(args, input, output);
}

Result<DType> input_dtype(const LowerArgs& args) {
  const DType input = args.graph[args.node.inputs.at(0)].type.dtype;
  if (args.node.op->dtypes.contains(input)) return input;
  return no_kernel_of(args, input, args.graph[args.node.outputs.at(0)].type.dtype);
}

std::string_view kernel_suffix(DType dtype) {
  switch (dtype) {
    case DType::i8:
      return "s8";
    case DType::i16:
      return "s16";
    case DType::u8:
    case DType::boolean:
      return "u8";
    case DType::i32:
      return "i32";
    case DType::i64:
      return "i64";
    case DType::f32:
      break;
  }
  return "f32";
}

Operand operand_of(const Graph& graph, ValueId id) {
  if (graph[id].constant) return *graph[id].constant;
  return id;
}

Result<AxisExtents> axis_extents(int64_t axis, const Shape& shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t index = axis < 0 ? axis + rank : axis;
  if (index < 0 || index >= rank)
    return fail(ErrorCode::bad_data, fmt::format("axis {} is not one of {} axes", axis, rank));
  AxisExtents extents{static_cast<size_t>(index)};
  for (size_t i = 0; i < shape.size(); ++i) {
    int32_t& extent = i < extents.axis ? extents.outer : i == extents.axis ? extents.count : extents.inner;
    extent = static_cast<int32_t>(extent * shape[i]);
  }
  return extents;
}

Outcome expect_output_scale(const LowerArgs& args, double scale, int32_t zero_point, double tolerance) {
  const Value& output = args.graph[args.node.outputs[0]];
  if (args.graph[args.node.inputs[0]].quantization.empty() || output.quantization.empty())
    return cannot_lower(args.node, "input and output need a scale and zero point");
  if (std::abs(static_cast<double>(scale_of(output)) - scale) > tolerance * scale ||
      zero_point_of(output) != zero_point)
    return cannot_lower(
        args.node, fmt::format("{} {} gives scale {} and zero point {}, found {} and {}", name_of(output.type.dtype),
                               args.node.op->name, scale, zero_point, scale_of(output), zero_point_of(output)));
  return {};
}

tl::unexpected<Error> cannot_lower(const Node& node, std::string message) {
  return fail(ErrorCode::unsupported, std::move(message), node.name);
}

namespace {

Outcome check_channel_inputs(const Graph& graph, const Node& node) {
  const Value &input = graph[node.inputs[0]], &weights = graph[node.inputs[1]], &output = graph[node.outputs[0]];
  if (!weights.constant || weights.type.dtype != DType::i8)
    return cannot_lower(node, "the weights must be constant int8");
  if (input.quantization.empty() || weights.quantization.empty() || output.quantization.empty())
    return cannot_lower(node, "input, weights and output need a scale and zero point");
  for (int32_t zero : weights.quantization.zero_point)
    if (zero != 0) return cannot_lower(node, fmt::format("int8 weights must be symmetric; found zero point {}", zero));
  return {};
}

std::vector<int64_t> sums_of_channels(const Value& weights, int channel_axis) {
  const Shape& shape = weights.type.shape;
  size_t inner = 1;
  for (size_t axis = static_cast<size_t>(channel_axis) + 1; axis < shape.size(); ++axis)
    inner *= static_cast<size_t>(shape[axis]);
  std::vector<int64_t> sums(static_cast<size_t>(shape[static_cast<size_t>(channel_axis)]), 0);
  const auto values = weights.constant->as<int8_t>();
  for (size_t i = 0; i < values.size(); ++i) sums[(i / inner) % sums.size()] += values[i];
  return sums;
}

// One number per channel, zeros where there is no bias; `sums` becomes its type.
Result<std::vector<int64_t>> integer_bias(const Graph& graph, const Node& node, size_t channels, DType& sums) {
  const bool wide = graph[node.inputs[0]].type.dtype == DType::i16;
  sums = wide && node.attrs.integer("sums_int32") == 0 ? DType::i64 : DType::i32;
  if (node.inputs.size() <= 2 || node.inputs[2] == kNoValue) return std::vector<int64_t>(channels, 0);
  const Value& given = graph[node.inputs[2]];
  sums = given.type.dtype;
  const bool known = sums == DType::i32 || (wide && sums == DType::i64);
  if (!known || !given.constant || given.constant->size() != static_cast<int64_t>(channels))
    return cannot_lower(
        node, fmt::format("the bias must be {} constant {} values; found {} {}", channels,
                          wide ? "int64 or int32" : "int32", given.constant ? "constant" : "computed", name_of(sums)));
  if (sums == DType::i32) {
    const auto values = given.constant->as<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  const auto values = given.constant->as<int64_t>();
  return std::vector<int64_t>(values.begin(), values.end());
}

}  // namespace

Result<ChannelConstants> channel_constants(const Graph& graph, const Node& node, const ChannelRules& rules) {
  THIMBLE_TRY(check_channel_inputs(graph, node));
  const Value& input = graph[node.inputs[0]];
  const Value& weights = graph[node.inputs[1]];
  const Value& output = graph[node.outputs[0]];
  const std::vector<int64_t> sums = sums_of_channels(weights, rules.channel_axis);
  const auto channels = static_cast<int64_t>(sums.size());
  DType type = DType::i32;
  THIMBLE_LET(std::vector<int64_t> bias, integer_bias(graph, node, sums.size(), type));
  const Quantization& q = weights.quantization;
  std::vector<int32_t> narrow(sums.size()), multiplier(sums.size());
  std::vector<int8_t> shift(sums.size());
  for (size_t c = 0; c < sums.size(); ++c) {
    const int64_t folded = rules.fold_zero_point ? zero_point_of(input) * sums[c] : 0;
    bias[c] = device::wrapping_add(bias[c], -folded);
    narrow[c] = static_cast<int32_t>(bias[c]);
    const float weight_scale = q.scale[q.per_channel() ? c : 0], input_scale = scale_of(input);
    const double scale = rules.product_in_float ? static_cast<double>(input_scale * weight_scale)
                                                : static_cast<double>(input_scale) * static_cast<double>(weight_scale);
    const Multiplier m = quantize_multiplier(scale / static_cast<double>(scale_of(output)));
    if (type == DType::i64 && m.shift > device::kMostShift64)
      return cannot_lower(node, fmt::format("output scale {} is too small for input scale {} and weight scale {}",
                                            scale_of(output), input_scale, weight_scale));
    multiplier[c] = m.multiplier;
    shift[c] = static_cast<int8_t>(m.shift);
  }
  return ChannelConstants{
      type == DType::i64 ? Tensor::from<int64_t>({channels}, bias) : Tensor::from<int32_t>({channels}, narrow),
      Tensor::from<int32_t>({channels}, multiplier), Tensor::from<int8_t>({channels}, shift)};
}

Result<std::string> integer_kernel(const Node& node, std::string_view name, DType activations, DType sums) {
  const bool wide = activations == DType::i16;
  const std::string kernel = fmt::format("{}_{}", name, !wide ? "s8" : sums == DType::i64 ? "s16" : "s16_b32");
  if (!find_kernel(kernel))
    return cannot_lower(node, fmt::format("{} of {} activations has no kernel with a bias of type {}", node.op->name,
                                          name_of(activations), name_of(sums)));
  return kernel;
}

Result<Operand> float_bias(const Graph& graph, const Node& node, int64_t channels) {
  if (node.inputs.size() <= 2 || node.inputs[2] == kNoValue) return Tensor::zeros(DType::f32, {channels});
  const ValueType& given = graph[node.inputs[2]].type;
  if (given.dtype != DType::f32 || element_count(given.shape) != channels)
    return cannot_lower(node, fmt::format("the bias must be {} float32 values, found {} {}", channels,
                                          name_of(given.dtype), to_string(given.shape)));
  return operand_of(graph, node.inputs[2]);
}

LinearForm linear_form(const Graph& graph, const Node& node) {
  return {.activations = graph[node.inputs[0]].type.dtype,
          .int4 = graph[node.inputs[1]].stored_bits == 4,
          .bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue,
          .sums_int32 = node.attrs.integer("sums_int32") != 0};
}

namespace {
constexpr int64_t kTfliteInt32 = 2;  // TensorType
}

void read_bias_type(const AttrReader& reader, Attrs& attrs) {
  if (reader.integer("quantized_bias_type") == kTfliteInt32) attrs.set("sums_int32", int64_t{1});
}

void write_bias_type(const Attrs& attrs, AttrWriter& writer) {
  if (attrs.integer("sums_int32") != 0) writer.integer("quantized_bias_type", kTfliteInt32);
}

void apply_activation(std::string_view activation, const FloatView& output) {
  const FloatRange range = activation_range(activation);
  if (std::isinf(range.min) && std::isinf(range.max)) return;
  const int64_t size = output.size();
  for (int64_t i = 0; i < size; ++i) output.data[i] = std::min(std::max(output.data[i], range.min), range.max);
}

void mask_activation_gradient(std::string_view activation, const FloatView& output, std::vector<float>& grad) {
  const FloatRange range = activation_range(activation);
  if (std::isinf(range.min) && std::isinf(range.max)) return;
  for (size_t i = 0; i < grad.size(); ++i)
    if (output.data[i] <= range.min || output.data[i] >= range.max) grad[i] = 0;
}

Outcome check_bias(const InferArgs& args, int64_t channels) {
  if (args.inputs.size() < 3 || args.inputs[2].shape.empty()) return {};
  if (args.inputs[2].shape != Shape{channels})
    return fail(ErrorCode::bad_data, fmt::format("the bias must be [{}], one per output channel; found {}", channels,
                                                 to_string(args.inputs[2].shape)));
  return {};
}

Outcome read_fused_activation(const AttrReader& reader, Attrs& attrs) {
  const int64_t code = reader.integer("fused_activation_function");
  if (code == 0)
    attrs.set("activation", "none");
  else if (code == 1)
    attrs.set("activation", "relu");
  else if (code == 2)
    attrs.set("activation", "relu_n1_to_1");
  else if (code == 3)
    attrs.set("activation", "relu6");
  else
    return fail(
        ErrorCode::unsupported,
        fmt::format("fused activation number {} is not supported (0 none, 1 relu, 2 relu_n1_to_1, 3 relu6 are)", code));
  return {};
}

void write_fused_activation(const Attrs& attrs, AttrWriter& writer) {
  const std::string activation = attrs.word("activation", "none");
  writer.integer("fused_activation_function", activation == "relu"           ? 1
                                              : activation == "relu_n1_to_1" ? 2
                                              : activation == "relu6"        ? 3
                                                                             : 0);
}

}  // namespace thimble::ops
