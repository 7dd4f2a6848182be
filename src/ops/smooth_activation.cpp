// Activations beyond relu: logistic, tanh, hard_swish, leaky_relu, elu and gelu. Input x of any shape, output of the
// same shape. The int8 tables and int16 forms are those of TensorFlow Lite Micro's reference, or of TensorFlow Lite
// where it has none.
#include <algorithm>
#include <cmath>
#include <limits>

#include "device/base/fixed_point_functions.h"
#include "device/kernels/unary_f32.h"
#include "device/kernels/unary_s16.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/sigmoid_table.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

using Calls = Result<std::vector<KernelCall>>;

// ---- logistic and tanh

// table(x as Q4.27) for inputs nearer to 0 than the largest Q4.27 number, the ends of int8 beyond.
template <class Function>
Calls fixed_point_table(const UnaryNode& node, Function&& function) {
  constexpr int kIntegerBits = 4;
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(scale_of(node.input)) * (1 << (31 - kIntegerBits)), &exponent);
  const auto multiplier = static_cast<int32_t>(std::min(std::round(fraction * 2147483648.0), 2147483647.0));
  if (exponent < 0 || exponent > 30)
    return cannot_lower(node.args.node, fmt::format("input scale {} is outside what its int8 form takes, 2^-27 to 8",
                                                    scale_of(node.input)));
  const double radius = std::floor(((1 << kIntegerBits) - 1) * std::ldexp(1.0, 31 - kIntegerBits - exponent));
  return lookup_call(node.args, lookup_table([&](int32_t code) {
                       const int32_t x = code - zero_point_of(node.input);
                       if (x <= -radius) return -128;
                       if (x >= radius) return 127;
                       return device::clamp(function(device::requantize(x, multiplier, exponent)), -128, 127);
                     }));
}

Calls logistic_s8(const UnaryNode& node) {
  if (zero_point_of(node.output) != -128)
    return cannot_lower(node.args.node, fmt::format("its int8 output must have scale 1/256 and zero point -128, found "
                                                    "zero point {}",
                                                    zero_point_of(node.output)));
  return fixed_point_table(
      node, [](int32_t x) { return device::rounding_divide_by_pot(device::logistic_q4(x), 31 - 8) - 128; });
}

Calls tanh_s8(const UnaryNode& node) {
  return fixed_point_table(node, [](int32_t x) { return device::rounding_divide_by_pot(device::tanh_q4(x), 31 - 7); });
}

Calls sigmoid_s16(const UnaryNode& node, std::string kernel, int most_left) {
  const PowerOfTwo output = nearest_power_of_two(static_cast<double>(scale_of(node.output)));
  if (!output.exact || output.log2 != -15)
    return cannot_lower(node.args.node,
                        fmt::format("its int16 output must have scale 2^-15, found {}", scale_of(node.output)));
  const auto steps = sigmoid_steps_of_scale(static_cast<double>(scale_of(node.input)), most_left);
  if (!steps)
    return cannot_lower(node.args.node, fmt::format("input scale {} is too large for int16", scale_of(node.input)));
  return unary_call(node, std::move(kernel), device::SigmoidS16Params{node.size, steps->multiplier, steps->right_shift},
                    {sigmoid_table()});
}

// ---- hard swish

// round(multiplier / 2^16), saturated: a multiplier of Q0.15.
int32_t to_int16_multiplier(int32_t multiplier) {
  constexpr int32_t kHalf = 1 << 15;
  if (multiplier >= std::numeric_limits<int32_t>::max() - kHalf) return 32767;
  return (multiplier + kHalf) >> 16;
}

int32_t saturate_int16(int64_t value) { return static_cast<int32_t>(std::clamp<int64_t>(value, -32768, 32767)); }

// Both operands int16; ties towards +infinity.
int32_t high_mul_int16(int32_t a, int32_t b) { return a == -32768 && b == -32768 ? 32767 : (a * b + (1 << 14)) >> 15; }

struct HardSwish {
  int32_t output_multiplier = 0, output_exponent = 0;    // from 1/128 input steps to output steps
  int32_t reluish_multiplier = 0, reluish_exponent = 0;  // from 1/128 input steps to 3 / 2^15

  // (x + 3) clamped to [0, 6], over 6, as Q0.15. x: in 1/128 input steps.
  int32_t gate(int32_t x) const {
    int32_t value = x;
    if (reluish_exponent > 0) value = saturate_int16(int64_t{value} << (reluish_exponent - 1));
    value = high_mul_int16(value, reluish_multiplier);
    if (reluish_exponent > 0) value = saturate_int16(int64_t{value} * 2);
    if (reluish_exponent < 0) value = device::rounding_divide_by_pot(value, std::min(-reluish_exponent, 31));
    return (value + (1 << 15)) >> 1;
  }
  int32_t value(int32_t steps) const {
    const int32_t x = steps * 128;
    const int32_t product = gate(x) * high_mul_int16(x, output_multiplier) / (1 << 15);  // towards 0
    return device::rounding_divide_by_pot(product, std::min(-output_exponent, 31));
  }
};

Calls hard_swish_s8(const UnaryNode& node) {
  const float fine = (1.0f / 128.0f) * scale_of(node.input);
  const Multiplier output = quantize_multiplier(static_cast<double>(fine / scale_of(node.output)));
  const Multiplier reluish = quantize_multiplier(static_cast<double>(fine / (3.0f / 32768.0f)));
  if (output.shift > 0)
    return cannot_lower(node.args.node, fmt::format("output scale {} is too small for input scale {}",
                                                    scale_of(node.output), scale_of(node.input)));
  const HardSwish swish{to_int16_multiplier(output.multiplier), output.shift, to_int16_multiplier(reluish.multiplier),
                        reluish.shift};
  return lookup_call(node.args, lookup_table([&](int32_t x) {
                       return device::clamp(
                           saturate_int16(swish.value(x - zero_point_of(node.input)) + zero_point_of(node.output)),
                           -128, 127);
                     }));
}

// ---- leaky relu

struct LeakyRelu {
  Multiplier positive, negative;
  bool negative_alpha = false;
};

LeakyRelu leaky_relu_of(const UnaryNode& node) {
  const auto alpha = static_cast<float>(node.args.node.attrs.real("alpha"));
  const double slope = static_cast<double>(scale_of(node.input) * alpha / scale_of(node.output));
  return {quantize_multiplier(static_cast<double>(scale_of(node.input) / scale_of(node.output))),
          std::isfinite(slope) ? quantize_multiplier(std::abs(slope)) : Multiplier{}, slope < 0};
}

Calls leaky_relu_s8(const UnaryNode& node) {
  const LeakyRelu leaky = leaky_relu_of(node);
  return lookup_call(node.args, lookup_table([&](int32_t code) {
                       const int32_t x = code - zero_point_of(node.input);
                       const Multiplier m = x >= 0 ? leaky.positive : leaky.negative;
                       const int32_t scaled = device::requantize(x, m.multiplier, m.shift);
                       const int64_t value =
                           int64_t{x < 0 && leaky.negative_alpha ? -scaled : scaled} + zero_point_of(node.output);
                       return static_cast<int32_t>(std::clamp<int64_t>(value, -128, 127));
                     }));
}

Calls leaky_relu_s16(const UnaryNode& node) {
  const LeakyRelu leaky = leaky_relu_of(node);
  return unary_call(node, "bent_s16",
                    device::BentS16Params{node.size, zero_point_of(node.input), zero_point_of(node.output),
                                          leaky.positive.multiplier, leaky.positive.shift, leaky.negative.multiplier,
                                          leaky.negative.shift, leaky.negative_alpha ? 2 : 0, -32768, 32767});
}

Calls leaky_relu_f32(const UnaryNode& node) {
  const auto alpha = static_cast<float>(node.args.node.attrs.real("alpha"));
  return unary_call(node, "leaky_relu_f32", device::LeakyReluF32Params{node.size, device::bits_of(alpha)});
}

// ---- gelu

bool is_approximate(const UnaryNode& node) { return node.args.node.attrs.integer("approximate") != 0; }

RealFunction gelu_of(const UnaryNode& node) {
  if (is_approximate(node))
    return [](float x) { return 0.5f * x * (1.0f + std::tanh(0.797884560802865f * (x + 0.044715f * x * x * x))); };
  return [](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.707106781186547f)); };
}

Calls gelu_f32(const UnaryNode& node) {
  return unary_call(node, "gelu_f32", device::GeluF32Params{node.size, is_approximate(node) ? 1 : 0});
}

}  // namespace

const OpSpec& logistic() {
  static const OpSpec spec = imported_unary(
      "logistic", "1 / (1 + exp(-x)).",
      {.builtin = "LOGISTIC", .version = 2, .version_i16 = 3, .read = reads_nothing, .write = writes_nothing},
      QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 1.0f / 256, .fixed_zero_point = -128},
      {{DType::f32, plain_call("logistic_f32")},
       {DType::i8, logistic_s8},
       {DType::i16, [](const UnaryNode& node) { return sigmoid_s16(node, "logistic_s16", 0); }}});
  return spec;
}

const OpSpec& tanh() {
  static const OpSpec spec = imported_unary(
      "tanh", "Hyperbolic tangent.",
      {.builtin = "TANH", .version = 2, .version_i16 = 3, .read = reads_nothing, .write = writes_nothing},
      QuantizeRule{.output = OutputScale::fixed, .fixed_scale = 1.0f / 128, .fixed_zero_point = 0},
      {{DType::f32, plain_call("tanh_f32")},
       {DType::i8, tanh_s8},
       {DType::i16, [](const UnaryNode& node) { return sigmoid_s16(node, "hyperbolic_tangent_s16", 1); }}});
  return spec;
}

const OpSpec& hard_swish() {
  static const OpSpec spec = imported_unary(
      "hard_swish", "x * min(max(x + 3, 0), 6) / 6.",
      {.builtin = "HARD_SWISH", .options = "HardSwishOptions", .read = reads_nothing, .write = writes_nothing},
      QuantizeRule{}, {{DType::f32, plain_call("hard_swish_f32")}, {DType::i8, hard_swish_s8}});
  return spec;
}

const OpSpec& leaky_relu() {
  static const OpSpec spec = imported_unary(
      "leaky_relu", "x where x > 0, else alpha x.",
      {.builtin = "LEAKY_RELU",
       .options = "LeakyReluOptions",
       .version_i16 = 2,
       .read =
           [](const AttrReader& reader, Attrs& attrs) {
             attrs.set("alpha", reader.real("alpha"));
             return Outcome{};
           },
       .write = [](const Attrs& attrs, AttrWriter& writer) { writer.real("alpha", attrs.real("alpha")); }},
      QuantizeRule{}, {{DType::f32, leaky_relu_f32}, {DType::i8, leaky_relu_s8}, {DType::i16, leaky_relu_s16}});
  return spec;
}

const OpSpec& elu() {
  static const OpSpec spec = imported_unary(
      "elu", "x where x >= 0, else exp(x) - 1.", {.builtin = "ELU", .read = reads_nothing, .write = writes_nothing},
      QuantizeRule{}, {{DType::f32, plain_call("elu_f32")}, {DType::i8, [](const UnaryNode& node) {
                                                               return real_table_s8(node, [](float x) {
                                                                 return x < 0.0f ? std::exp(x) - 1.0f : x;
                                                               });
                                                             }}});
  return spec;
}

const OpSpec& gelu() {
  static const OpSpec spec = imported_unary(
      "gelu", "x times the normal distribution's probability below x; attribute approximate: by a hyperbolic tangent.",
      {.builtin = "GELU",
       .options = "GeluOptions",
       .version = 2,
       .read =
           [](const AttrReader& reader, Attrs& attrs) {
             attrs.set("approximate", reader.integer("approximate"));
             return Outcome{};
           },
       .write = [](const Attrs& attrs,
                   AttrWriter& writer) { writer.integer("approximate", attrs.integer("approximate")); }},
      QuantizeRule{},
      {{DType::f32, gelu_f32},
       {DType::i8, [](const UnaryNode& node) { return real_table_s8(node, gelu_of(node)); }},
       {DType::i16, [](const UnaryNode& node) { return real_table_s16(node, gelu_of(node)); }}});
  return spec;
}

}  // namespace thimble::ops
