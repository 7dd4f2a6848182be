// Mean over neighbouring axes (attribute axes, negative from the end; keep_dims 0 or 1). Global average pooling is the
// mean over axes 1 and 2 of [N, H, W, C].
#include <algorithm>
#include <bit>

#include "device/kernels/reduce.h"
#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "axes", 0}};

// Input [outer, count, inner] -> output [outer, inner].
struct Extents {
  int64_t outer = 1, count = 1, inner = 1;
};

Result<std::vector<bool>> reduced_axes(const Attrs& attrs, size_t rank) {
  std::vector<bool> reduced(rank, false);
  for (int64_t axis : attrs.integers("axes")) {
    const int64_t index = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
    if (index < 0 || index >= static_cast<int64_t>(rank))
      return fail(ErrorCode::bad_data, fmt::format("axis {} is not one of {} axes", axis, rank));
    reduced[static_cast<size_t>(index)] = true;
  }
  return reduced;
}

// Errors: bad_data (no such axis), unsupported (axes with others between them).
Result<Extents> extents_of(const Attrs& attrs, const Shape& shape) {
  THIMBLE_LET(const std::vector<bool> reduced, reduced_axes(attrs, shape.size()));
  const auto first = std::ranges::find(reduced, true) - reduced.begin();
  Extents extents;
  int64_t* part = &extents.outer;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (static_cast<int64_t>(axis) == first) part = &extents.count;
    if (part == &extents.count && !reduced[axis]) part = &extents.inner;
    if (part == &extents.inner && reduced[axis])
      return fail(ErrorCode::unsupported,
                  fmt::format("mean over axes of {} with another axis between them", to_string(shape)), {},
                  "take the mean in two steps");
    *part *= shape[axis];
  }
  return extents;
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  THIMBLE_TRY(extents_of(args.attrs, input));
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

void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const Extents e = *extents_of(args.attrs, x.shape);
  std::fill_n(y.data, y.size(), 0.0f);
  for (int64_t row = 0; row < e.outer * e.count; ++row) {
    float* sums = y.data + row / e.count * e.inner;
    for (int64_t i = 0; i < e.inner; ++i) sums[i] += x.data[row * e.inner + i];
  }
  for (int64_t i = 0; i < y.size(); ++i) y.data[i] /= static_cast<float>(e.count);
}

void backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  const Extents e = *extents_of(args.attrs, x.shape);
  const float share = 1.0f / static_cast<float>(e.count);
  for (int64_t row = 0; row < e.outer * e.count; ++row)
    for (int64_t i = 0; i < e.inner; ++i) dx.data[row * e.inner + i] += dy.data[row / e.count * e.inner + i] * share;
}

// input scale / output scale / count, as the reference divides a quantised multiplier.
Multiplier mean_multiplier(const Value& input, const Value& output, int64_t count) {
  const Multiplier ratio =
      quantize_multiplier(static_cast<double>(scale_of(input)) / static_cast<double>(scale_of(output)));
  const int32_t shift =
      std::min({static_cast<int32_t>(std::bit_width(static_cast<uint64_t>(count))) - 1, 32, 31 + ratio.shift});
  return {static_cast<int32_t>((static_cast<int64_t>(ratio.multiplier) << shift) / count), ratio.shift - shift};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args, {DType::i8, DType::f32}));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  THIMBLE_LET(const Extents e, extents_of(args.node.attrs, input.type.shape));
  const auto outer = static_cast<int32_t>(e.outer), count = static_cast<int32_t>(e.count),
             inner = static_cast<int32_t>(e.inner);
  KernelCall call;
  if (is_int8(output)) {
    if (e.count > 1 << 23)
      return cannot_lower(args.node, fmt::format("int8 mean of {} elements overflows its sum", e.count));
    const Multiplier m = mean_multiplier(input, output, e.count);
    call = KernelCall::make("mean_s8", device::MeanS8Params{outer, count, inner, zero_point_of(input) * count,
                                                            m.multiplier, m.shift, zero_point_of(output)});
  } else {
    call = KernelCall::make("mean_f32", device::MeanF32Params{outer, count, inner});
  }
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("keep_dims", reader.integer("keep_dims"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) { writer.integer("keep_dims", attrs.integer("keep_dims")); }

}  // namespace

const OpSpec& mean() {
  static const OpSpec spec{
      .name = "mean",
      .doc = "Mean over neighbouring axes; over axes 1 and 2 it is global average pooling.",
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{},
      .tflite = TfliteMapping{.builtin = "MEAN",
                              .options = "ReducerOptions",
                              .version = 2,
                              .read = read_options,
                              .write = write_options,
                              .constant_inputs = kConstantInputs},
      .lower = lower,
      .macs = OptOut{"it adds, and multiplies only once per output"},
  };
  return spec;
}

}  // namespace thimble::ops
