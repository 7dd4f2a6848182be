// Softmax and its logarithm, log_softmax, over the last axis: input x [..., depth], output of the same shape. Attribute
// beta (1) of softmax.
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
                fmt::format("it needs a last axis with at least one element, found {}", to_string(shape)));
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

// How the int8 reference brings differences of inputs to a Q5.26 argument of exp, and the largest that it counts.
struct ExpScaling {
  Multiplier multiplier;
  int32_t radius = 0;
};

Result<ExpScaling> exp_scaling(const Node& node, double input_scale, double beta) {
  constexpr int kIntegerBits = 5;
  const double real =
      std::min(beta * input_scale * (1 << (31 - kIntegerBits)), static_cast<double>((int64_t{1} << 31) - 1));
  if (!(real > 1))
    return cannot_lower(
        node, fmt::format("input scale {} times beta {} is too small for int8 {}", input_scale, beta, node.op->name));
  const Multiplier m = quantize_multiplier(real);
  const double radius = std::floor(((1 << kIntegerBits) - 1) * std::ldexp(1.0, 31 - kIntegerBits - m.shift));
  return ExpScaling{m, static_cast<int32_t>(std::min(radius, 2147483647.0))};
}

// exp of minus d input steps, 0 beyond the radius.
Tensor exp_table(const ExpScaling& scaling) {
  std::vector<int32_t> table(256, 0);
  for (int32_t d = 0; d < 256 && d <= scaling.radius; ++d)
    table[static_cast<size_t>(d)] =
        device::exp_on_negative_values(device::requantize(-d, scaling.multiplier.multiplier, scaling.multiplier.shift));
  return Tensor::from<int32_t>({256}, table);
}

// Without the entries that the kernel rounds to nothing.
Tensor short_exp_table(const ExpScaling& scaling) {
  const Tensor table = exp_table(scaling);
  std::span<const int32_t> entries = table.as<int32_t>();
  while (entries.size() > 1 && entries.back() < 1 << (device::kSoftmaxSumIntegerBits - 1))
    entries = entries.first(entries.size() - 1);
  return Tensor::from<int32_t>({static_cast<int64_t>(entries.size())}, entries);
}

struct Rows {
  int32_t count = 0, depth = 0;
};
Rows rows_of(const Value& value) {
  const auto depth = static_cast<int32_t>(value.type.shape.back());
  return {static_cast<int32_t>(element_count(value.type.shape) / depth), depth};
}

Result<std::vector<KernelCall>> lower_int8(const LowerArgs& args) {
  THIMBLE_TRY(expect_output_scale(args, 1.0 / 256, -128));
  const Value& input = args.graph[args.node.inputs[0]];
  const Rows rows = rows_of(input);
  THIMBLE_LET(const ExpScaling scaling,
              exp_scaling(args.node, static_cast<double>(scale_of(input)), args.node.attrs.real("beta", 1.0)));
  Tensor table = short_exp_table(scaling);
  auto call = KernelCall::make("softmax_s8",
                               device::SoftmaxS8Params{rows.count, rows.depth, static_cast<int32_t>(table.size())});
  call.operand(args.node.inputs[0]).operand(std::move(table)).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Result<std::vector<KernelCall>> lower_int16(const LowerArgs& args) {
  THIMBLE_TRY(expect_output_scale(args, 1.0 / 32768, 0, 0.001));
  const Value& input = args.graph[args.node.inputs[0]];
  const Rows rows = rows_of(input);
  if (rows.depth > 65535)
    return cannot_lower(args.node, fmt::format("int16 softmax takes up to 65535 classes, found {}", rows.depth));
  const double real = static_cast<double>(scale_of(input)) * args.node.attrs.real("beta", 1.0) / (10.0 / 65535.0);
  if (!std::isfinite(real) || real < 0)
    return cannot_lower(args.node,
                        fmt::format("beta must be a positive number, found {}", args.node.attrs.real("beta", 1.0)));
  const Multiplier m = quantize_multiplier(real);
  constexpr float kRange = 65535;
  auto call = KernelCall::make("softmax_s16", device::SoftmaxS16Params{rows.count, rows.depth, m.multiplier, m.shift});
  call.operand(args.node.inputs[0])
      .operand(table_s16({10.0f / kRange, 32767}, {2.0f / kRange, 0}, [](float x) { return std::exp(x); }))
      .operand(table_s16({1.0f / kRange, -32768}, {2.0f / kRange, 0}, [](float x) { return 1.0f / (1.0f + x); }))
      .operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  if (dtype == DType::i8) return lower_int8(args);
  if (dtype == DType::i16) return lower_int16(args);
  const Rows rows = rows_of(args.graph[args.node.outputs[0]]);
  const auto beta = static_cast<float>(args.node.attrs.real("beta", 1.0));
  auto call = KernelCall::make("softmax_f32", device::SoftmaxF32Params{rows.count, rows.depth, device::bits_of(beta)});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Result<std::vector<KernelCall>> lower_log(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const Rows rows = rows_of(input);
  if (dtype == DType::f32) {
    auto call = KernelCall::make("log_softmax_f32", device::LogSoftmaxF32Params{rows.count, rows.depth});
    call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
    return std::vector{std::move(call)};
  }
  THIMBLE_TRY(expect_output_scale(args, 16.0 / 256, 127));
  if (rows.depth >= 4096)
    return cannot_lower(args.node, fmt::format("int8 log_softmax takes fewer than 4096 classes, found {}", rows.depth));
  THIMBLE_LET(const ExpScaling scaling, exp_scaling(args.node, static_cast<double>(scale_of(input)), 1.0));
  const Multiplier m = scaling.multiplier;
  const Multiplier inverse = quantize_multiplier(std::ldexp(1.0, 31 - m.shift) / static_cast<double>(m.multiplier));
  auto call = KernelCall::make(
      "log_softmax_s8", device::LogSoftmaxS8Params{rows.count, rows.depth, m.multiplier, m.shift, inverse.multiplier,
                                                   inverse.shift, -scaling.radius});
  call.operand(args.node.inputs[0]).operand(exp_table(scaling)).operand(args.node.outputs[0]);
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
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 1.0f / 256, .fixed_zero_point = -128},
      .tflite = TfliteMapping{.builtin = "SOFTMAX",
                              .options = "SoftmaxOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read_options,
                              .write = write_options},
      .lower = lower,
      .macs = OptOut{"small beside the layers before it"},
  };
  return spec;
}

const OpSpec& log_softmax() {
  static const OpSpec spec{
      .name = "log_softmax",
      .doc = "Logarithm of the softmax over the last axis.",
      .traits = {.in_place = true},
      .dtypes = {DType::f32, DType::i8},
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 16.0f / 256, .fixed_zero_point = 127},
      .tflite = TfliteMapping{.builtin = "LOG_SOFTMAX",
                              .options = "LogSoftmaxOptions",
                              .version = 2,
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = lower_log,
      .macs = OptOut{"small beside the layers before it"},
  };
  return spec;
}

}  // namespace thimble::ops
