// Running sums along attribute axis; attributes exclusive (an element is not in its own sum) and reverse (from the
// end).
#include "device/kernels/cumsum.h"

#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "axis", TfliteConstantInput::kNumber}};

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  THIMBLE_TRY(axis_extents(args.attrs.integer("axis"), args.inputs[0].shape));
  return same_as_input(args);
}

Result<KernelCall> int8_call(const LowerArgs& args, const device::CumsumParams& p) {
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  if (input.quantization.empty() || output.quantization.empty())
    return cannot_lower(args.node, "input and output need a scale and zero point");
  const double to_output =
      2 * static_cast<double>(scale_of(input)) / ((1 << 20) * static_cast<double>(scale_of(output)));
  if (to_output >= 1)
    return cannot_lower(
        args.node, fmt::format("output scale {} is too small for input scale {}", scale_of(output), scale_of(input)));
  const Multiplier m = quantize_multiplier(to_output);
  return KernelCall::make(
      "cumsum_s8", device::CumsumS8Params{p.outer, p.count, p.inner, p.exclusive, p.reverse, zero_point_of(input),
                                          m.multiplier, m.shift, zero_point_of(output)});
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  THIMBLE_LET(const AxisExtents e,
              axis_extents(args.node.attrs.integer("axis"), args.graph[args.node.inputs[0]].type.shape));
  const auto flag = [&](std::string_view name) { return args.node.attrs.integer(name) ? 1 : 0; };
  const device::CumsumParams params{e.outer, e.count, e.inner, flag("exclusive"), flag("reverse")};
  KernelCall call = KernelCall::make(fmt::format("cumsum_{}", kernel_suffix(dtype)), params);
  if (dtype == DType::i8) {
    THIMBLE_LET(call, int8_call(args, params));
  }
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("exclusive", reader.integer("exclusive")).set("reverse", reader.integer("reverse"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("exclusive", attrs.integer("exclusive"));
  writer.integer("reverse", attrs.integer("reverse"));
}

}  // namespace

const OpSpec& cumsum() {
  static const OpSpec spec{
      .name = "cumsum",
      .doc = "Running sums along one axis.",
      .traits = {.in_place = true},
      .dtypes = {DType::f32, DType::i8, DType::i32},
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"TensorFlow Lite Micro's int8 form, which imported models get, starts its sums at minus the "
                         "zero point, not at 0"},
      .tflite = TfliteMapping{.builtin = "CUMSUM",
                              .options = "CumsumOptions",
                              .read = read_options,
                              .write = write_options,
                              .constant_inputs = kConstantInputs},
      .lower = lower,
      .macs = OptOut{"it adds, and multiplies only once per output"},
  };
  return spec;
}

}  // namespace thimble::ops
