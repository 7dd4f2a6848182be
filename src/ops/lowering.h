// What the int8 forms of operators share: multipliers, clamps and the folding of zero points. Formulas: TensorFlow
// Lite's int8 reference (QuantizeMultiplier, CalculateActivationRangeQuantized).
#pragma once
#include <cstdint>
#include <limits>

#include "core/tensor.h"
#include "graph/op_spec.h"

namespace thimble::ops {

// real = multiplier / 2^31 * 2^shift, multiplier in [2^30, 2^31), or 0.
struct Multiplier {
  int32_t multiplier = 0;
  int32_t shift = 0;
};
Multiplier quantize_multiplier(double real);

struct IntRange {
  int32_t min = -128;
  int32_t max = 127;
};
// What int8, uint8 or int16 can hold.
IntRange limits_of(DType dtype);
// The clamp of a fused activation ("none", "relu", "relu6", "relu_n1_to_1") for an output of this scale and zero point.
IntRange activation_range(std::string_view activation, const Quantization& output, DType dtype = DType::i8);

struct FloatRange {
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
};
FloatRange activation_range(std::string_view activation);

inline float scale_of(const Value& value) { return value.quantization.scale.at(0); }
inline int32_t zero_point_of(const Value& value) { return value.quantization.zero_point.at(0); }
inline bool is_int8(const Value& value) { return value.type.dtype == DType::i8; }

// The constants of a linear op (convolution, fully connected), one entry per output channel.
struct ChannelConstants {
  Tensor bias;        // bias - input_zero_point * sum of the channel's weights; its type is that of the sums
  Tensor multiplier;  // int32
  Tensor shift;       // int8
};
struct ChannelRules {
  int channel_axis = 0;  // of the weights: counts output channels
  // TFLite multiplies the scales of input and weights in double; in fully connected, where the weights have one scale,
  // in float.
  bool product_in_float = false;
  bool fold_zero_point = true;  // false: the bias as it is
};

// Inputs x, weights and bias (kNoValue for none) of int8 or int16 activations. With int16 the sums are int64, or int32
// where the bias is; without a bias attribute sums_int32 says so.
Result<ChannelConstants> channel_constants(const Graph& graph, const Node& node, const ChannelRules& rules);

// Kernel `name` for these activations and sums: <name>_s8, <name>_s16, <name>_s16_b32. Errors: unsupported when there
// is no such kernel.
Result<std::string> integer_kernel(const Node& node, std::string_view name, DType activations, DType sums);

// Float bias of a linear op, zeros when absent. Errors: unsupported when it is not that many float32 numbers.
Result<Operand> float_bias(const Graph& graph, const Node& node, int64_t channels);

// What the .tflite version of a linear op depends on.
struct LinearForm {
  DType activations = DType::f32;
  bool int4 = false;        // weights
  bool bias = false;        // has one
  bool sums_int32 = false;  // its quantized_bias_type is written
};
LinearForm linear_form(const Graph& graph, const Node& node);

// TFLite's quantized_bias_type of a linear op's options: attribute sums_int32.
void read_bias_type(const AttrReader& reader, Attrs& attrs);
void write_bias_type(const Attrs& attrs, AttrWriter& writer);

// The dtype of the node's output, which says which kernel to call. Errors: unsupported, naming what was found and what
// there is, when it is not one of the op's or differs from input 0's.
Result<DType> kernel_dtype(const LowerArgs& args);

// That of input 0, for ops that give another. Errors: unsupported, when it is not one of the op's.
Result<DType> input_dtype(const LowerArgs& args);

// How names of kernels end: "s8", "s16", "u8" (also of conditions), "i32", "i64", "f32".
std::string_view kernel_suffix(DType dtype);

// An input as an operand: its data where it is constant.
Operand operand_of(const Graph& graph, ValueId id);

// A shape seen from one axis: [outer, count, inner].
struct AxisExtents {
  size_t axis = 0;
  int32_t outer = 1, count = 1, inner = 1;
};
// axis may be negative: from the end. Errors: bad_data (no such axis).
Result<AxisExtents> axis_extents(int64_t axis, const Shape& shape);

// Error unless the output has the scale (within a relative tolerance) and zero point that a reference's arithmetic
// gives, and input 0 has a scale at all.
Outcome expect_output_scale(const LowerArgs& args, double scale, int32_t zero_point, double tolerance = 0);

// Error for a tensor that must be constant, quantised ... and is not.
tl::unexpected<Error> cannot_lower(const Node& node, std::string message);

// clamp(x) to a fused activation's range in place; backward: zero the gradient where the output sits on a bound.
void apply_activation(std::string_view activation, const FloatView& output);
void mask_activation_gradient(std::string_view activation, const FloatView& output, std::vector<float>& grad);

// Error unless the bias (input 2) is absent or [channels].
Outcome check_bias(const InferArgs& args, int64_t channels);

// TFLite's ActivationFunctionType: none 0, relu 1, relu6 3. Reading another is unsupported.
Outcome read_fused_activation(const AttrReader& reader, Attrs& attrs);
void write_fused_activation(const Attrs& attrs, AttrWriter& writer);

}  // namespace thimble::ops
