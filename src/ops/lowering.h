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
  Tensor bias;        // int32: bias - input_zero_point * sum of the channel's weights
  Tensor multiplier;  // int32
  Tensor shift;       // int8
};
// How TFLite multiplies the scales of input and weights: convolutions in double; fully connected, where its weights
// have one scale, in float.
enum class ScaleProduct { in_double, in_float };

// channel_axis: axis of the weights that counts output channels. bias may be kNoValue.
Result<ChannelConstants> channel_constants(const Graph& graph, const Node& node, int channel_axis,
                                           ScaleProduct product = ScaleProduct::in_double);

// Float bias of a linear op, zeros when absent. Errors: unsupported when it is not that many constant numbers.
Result<Tensor> float_bias(const Graph& graph, const Node& node, int64_t channels);

// The dtype of the node's output, which says which kernel to call. Errors: unsupported, naming what was found and what
// there is, when it is not one of `known` or differs from input 0's.
Result<DType> kernel_dtype(const LowerArgs& args, std::span<const DType> known);
inline Result<DType> kernel_dtype(const LowerArgs& args, std::initializer_list<DType> known) {
  return kernel_dtype(args, std::span(known.begin(), known.size()));
}

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
