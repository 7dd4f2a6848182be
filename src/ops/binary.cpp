// Arithmetic of two inputs a and b with broadcasting; either may be constant. Attribute activation where TFLite's
// operator has one. add, sub and mul can be trained.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "device/kernels/binary_f32.h"
#include "device/kernels/binary_integer.h"
#include "graph/kernel_table.h"
#include "ops/arm_mve.h"
#include "ops/ops.h"
#include "ops/quantized_binary.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

using device::IntegerOp;

// What differs from one operator to the next.
struct Binary {
  std::string_view name;
  IntegerOp integer;
  DTypes types;
  bool activation = false;  // TFLite fuses one into it
};

Result<std::vector<ValueType>> infer(std::string_view name, const InferArgs& args) {
  const ValueType &a = args.inputs[0], &b = args.inputs[1];
  if (a.dtype != b.dtype)
    return fail(ErrorCode::bad_data, fmt::format("{} takes two inputs of one type, found {} and {}", name,
                                                 name_of(a.dtype), name_of(b.dtype)));
  const Shape shapes[] = {a.shape, b.shape};
  THIMBLE_TRY(broadcast_axes(name, shapes));
  THIMBLE_LET(Shape shape, broadcast_shape(name, shapes));
  return std::vector{ValueType{a.dtype, std::move(shape)}};
}

// TFLite clamps to the largest finite floats where there is no activation.
FloatRange finite_range(std::string_view activation) {
  FloatRange range = activation_range(activation);
  constexpr float kLargest = std::numeric_limits<float>::max();
  return {std::max(range.min, -kLargest), std::min(range.max, kLargest)};
}

KernelCall float_call(const Binary& op, const Attrs& attrs, const BroadcastAxes& axes) {
  const std::string kernel = fmt::format("{}_f32", op.name);
  if (op.integer == IntegerOp::maximum || op.integer == IntegerOp::minimum) {
    device::MaximumParams params{};
    set_broadcast(params, axes);
    params.smaller = op.integer == IntegerOp::minimum;
    return KernelCall::make("maximum_f32", params);
  }
  if (!op.activation) {
    device::BroadcastParams params{};
    set_broadcast(params, axes);
    return KernelCall::make(kernel, params);
  }
  device::BinaryF32Params params{};
  set_broadcast(params, axes);
  const FloatRange range = finite_range(attrs.word("activation", "none"));
  params.activation_min = device::bits_of(range.min);
  params.activation_max = device::bits_of(range.max);
  return KernelCall::make(kernel, params);
}

KernelCall integer_call(const Binary& op, const BinaryNode& node) {
  device::BinaryI32Params params{};
  set_broadcast(params, node.axes);
  params.operation = static_cast<int32_t>(op.integer);
  // The reference adds int32 without its activation.
  const bool clamps = op.activation && !(op.integer == IntegerOp::add && node.output.type.dtype == DType::i32);
  const FloatRange range = activation_range(clamps ? node.args.node.attrs.word("activation", "none") : "none");
  params.activation_min = std::isfinite(range.min) ? static_cast<int32_t>(range.min) : INT32_MIN;
  params.activation_max = std::isfinite(range.max) ? static_cast<int32_t>(range.max) : INT32_MAX;
  return KernelCall::make(node.output.type.dtype == DType::i64 ? "binary_i64" : "binary_i32", params);
}

Result<KernelCall> quantized_call(const Binary& op, const BinaryNode& node) {
  if (op.integer == IntegerOp::maximum || op.integer == IntegerOp::minimum) {
    // The codes themselves are compared, as the reference does.
    device::MaximumParams params{};
    set_broadcast(params, node.axes);
    params.smaller = op.integer == IntegerOp::minimum;
    return KernelCall::make(node.is_int16() ? "maximum_s16" : "maximum_s8", params);
  }
  THIMBLE_TRY(require_one_scale(node.args.node, {&node.a, &node.b, &node.output}));
  switch (op.integer) {
    case IntegerOp::add:
      return quantized_sum(node, false);
    case IntegerOp::sub:
      return quantized_sum(node, true);
    case IntegerOp::mul:
      return quantized_product(node);
    case IntegerOp::div:
      return quantized_quotient(node);
    default:
      return quantized_squared_difference(node);
  }
}

Result<std::vector<KernelCall>> lower(const Binary& op, const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  THIMBLE_LET(const BinaryNode node, binary_node(args));
  KernelCall call;
  if (dtype == DType::f32) {
    call = float_call(op, args.node.attrs, node.axes);
  } else if (dtype == DType::i32 || dtype == DType::i64) {
    call = integer_call(op, node);
  } else {
    THIMBLE_LET(call, quantized_call(op, node));
  }
  call.operand(operand_of(args.graph, args.node.inputs[0]))
      .operand(operand_of(args.graph, args.node.inputs[1]))
      .operand(args.node.outputs[0]);
  if (args.form.isa == "arm_mve") return with_arm_mve(std::vector{std::move(call)});
  if (call.kernel == "add_s8" && args.form.isa != "portable")
    if (auto flat = flat_sum(args.form, call)) call = std::move(*flat);
  return std::vector{std::move(call)};
}

// ---- training

BroadcastAxes axes_of(const Binary& op, std::span<const FloatView> inputs) {
  const Shape shapes[] = {inputs[0].shape, inputs[1].shape};
  return broadcast_axes(op.name, shapes).value();
}

void forward(const Binary& op, const ForwardArgs& args) {
  void* const operands[] = {args.inputs[0].data, args.inputs[1].data, args.outputs[0].data};
  [[maybe_unused]] const Outcome done = run_kernel(float_call(op, args.attrs, axes_of(op, args.inputs)), operands);
  assert(done);
}

void backward(const Binary& op, const BackwardArgs& args) {
  const FloatView& y = args.outputs[0];
  std::vector<float> dy(args.grad_outputs[0].data, args.grad_outputs[0].data + y.size());
  mask_activation_gradient(args.attrs.word("activation", "none"), y, dy);
  const float *a = args.inputs[0].data, *b = args.inputs[1].data;
  float *da = args.grad_inputs[0].data, *db = args.grad_inputs[1].data;
  for_each_broadcast(axes_of(op, args.inputs), [&](int64_t i, int64_t at_a, int64_t at_b) {
    const float d = dy[static_cast<size_t>(i)];
    if (da) da[at_a] += op.integer == IntegerOp::mul ? d * b[at_b] : d;
    if (db) db[at_b] += op.integer == IntegerOp::mul ? d * a[at_a] : op.integer == IntegerOp::sub ? -d : d;
  });
}

// ---- specs

Outcome read_sum(const AttrReader& reader, Attrs& attrs) {
  // int16 of this kind has scales that are powers of two; the kernels take any.
  if (reader.integer("pot_scale_int16", 1) == 0) attrs.set("pot_scale_int16", int64_t{0});
  return read_fused_activation(reader, attrs);
}
void write_sum(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("pot_scale_int16", attrs.integer("pot_scale_int16", 1));
  write_fused_activation(attrs, writer);
}

OpSpec make_spec(Binary op, std::string_view doc, TfliteMapping tflite, Stage<QuantizeRule> quantize) {
  const bool trains = op.integer == IntegerOp::add || op.integer == IntegerOp::sub || op.integer == IntegerOp::mul;
  Stage<ForwardFn> forward_stage = kImportedOnly;
  Stage<BackwardFn> backward_stage = kImportedOnly;
  if (trains && op.activation) {
    forward_stage = Stage<ForwardFn>([op](const ForwardArgs& args) { forward(op, args); });
    backward_stage = Stage<BackwardFn>([op](const BackwardArgs& args) { backward(op, args); });
  }
  return {
      .name = op.name,
      .doc = doc,
      .traits = {.min_inputs = 2,
                 .max_inputs = 2,
                 .in_place = true,
                 .fuses_activation = op.activation,
                 .rows = row_by_row,
                 .channels = separate_channels},
      .dtypes = op.types,
      .infer = [name = op.name](const InferArgs& args) { return infer(name, args); },
      .forward = std::move(forward_stage),
      .backward = std::move(backward_stage),
      .quantize = std::move(quantize),
      .tflite = std::move(tflite),
      .lower = [op](const LowerArgs& args) { return lower(op, args); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

constexpr DTypes kAllNumbers = {DType::f32, DType::i8, DType::i16, DType::i32, DType::i64};
constexpr DTypes kWide = {DType::f32, DType::i32, DType::i64};
constexpr OptOut kNoInt8{"TensorFlow Lite has no int8 form of it"};

OpSpec make_extreme(std::string_view name, IntegerOp integer, std::string_view doc, std::string_view builtin) {
  return make_spec({name, integer, kAllNumbers}, doc,
                   {.builtin = builtin,
                    .options = "MaximumMinimumOptions",
                    .version = 2,
                    .version_i16 = 4,
                    .read = reads_nothing,
                    .write = writes_nothing},
                   QuantizeRule{.output = OutputScale::shared});
}

}  // namespace

const OpSpec& add() {
  static const OpSpec spec = make_spec(
      {"add", IntegerOp::add, kAllNumbers, true}, "Sum of two inputs.",
      {.builtin = "ADD", .options = "AddOptions", .version = 2, .version_i16 = 3, .read = read_sum, .write = write_sum},
      QuantizeRule{});
  return spec;
}

const OpSpec& sub() {
  static const OpSpec spec = make_spec(
      {"sub", IntegerOp::sub, kAllNumbers, true}, "Difference of two inputs.",
      {.builtin = "SUB", .options = "SubOptions", .version = 2, .version_i16 = 5, .read = read_sum, .write = write_sum},
      QuantizeRule{});
  return spec;
}

const OpSpec& mul() {
  static const OpSpec spec = make_spec({"mul", IntegerOp::mul, kAllNumbers, true}, "Product of two inputs.",
                                       {.builtin = "MUL",
                                        .options = "MulOptions",
                                        .version = 2,
                                        .version_i16 = 4,
                                        .read = read_fused_activation,
                                        .write = write_fused_activation},
                                       QuantizeRule{});
  return spec;
}

const OpSpec& div() {
  static const OpSpec spec =
      make_spec({"div", IntegerOp::div, {DType::i8, DType::f32, DType::i32}, true}, "Quotient of two inputs.",
                {.builtin = "DIV",
                 .options = "DivOptions",
                 .version = 1,
                 .read = read_fused_activation,
                 .write = write_fused_activation},
                QuantizeRule{});
  return spec;
}

const OpSpec& maximum() {
  static const OpSpec spec = make_extreme("maximum", IntegerOp::maximum, "The larger of two inputs.", "MAXIMUM");
  return spec;
}

const OpSpec& minimum() {
  static const OpSpec spec = make_extreme("minimum", IntegerOp::minimum, "The smaller of two inputs.", "MINIMUM");
  return spec;
}

const OpSpec& squared_difference() {
  static const OpSpec spec =
      make_spec({"squared_difference", IntegerOp::squared_difference, {DType::i8, DType::i16, DType::f32, DType::i32}},
                "The square of the difference of two inputs.",
                {.builtin = "SQUARED_DIFFERENCE",
                 .options = "SquaredDifferenceOptions",
                 .version = 2,
                 .read = reads_nothing,
                 .write = writes_nothing},
                QuantizeRule{});
  return spec;
}

const OpSpec& floor_div() {
  static const OpSpec spec = make_spec({"floor_div", IntegerOp::floor_div, kWide}, "The quotient rounded down.",
                                       {.builtin = "FLOOR_DIV",
                                        .options = "FloorDivOptions",
                                        .version_f32 = 2,
                                        .read = reads_nothing,
                                        .write = writes_nothing},
                                       kNoInt8);
  return spec;
}

const OpSpec& floor_mod() {
  static const OpSpec spec = make_spec(
      {"floor_mod", IntegerOp::floor_mod, kWide}, "The remainder, with the divisor's sign.",
      {.builtin = "FLOOR_MOD", .options = "FloorModOptions", .read = reads_nothing, .write = writes_nothing}, kNoInt8);
  return spec;
}

const OpSpec& pow() {
  static const OpSpec spec =
      make_spec({"pow", IntegerOp::pow, kWide}, "a to the power of b.",
                {.builtin = "POW", .options = "PowOptions", .read = reads_nothing, .write = writes_nothing}, kNoInt8);
  return spec;
}

const OpSpec& atan2() {
  static const OpSpec spec = make_spec(
      {"atan2", IntegerOp::pow, {DType::f32}}, "The angle of the point (b, a).",
      {.builtin = "ATAN2", .options = "ATan2Options", .read = reads_nothing, .write = writes_nothing}, kNoInt8);
  return spec;
}

}  // namespace thimble::ops
