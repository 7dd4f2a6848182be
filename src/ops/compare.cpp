// Comparisons and logic of two inputs, and selection between two by a condition, all with broadcasting. Conditions are
// booleans.
#include "device/kernels/compare.h"

#include <algorithm>

#include "ops/ops.h"
#include "ops/quantized_binary.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

using Calls = Result<std::vector<KernelCall>>;
using device::Comparison;

constexpr OptOut kConditions{"its inputs and output are conditions"};

Result<Shape> checked_shape(std::string_view name, std::span<const Shape> shapes) {
  THIMBLE_TRY(broadcast_axes(name, shapes));
  return broadcast_shape(name, shapes);
}

Result<std::vector<ValueType>> infer_condition(std::string_view name, const InferArgs& args) {
  const ValueType &a = args.inputs[0], &b = args.inputs[1];
  if (a.dtype != b.dtype)
    return fail(ErrorCode::bad_data, fmt::format("{} takes two inputs of one type, found {} and {}", name,
                                                 name_of(a.dtype), name_of(b.dtype)));
  const Shape shapes[] = {a.shape, b.shape};
  THIMBLE_LET(Shape shape, checked_shape(name, shapes));
  return std::vector{ValueType{DType::boolean, std::move(shape)}};
}

// ---- comparisons

Result<KernelCall> compare_int8(Comparison comparison, const BinaryNode& node) {
  THIMBLE_TRY(require_one_scale(node.args.node, {&node.a, &node.b}));
  const Multiplier a = quantize_multiplier(static_cast<double>(scale_of(node.a))),
                   b = quantize_multiplier(static_cast<double>(scale_of(node.b)));
  if (a.shift > 14 || b.shift > 14)
    return cannot_lower(node.args.node, fmt::format("input scales {} and {} are too large to be compared",
                                                    scale_of(node.a), scale_of(node.b)));
  device::CompareS8Params params{};
  set_broadcast(params, node.axes);
  params.comparison = static_cast<int32_t>(comparison);
  params.a_zero_point = zero_point_of(node.a);
  params.a_multiplier = a.multiplier;
  params.a_shift = a.shift;
  params.b_zero_point = zero_point_of(node.b);
  params.b_multiplier = b.multiplier;
  params.b_shift = b.shift;
  return KernelCall::make("compare_s8", params);
}

Result<KernelCall> compare_numbers(Comparison comparison, const BinaryNode& node) {
  const DType dtype = node.a.type.dtype;
  // TensorFlow Lite compares int16 codes, which is only right where both inputs have one scale.
  if (dtype == DType::i16 && node.a.quantization.scale != node.b.quantization.scale)
    return cannot_lower(node.args.node, fmt::format("int16 inputs {} and {} must have one scale to be compared",
                                                    node.a.name, node.b.name));
  device::CompareParams params{};
  set_broadcast(params, node.axes);
  params.comparison = static_cast<int32_t>(comparison);
  return KernelCall::make(fmt::format("compare_{}", kernel_suffix(dtype)), params);
}

Calls lower_comparison(Comparison comparison, const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, input_dtype(args));
  THIMBLE_LET(const BinaryNode node, binary_node(args));
  KernelCall call;
  if (dtype == DType::i8) {
    THIMBLE_LET(call, compare_int8(comparison, node));
  } else {
    THIMBLE_LET(call, compare_numbers(comparison, node));
  }
  call.operand(operand_of(args.graph, args.node.inputs[0]))
      .operand(operand_of(args.graph, args.node.inputs[1]))
      .operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

OpSpec make_comparison(std::string_view name, std::string_view doc, Comparison comparison, std::string_view builtin,
                       std::string_view options, int version_i16) {
  DTypes types{DType::f32, DType::i8, DType::i16, DType::i32, DType::i64};
  if (comparison == Comparison::equal || comparison == Comparison::not_equal) types.add(DType::boolean);
  return {
      .name = name,
      .doc = doc,
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = types,
      .infer = [name](const InferArgs& args) { return infer_condition(name, args); },
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{},
      .tflite = TfliteMapping{.builtin = builtin,
                              .options = options,
                              .version = 2,
                              .version_i16 = version_i16,
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = [comparison](const LowerArgs& args) { return lower_comparison(comparison, args); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

// ---- logic

Calls lower_logic(bool both, const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args));
  THIMBLE_LET(const BinaryNode node, binary_node(args));
  device::LogicalParams params{};
  set_broadcast(params, node.axes);
  params.both = both;
  auto call = KernelCall::make("logical_u8", params);
  call.operand(operand_of(args.graph, args.node.inputs[0]))
      .operand(operand_of(args.graph, args.node.inputs[1]))
      .operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

OpSpec make_logic(std::string_view name, std::string_view doc, bool both, std::string_view builtin,
                  std::string_view options) {
  return {
      .name = name,
      .doc = doc,
      .traits = {.min_inputs = 2, .max_inputs = 2, .in_place = true},
      .dtypes = {DType::boolean},
      .infer = [name](const InferArgs& args) { return infer_condition(name, args); },
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = kConditions,
      .tflite = TfliteMapping{.builtin = builtin, .options = options, .read = reads_nothing, .write = writes_nothing},
      .lower = [both](const LowerArgs& args) { return lower_logic(both, args); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

// ---- selection

// Shapes of a, b and the condition. The older operator lets a condition of one axis choose whole rows.
std::vector<Shape> selected_shapes(bool rows, const Shape& condition, const Shape& a, const Shape& b) {
  Shape chosen = condition;
  if (rows && condition.size() == 1 && a.size() > 1) chosen.resize(a.size(), 1);
  return {a, b, chosen};
}

Result<std::vector<ValueType>> infer_selection(std::string_view name, bool rows, const InferArgs& args) {
  const ValueType &condition = args.inputs[0], &a = args.inputs[1], &b = args.inputs[2];
  if (condition.dtype != DType::boolean || a.dtype != b.dtype)
    return fail(ErrorCode::bad_data,
                fmt::format("{} takes a bool condition and two inputs of one type, found {}, {} and {}", name,
                            name_of(condition.dtype), name_of(a.dtype), name_of(b.dtype)));
  const std::vector<Shape> shapes = selected_shapes(rows, condition.shape, a.shape, b.shape);
  THIMBLE_LET(Shape shape, checked_shape(name, shapes));
  return std::vector{ValueType{a.dtype, std::move(shape)}};
}

Calls lower_selection(bool rows, const LowerArgs& args) {
  const auto shape_of = [&](size_t i) { return args.graph[args.node.inputs[i]].type.shape; };
  const std::vector<Shape> shapes = selected_shapes(rows, shape_of(0), shape_of(1), shape_of(2));
  THIMBLE_LET(const BroadcastAxes axes, broadcast_axes(args.node.op->name, shapes));
  device::SelectParams params{};
  set_broadcast(params, axes);
  params.c_repeats = axes.repeats.at(2);
  const size_t bits = 8 * size_of(args.graph[args.node.outputs[0]].type.dtype);
  auto call = KernelCall::make(fmt::format("select_{}", bits), params);
  for (ValueId input : args.node.inputs) call.operand(operand_of(args.graph, input));
  call.operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

OpSpec make_selection(std::string_view name, std::string_view doc, bool rows, std::string_view builtin,
                      std::string_view options, int version) {
  return {
      .name = name,
      .doc = doc,
      .traits = {.min_inputs = 3, .max_inputs = 3},
      .dtypes = kAllDTypes,
      .infer = [name, rows](const InferArgs& args) { return infer_selection(name, rows, args); },
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite = TfliteMapping{.builtin = builtin,
                              .options = options,
                              .version = version,
                              .read = reads_nothing,
                              .write = writes_nothing},
      .lower = [rows](const LowerArgs& args) { return lower_selection(rows, args); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

}  // namespace

const OpSpec& equal() {
  static const OpSpec spec = make_comparison("equal", "Where a = b.", Comparison::equal, "EQUAL", "EqualOptions", 4);
  return spec;
}
const OpSpec& not_equal() {
  static const OpSpec spec =
      make_comparison("not_equal", "Where a differs from b.", Comparison::not_equal, "NOT_EQUAL", "NotEqualOptions", 0);
  return spec;
}
const OpSpec& less() {
  static const OpSpec spec = make_comparison("less", "Where a < b.", Comparison::less, "LESS", "LessOptions", 3);
  return spec;
}
const OpSpec& less_equal() {
  static const OpSpec spec =
      make_comparison("less_equal", "Where a <= b.", Comparison::less_equal, "LESS_EQUAL", "LessEqualOptions", 0);
  return spec;
}
const OpSpec& greater() {
  static const OpSpec spec =
      make_comparison("greater", "Where a > b.", Comparison::greater, "GREATER", "GreaterOptions", 0);
  return spec;
}
const OpSpec& greater_equal() {
  static const OpSpec spec = make_comparison("greater_equal", "Where a >= b.", Comparison::greater_equal,
                                             "GREATER_EQUAL", "GreaterEqualOptions", 3);
  return spec;
}
const OpSpec& logical_and() {
  static const OpSpec spec = make_logic("logical_and", "Where a and b.", true, "LOGICAL_AND", "LogicalAndOptions");
  return spec;
}
const OpSpec& logical_or() {
  static const OpSpec spec = make_logic("logical_or", "Where a or b.", false, "LOGICAL_OR", "LogicalOrOptions");
  return spec;
}
const OpSpec& select() {
  static const OpSpec spec =
      make_selection("select", "a where the condition holds, else b; a condition of one axis chooses rows.", true,
                     "SELECT", "SelectOptions", 2);
  return spec;
}
const OpSpec& select_v2() {
  static const OpSpec spec =
      make_selection("select_v2", "a where the condition holds, else b.", false, "SELECT_V2", "SelectV2Options", 1);
  return spec;
}

}  // namespace thimble::ops
