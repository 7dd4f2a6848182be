// Reductions over the axes of attribute axes (any, negative from the end; attribute keep_dims 0 or 1): mean, sum,
// reduce_prod, reduce_max, reduce_min, reduce_any, reduce_all. The mean over axes 1 and 2 of [N, H, W, C] is global
// average pooling, and only the mean is trained.
#include "device/kernels/reduce.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "axes", 0}};
constexpr size_t kGroups = 3;  // of axes that a kernel knows, kept and reduced

Result<std::vector<bool>> reduced_axes(const Attrs& attrs, size_t rank) {
  std::vector<bool> reduced(rank, false);
  if (rank == 0) return reduced;
  for (int64_t axis : attrs.integers("axes")) {
    const int64_t index = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
    if (index < 0 || index >= static_cast<int64_t>(rank))
      return fail(ErrorCode::bad_data, fmt::format("axis {} is not one of {} axes", axis, rank));
    reduced[static_cast<size_t>(index)] = true;
  }
  return reduced;
}

// Axes of one kind, the last ones of `extent` and `stride` in use; the others have extent 1.
struct AxisGroup {
  std::array<int64_t, kGroups> extent = {1, 1, 1}, stride = {0, 0, 0};
  size_t used = 0;
  int64_t count() const { return extent[0] * extent[1] * extent[2]; }
  bool add_in_front(int64_t size, int64_t step) {
    if (used == kGroups) return false;
    ++used;
    extent[kGroups - used] = size;
    stride[kGroups - used] = step;
    return true;
  }
};

struct Axes {
  AxisGroup kept, reduced;
};

// Errors: bad_data (no such axis), unsupported (more groups than kernels know).
Result<Axes> axes_of(const Attrs& attrs, const Shape& shape) {
  THIMBLE_LET(const std::vector<bool> reduced, reduced_axes(attrs, shape.size()));
  Axes axes;
  int64_t stride = 1;
  const AxisGroup* last = nullptr;
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    AxisGroup& group = reduced[axis] ? axes.reduced : axes.kept;
    if (&group == last)
      group.extent[kGroups - group.used] *= shape[axis];
    else if (!group.add_in_front(shape[axis], stride))
      return fail(ErrorCode::unsupported,
                  fmt::format("a reduction of {} over axes [{}] has more than {} groups of axes", to_string(shape),
                              fmt::join(attrs.integers("axes"), ", "), kGroups),
                  {}, "reduce in two steps");
    stride *= shape[axis];
    last = &group;
  }
  return axes;
}

template <class Params>
Params params_of(const Axes& axes) {
  const auto at = [](const std::array<int64_t, kGroups>& numbers, size_t i) {
    return static_cast<int32_t>(numbers[i]);
  };
  Params p{};
  p.kept_0 = at(axes.kept.extent, 0);
  p.kept_1 = at(axes.kept.extent, 1);
  p.kept_2 = at(axes.kept.extent, 2);
  p.kept_stride_0 = at(axes.kept.stride, 0);
  p.kept_stride_1 = at(axes.kept.stride, 1);
  p.kept_stride_2 = at(axes.kept.stride, 2);
  p.reduced_0 = at(axes.reduced.extent, 0);
  p.reduced_1 = at(axes.reduced.extent, 1);
  p.reduced_2 = at(axes.reduced.extent, 2);
  p.reduced_stride_0 = at(axes.reduced.stride, 0);
  p.reduced_stride_1 = at(axes.reduced.stride, 1);
  p.reduced_stride_2 = at(axes.reduced.stride, 2);
  return p;
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  THIMBLE_TRY(axes_of(args.attrs, input));
  THIMBLE_LET(const std::vector<bool> reduced, reduced_axes(args.attrs, input.size()));
  Shape output;
  for (size_t axis = 0; axis < input.size(); ++axis) {
    if (!reduced[axis])
      output.push_back(input[axis]);
    else if (args.attrs.integer("keep_dims"))
      output.push_back(1);
  }
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(output)}};
}

Result<std::vector<ValueType>> infer_conditions(const InferArgs& args) {
  if (args.inputs[0].dtype != DType::boolean)
    return fail(ErrorCode::bad_data, fmt::format("takes conditions (bool), found {}", name_of(args.inputs[0].dtype)));
  return infer(args);
}

void mean_forward(const ForwardArgs& args) {
  const Axes axes = *axes_of(args.attrs, args.inputs[0].shape);
  auto params = params_of<device::SumParams>(axes);
  params.divisor = static_cast<int32_t>(axes.reduced.count());
  device::sum_f32(params, args.inputs[0].data, args.outputs[0].data);
}

void mean_backward(const BackwardArgs& args) {
  const FloatView& dx = args.grad_inputs[0];
  if (!dx.data) return;
  const Axes axes = *axes_of(args.attrs, dx.shape);
  const auto params = params_of<device::ReduceParams>(axes);
  const float share = 1.0f / static_cast<float>(axes.reduced.count());
  const float* dy = args.grad_outputs[0].data;
  device::for_each_kept(params, dx.data, [&](float* corner) {
    const float each = *dy++ * share;
    device::for_each_reduced(params, corner, [&](float& gradient) { gradient += each; });
  });
}

std::vector<KernelCall> with_operands(const LowerArgs& args, KernelCall call) {
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return {std::move(call)};
}

// input scale / output scale / count, as the reference divides a quantised multiplier.
Multiplier mean_multiplier(const Multiplier& ratio, int64_t count) {
  const int32_t shift =
      std::min({static_cast<int32_t>(std::bit_width(static_cast<uint64_t>(count))) - 1, 32, 31 + ratio.shift});
  return {static_cast<int32_t>((static_cast<int64_t>(ratio.multiplier) << shift) / count), ratio.shift - shift};
}

Result<std::vector<KernelCall>> lower_sum(const LowerArgs& args, bool mean) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  THIMBLE_LET(const Axes axes, axes_of(args.node.attrs, input.type.shape));
  const int64_t count = axes.reduced.count();
  if (dtype != DType::i8 && dtype != DType::i16) {
    auto params = params_of<device::SumParams>(axes);
    params.divisor = mean ? static_cast<int32_t>(count) : 1;
    return with_operands(args, KernelCall::make(fmt::format("sum_{}", kernel_suffix(dtype)), params));
  }
  if (input.quantization.empty() || output.quantization.empty())
    return cannot_lower(args.node, "input and output need a scale and zero point");
  Multiplier m = quantize_multiplier(static_cast<double>(scale_of(input)) / static_cast<double>(scale_of(output)));
  if (mean) m = mean_multiplier(m, count);
  auto params = params_of<device::SumQuantizedParams>(axes);
  params.sum_offset = static_cast<int32_t>(zero_point_of(input) * count);
  params.multiplier = m.multiplier;
  params.shift = m.shift;
  params.output_zero_point = zero_point_of(output);
  return with_operands(args, KernelCall::make(fmt::format("sum_{}", kernel_suffix(dtype)), params));
}

Result<std::vector<KernelCall>> lower_extreme(const LowerArgs& args, const std::string& kernel) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  if (input.quantization != args.graph[args.node.outputs[0]].quantization)
    return cannot_lower(args.node, "it keeps the scale and zero point, but input and output differ in them");
  THIMBLE_LET(const Axes axes, axes_of(args.node.attrs, input.type.shape));
  return with_operands(args, KernelCall::make(fmt::format("{}_{}", kernel, kernel_suffix(dtype)),
                                              params_of<device::ReduceParams>(axes)));
}

Result<std::vector<KernelCall>> lower_prod(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  THIMBLE_LET(const Axes axes, axes_of(args.node.attrs, input.type.shape));
  const std::string kernel = fmt::format("reduce_prod_{}", kernel_suffix(dtype));
  if (dtype != DType::i8 && dtype != DType::i16)
    return with_operands(args, KernelCall::make(kernel, params_of<device::ReduceParams>(axes)));
  if (input.quantization.empty() || output.quantization.empty())
    return cannot_lower(args.node, "input and output need a scale and zero point");
  const Multiplier m = quantize_multiplier(
      static_cast<double>(scale_of(input)) /
      std::pow(static_cast<double>(scale_of(output)), 1.0 / static_cast<double>(axes.reduced.count())));
  if (m.shift >= 8)
    return cannot_lower(
        args.node, fmt::format("output scale {} is too small for input scale {}", scale_of(output), scale_of(input)));
  auto params = params_of<device::ProdQuantizedParams>(axes);
  params.input_zero_point = zero_point_of(input);
  params.multiplier = m.multiplier < 0x7FFF0000 ? (m.multiplier + (1 << 15)) >> 16 : 0x7FFF;
  params.shift = m.shift;
  params.output_zero_point = zero_point_of(output);
  return with_operands(args, KernelCall::make(kernel, params));
}

ChannelFlow channels(const Graph& graph, const Node& node) {
  const auto reduced = reduced_axes(node.attrs, graph[node.inputs[0]].type.shape.size());
  return reduced && !reduced->empty() && !reduced->back() ? ChannelFlow::separate : ChannelFlow::unknown;
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("keep_dims", reader.integer("keep_dims"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) { writer.integer("keep_dims", attrs.integer("keep_dims")); }

TfliteMapping mapping(std::string_view builtin, int version, int version_i16) {
  return {.builtin = builtin,
          .options = "ReducerOptions",
          .version = version,
          .version_i16 = version_i16,
          .read = read_options,
          .write = write_options,
          .constant_inputs = kConstantInputs};
}

constexpr DTypes kNumbers{DType::f32, DType::i8, DType::i16, DType::i32, DType::i64};
constexpr OptOut kAdds{"it adds or compares, and multiplies only once per output"};

OpSpec extreme_spec(std::string_view name, std::string_view doc, std::string_view builtin) {
  return {.name = name,
          .doc = doc,
          .traits = {.channels = channels},
          .dtypes = kAllDTypes,
          .infer = infer,
          .forward = kImportedOnly,
          .backward = kImportedOnly,
          .quantize = QuantizeRule{.output = OutputScale::same_as_input},
          .tflite = mapping(builtin, 2, 3),
          .lower = [name](const LowerArgs& args) { return lower_extreme(args, std::string(name)); },
          .macs = kAdds};
}

OpSpec conditions_spec(std::string_view name, std::string_view doc, std::string_view builtin, std::string kernel) {
  return {.name = name,
          .doc = doc,
          .dtypes = {DType::boolean},
          .infer = infer_conditions,
          .forward = kImportedOnly,
          .backward = kImportedOnly,
          .quantize = OptOut{"its input and output are conditions"},
          .tflite = mapping(builtin, 1, 1),
          .lower = [kernel](const LowerArgs& args) { return lower_extreme(args, kernel); },
          .macs = kAdds};
}

}  // namespace

const OpSpec& mean() {
  static const OpSpec spec{
      .name = "mean",
      .doc = "Mean over any axes; over axes 1 and 2 it is global average pooling.",
      .traits = {.channels = channels},
      .dtypes = kNumbers,
      .infer = infer,
      .forward = mean_forward,
      .backward = mean_backward,
      .quantize = QuantizeRule{},
      .tflite = mapping("MEAN", 2, 3),
      .lower = [](const LowerArgs& args) { return lower_sum(args, true); },
      .macs = kAdds,
  };
  return spec;
}

const OpSpec& sum() {
  static const OpSpec spec{
      .name = "sum",
      .doc = "Sum over any axes.",
      .traits = {.channels = channels},
      .dtypes = kNumbers,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{},
      .tflite = mapping("SUM", 2, 2),
      .lower = [](const LowerArgs& args) { return lower_sum(args, false); },
      .macs = kAdds,
  };
  return spec;
}

const OpSpec& reduce_prod() {
  static const OpSpec spec{
      .name = "reduce_prod",
      .doc = "Product over any axes.",
      .dtypes = kNumbers,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{},
      .tflite = mapping("REDUCE_PROD", 2, 2),
      .lower = lower_prod,
      .macs = OptOut{"small beside the layers before it"},
  };
  return spec;
}

const OpSpec& reduce_max() {
  static const OpSpec spec = extreme_spec("reduce_max", "Maximum over any axes.", "REDUCE_MAX");
  return spec;
}

const OpSpec& reduce_min() {
  static const OpSpec spec = extreme_spec("reduce_min", "Minimum over any axes.", "REDUCE_MIN");
  return spec;
}

const OpSpec& reduce_any() {
  static const OpSpec spec =
      conditions_spec("reduce_any", "Whether any condition holds, over any axes.", "REDUCE_ANY", "reduce_max");
  return spec;
}

const OpSpec& reduce_all() {
  static const OpSpec spec =
      conditions_spec("reduce_all", "Whether all conditions hold, over any axes.", "REDUCE_ALL", "reduce_min");
  return spec;
}

}  // namespace thimble::ops
