// Mathematical functions of one input x of any shape, output of the same shape.
#include <algorithm>
#include <cmath>

#include "device/kernels/unary_f32.h"
#include "device/kernels/unary_s16.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

using Calls = Result<std::vector<KernelCall>>;
using device::SimpleOp;

constexpr OptOut kFloatOnly{"TensorFlow Lite has no int8 form of it"};

UnaryLowering simple(std::string kernel, SimpleOp operation) {
  return [kernel = std::move(kernel), operation](const UnaryNode& node) {
    return unary_call(node, kernel, device::SimpleParams{node.size, static_cast<int32_t>(operation)});
  };
}

UnaryLowering table_s8(RealFunction function) {
  return [function = std::move(function)](const UnaryNode& node) { return real_table_s8(node, function); };
}
UnaryLowering table_s16(RealFunction function) {
  return [function = std::move(function)](const UnaryNode& node) { return real_table_s16(node, function); };
}

// ---- abs

Multiplier abs_multiplier(const UnaryNode& node) {
  // 1 where the scales are equal, so that nothing is rounded.
  return quantize_multiplier(static_cast<double>(scale_of(node.input) / scale_of(node.output)));
}

Calls abs_s8(const UnaryNode& node) {
  const Multiplier m = abs_multiplier(node);
  return lookup_call(node.args, lookup_table([&](int32_t code) {
                       const int32_t size = std::abs(code - zero_point_of(node.input));
                       const int64_t value =
                           int64_t{device::requantize(size, m.multiplier, m.shift)} + zero_point_of(node.output);
                       return static_cast<int32_t>(std::clamp<int64_t>(value, -128, 127));
                     }));
}

Calls abs_s16(const UnaryNode& node) {
  const Multiplier m = abs_multiplier(node);
  return unary_call(node, "bent_s16",
                    device::BentS16Params{node.size, zero_point_of(node.input), zero_point_of(node.output),
                                          m.multiplier, m.shift, m.multiplier, m.shift, 1, -32768, 32767});
}

// ---- roots and logarithm

Result<Multiplier> rsqrt_multiplier(const UnaryNode& node) {
  const Multiplier m =
      quantize_multiplier(1. / static_cast<double>(std::sqrt(scale_of(node.input)) * scale_of(node.output)));
  if (m.shift < -11)
    return cannot_lower(node.args.node,
                        fmt::format("scales {} and {} are too large", scale_of(node.input), scale_of(node.output)));
  return m;
}

Calls rsqrt_s8(const UnaryNode& node) {
  THIMBLE_LET(const Multiplier m, rsqrt_multiplier(node));
  return lookup_call(node.args, lookup_table([&](int32_t code) {
                       const int32_t x = code - zero_point_of(node.input);
                       if (x <= 0) return 127;
                       const int64_t value =
                           int64_t{device::quantized_rsqrt(x, m.multiplier, m.shift)} + zero_point_of(node.output);
                       return static_cast<int32_t>(std::clamp<int64_t>(value, -128, 127));
                     }));
}

Calls rsqrt_s16(const UnaryNode& node) {
  THIMBLE_LET(const Multiplier m, rsqrt_multiplier(node));
  return unary_call(node, "rsqrt_s16", device::RsqrtS16Params{node.size, m.multiplier, m.shift});
}

// Truncated, not rounded, as in TensorFlow Lite.
Calls sqrt_s8(const UnaryNode& node) {
  return lookup_call(node.args, lookup_table([&](int32_t code) {
                       const float real =
                           scale_of(node.input) * static_cast<float>(std::max(0, code - zero_point_of(node.input)));
                       const float steps = std::min(std::sqrt(real) / scale_of(node.output), 1e6f);
                       return device::clamp(static_cast<int32_t>(steps) + zero_point_of(node.output), -128, 127);
                     }));
}

// The logarithm of what is not positive is the least number of the output.
RealFunction log_above(const UnaryNode& node, int32_t least_code) {
  const float least = static_cast<float>(least_code - zero_point_of(node.output)) * scale_of(node.output);
  return [least](float x) { return x <= 0.0f ? least : std::log(x); };
}

TfliteMapping mapping(std::string_view builtin, std::string_view options = {}, int version = 1, int version_i16 = 0) {
  return {.builtin = builtin,
          .options = options,
          .version = version,
          .version_i16 = version_i16,
          .read = reads_nothing,
          .write = writes_nothing};
}

float exp_of_float(float x) { return std::exp(x); }

}  // namespace

const OpSpec& exp() {
  static const OpSpec spec =
      imported_unary("exp", "e to the power of x.", mapping("EXP", "ExpOptions", 2), QuantizeRule{},
                     {{DType::f32, plain_call("exponential_f32")},
                      {DType::i8, table_s8(exp_of_float)},
                      {DType::i16, table_s16(exp_of_float)}});
  return spec;
}

const OpSpec& log() {
  static const OpSpec spec = imported_unary(
      "log", "Natural logarithm.", mapping("LOG", "", 2), QuantizeRule{},
      {{DType::f32, plain_call("log_f32")},
       {DType::i8, [](const UnaryNode& node) { return real_table_s8(node, log_above(node, -128)); }},
       {DType::i16, [](const UnaryNode& node) { return real_table_s16(node, log_above(node, -32768)); }}});
  return spec;
}

const OpSpec& sqrt() {
  static const OpSpec spec = imported_unary("sqrt", "Square root.", mapping("SQRT"), QuantizeRule{},
                                            {{DType::f32, plain_call("sqrt_f32")}, {DType::i8, sqrt_s8}});
  return spec;
}

const OpSpec& rsqrt() {
  static const OpSpec spec =
      imported_unary("rsqrt", "1 over the square root.", mapping("RSQRT", "", 2, 3), QuantizeRule{},
                     {{DType::f32, plain_call("rsqrt_f32")}, {DType::i8, rsqrt_s8}, {DType::i16, rsqrt_s16}});
  return spec;
}

const OpSpec& abs() {
  static const OpSpec spec =
      imported_unary("abs", "Absolute value.", mapping("ABS", "AbsOptions", 2, 3), QuantizeRule{},
                     {{DType::f32, simple("simple_f32", SimpleOp::abs)},
                      {DType::i32, simple("simple_i32", SimpleOp::abs)},
                      {DType::i8, abs_s8},
                      {DType::i16, abs_s16}});
  return spec;
}

const OpSpec& neg() {
  static const OpSpec spec = imported_unary("neg", "-x.", mapping("NEG", "NegOptions"), kFloatOnly,
                                            {{DType::f32, simple("simple_f32", SimpleOp::neg)},
                                             {DType::i32, simple("simple_i32", SimpleOp::neg)},
                                             {DType::i64, simple("simple_i64", SimpleOp::neg)}});
  return spec;
}

const OpSpec& square() {
  static const OpSpec spec = imported_unary("square", "x * x.", mapping("SQUARE", "SquareOptions"), kFloatOnly,
                                            {{DType::f32, simple("simple_f32", SimpleOp::square)}});
  return spec;
}

const OpSpec& sign() {
  static const OpSpec spec = imported_unary(
      "sign", "-1, 0 or 1.", mapping("SIGN", "SignOptions"), kFloatOnly,
      {{DType::f32, simple("simple_f32", SimpleOp::sign)}, {DType::i32, simple("simple_i32", SimpleOp::sign)}});
  return spec;
}

const OpSpec& floor() {
  static const OpSpec spec = imported_unary("floor", "The next whole number below.", mapping("FLOOR"), kFloatOnly,
                                            {{DType::f32, simple("simple_f32", SimpleOp::floor)}});
  return spec;
}

const OpSpec& ceil() {
  static const OpSpec spec = imported_unary("ceil", "The next whole number above.", mapping("CEIL"), kFloatOnly,
                                            {{DType::f32, simple("simple_f32", SimpleOp::ceil)}});
  return spec;
}

const OpSpec& round() {
  static const OpSpec spec = imported_unary("round", "The nearest whole number, ties to even.", mapping("ROUND"),
                                            kFloatOnly, {{DType::f32, simple("simple_f32", SimpleOp::round)}});
  return spec;
}

const OpSpec& sin() {
  static const OpSpec spec =
      imported_unary("sin", "Sine.", mapping("SIN"), kFloatOnly, {{DType::f32, plain_call("sin_f32")}});
  return spec;
}

const OpSpec& cos() {
  static const OpSpec spec =
      imported_unary("cos", "Cosine.", mapping("COS", "CosOptions"), kFloatOnly, {{DType::f32, plain_call("cos_f32")}});
  return spec;
}

const OpSpec& logical_not() {
  static const OpSpec spec =
      imported_unary("logical_not", "True where x is false.", mapping("LOGICAL_NOT", "LogicalNotOptions"),
                     OptOut{"it has no numbers"}, {{DType::boolean, plain_call("logical_not_u8")}});
  return spec;
}

}  // namespace thimble::ops
