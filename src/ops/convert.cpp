// From one type of numbers to another: cast, quantize (also from one scale to another) and dequantize. Attribute dtype:
// the output's type by name.
#include "device/kernels/convert.h"

#include <array>
#include <optional>

#include "device/kernels/activation.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

using Calls = Result<std::vector<KernelCall>>;
using device::NumberType;

struct KnownType {
  DType dtype;
  NumberType number;
  int tflite;  // TensorType
};
constexpr std::array<KnownType, 7> kTypes = {{{DType::f32, NumberType::f32, 0},
                                              {DType::i8, NumberType::i8, 9},
                                              {DType::u8, NumberType::u8, 3},
                                              {DType::i16, NumberType::i16, 7},
                                              {DType::i32, NumberType::i32, 2},
                                              {DType::i64, NumberType::i64, 4},
                                              {DType::boolean, NumberType::boolean, 6}}};

const KnownType& known_type(DType dtype) {
  for (const KnownType& type : kTypes)
    if (type.dtype == dtype) return type;
  return kTypes[0];
}

int32_t number_of(DType dtype) { return static_cast<int32_t>(known_type(dtype).number); }

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const std::string name = args.attrs.word("dtype");
  for (const KnownType& type : kTypes)
    if (name_of(type.dtype) == name) return std::vector{ValueType{type.dtype, args.inputs[0].shape}};
  return fail(ErrorCode::bad_data, fmt::format("converts to \"{}\", which is no type of a tensor", name));
}

UnaryNode unary_node(const LowerArgs& args) {
  const Value& output = args.graph[args.node.outputs[0]];
  return {args, args.graph[args.node.inputs[0]], output, static_cast<int32_t>(element_count(output.type.shape))};
}

tl::unexpected<Error> no_kernel(const UnaryNode& node) {
  return cannot_lower(node.args.node, fmt::format("{} from {} to {} has no kernel", node.args.node.op->name,
                                                  name_of(node.input.type.dtype), name_of(node.output.type.dtype)));
}

Outcome require_scale(const UnaryNode& node, const Value& value) {
  if (value.quantization.scale.size() == 1) return {};
  return cannot_lower(node.args.node, fmt::format("{} {} has {} scales, expected one", name_of(value.type.dtype),
                                                  value.name, value.quantization.scale.size()));
}

Calls lower_cast(const LowerArgs& args) {
  const UnaryNode node = unary_node(args);
  return unary_call(node, fmt::format("cast_{}", kernel_suffix(node.input.type.dtype)),
                    device::CastParams{node.size, number_of(node.output.type.dtype)});
}

// ---- quantize

bool is_quantized(DType dtype, bool with_int32) {
  return dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i16 || (with_int32 && dtype == DType::i32);
}

Calls lower_quantize(const LowerArgs& args) {
  THIMBLE_LET(const DType from, input_dtype(args));
  const UnaryNode node = unary_node(args);
  const DType to = node.output.type.dtype;
  const bool from_real = from == DType::f32;
  if (!is_quantized(to, !from_real) || (from == DType::i32 && to == DType::i32)) return no_kernel(node);
  THIMBLE_TRY(require_scale(node, node.output));
  const int32_t zero_point = zero_point_of(node.output);
  if (from_real)
    return unary_call(
        node, "quantize_f32",
        device::QuantizeF32Params{node.size, number_of(to), device::bits_of(scale_of(node.output)), zero_point});
  THIMBLE_TRY(require_scale(node, node.input));
  const Multiplier m =
      quantize_multiplier(static_cast<double>(scale_of(node.input)) / static_cast<double>(scale_of(node.output)));
  if (from == DType::i8 && to == DType::i8)
    return lookup_call(args, lookup_table([&](int32_t x) {
                         const int64_t value =
                             int64_t{device::requantize(x - zero_point_of(node.input), m.multiplier, m.shift)} +
                             zero_point;
                         return static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(value, -128), 127));
                       }));
  return unary_call(
      node, fmt::format("requantize_{}", kernel_suffix(from)),
      device::RequantizeParams{node.size, number_of(to), zero_point_of(node.input), zero_point, m.multiplier, m.shift});
}

// ---- dequantize

Result<std::vector<ValueType>> infer_real(const InferArgs& args) {
  const std::string name = args.attrs.word("dtype", name_of(DType::f32));
  if (name != name_of(DType::f32))
    return fail(ErrorCode::bad_data, fmt::format("dequantize gives float32, found \"{}\"", name));
  return std::vector{ValueType{DType::f32, args.inputs[0].shape}};
}

Calls lower_dequantize(const LowerArgs& args) {
  const UnaryNode node = unary_node(args);
  THIMBLE_TRY(input_dtype(args));
  THIMBLE_TRY(require_scale(node, node.input));
  return unary_call(
      node, fmt::format("dequantize_{}", kernel_suffix(node.input.type.dtype)),
      device::DequantizeParams{node.size, device::bits_of(scale_of(node.input)), zero_point_of(node.input)});
}

void write_cast(const Attrs& attrs, AttrWriter& writer) {
  for (const KnownType& type : kTypes)
    if (name_of(type.dtype) == attrs.word("dtype")) writer.integer("out_data_type", type.tflite);
}

OpSpec make_spec(std::string_view name, std::string_view doc, DTypes types, InferFn infer, LowerFn lower,
                 TfliteMapping tflite, OptOut quantize) {
  return {
      .name = name,
      .doc = doc,
      .traits = {.in_place = true, .rows = row_by_row, .channels = separate_channels},
      .dtypes = types,
      .infer = std::move(infer),
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = quantize,
      .tflite = std::move(tflite),
      .lower = std::move(lower),
      .macs = OptOut{"it multiplies nothing"},
  };
}

}  // namespace

const OpSpec& cast() {
  static const OpSpec spec =
      make_spec("cast", "The same numbers in another type; attribute dtype.", kAllDTypes, infer, lower_cast,
                {.builtin = "CAST",
                 .options = "CastOptions",
                 .version = 3,
                 .version_i16 = 1,
                 .read = reads_nothing,
                 .write = write_cast},
                OptOut{"it changes the type of plain numbers"});
  return spec;
}

const OpSpec& quantize() {
  static const OpSpec spec =
      make_spec("quantize", "Real numbers, or quantised ones, in the scale of the output; attribute dtype.",
                {DType::f32, DType::i8, DType::u8, DType::i16, DType::i32}, infer, lower_quantize,
                {.builtin = "QUANTIZE", .options = "QuantizeOptions", .read = reads_nothing, .write = writes_nothing},
                OptOut{"it makes quantised numbers"});
  return spec;
}

const OpSpec& dequantize() {
  static const OpSpec spec = make_spec("dequantize", "The real numbers behind quantised ones.",
                                       {DType::i8, DType::u8, DType::i16}, infer_real, lower_dequantize,
                                       {.builtin = "DEQUANTIZE",
                                        .options = "DequantizeOptions",
                                        .version = 2,
                                        .version_i16 = 3,
                                        .read = reads_nothing,
                                        .write = writes_nothing},
                                       OptOut{"it makes real numbers"});
  return spec;
}

}  // namespace thimble::ops
