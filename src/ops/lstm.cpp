// unidirectional_sequence_lstm: TensorFlow Lite's operator, whose hidden and cell state outlive an inference. Inputs,
// by TFLite's numbers: 0 x [batch, steps, in] or, where time_major, [steps, batch, in]; 1-4 weights [units, in] and 5-8
// recurrent weights [units, units] of the gates input, forget, cell, output; 12-15 their biases [units]; 18 hidden and
// 19 cell state [batch, units]; the others (peephole, projection, layer normalisation) must be absent. Attributes:
// time_major, cell_clip (0: none).
#include "device/kernels/lstm.h"

#include <cmath>

#include "device/kernels/recurrent.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/sigmoid_table.h"

namespace thimble::ops {

namespace {

constexpr size_t kInputWeights = 1, kRecurrentWeights = 5, kBias = 12, kHidden = 18, kCell = 19, kGates = 4;
constexpr int kState[] = {static_cast<int>(kHidden), static_cast<int>(kCell)};

bool absent(const InferArgs& args, size_t input) {
  return input >= args.inputs.size() || args.inputs[input].shape.empty();
}

Outcome refuse_variants(const InferArgs& args) {
  const auto none_of = [&](size_t first, size_t end, std::string_view what) -> Outcome {
    for (size_t i = first; i < end; ++i)
      if (!absent(args, i))
        return fail(ErrorCode::unsupported, fmt::format("{} (input {}) has no kernel", what, i), {},
                    "export the layer without it: the plain LSTM of Keras runs");
    return {};
  };
  THIMBLE_TRY(none_of(9, 12, "an LSTM with peephole connections"));
  THIMBLE_TRY(none_of(16, 18, "an LSTM with a projection"));
  THIMBLE_TRY(none_of(20, 24, "an LSTM with layer normalisation"));
  if (absent(args, kInputWeights) || absent(args, kRecurrentWeights) || absent(args, kBias))
    return fail(ErrorCode::unsupported, "an LSTM with coupled input and forget gates (CIFG) has no kernel", {},
                "export the layer with four gates");
  return {};
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  THIMBLE_TRY(refuse_variants(args));
  const ValueType& input = args.inputs[0];
  if (input.shape.size() != 3)
    return fail(ErrorCode::bad_data,
                fmt::format("the input must be [batch, steps, inputs], found {}", to_string(input.shape)));
  const Shape& first = args.inputs[kInputWeights].shape;
  const int64_t units = first[0], batch = input.shape[args.attrs.integer("time_major") ? 1 : 0];
  const auto expect = [&](size_t index, size_t count, const Shape& shape, std::string_view what) -> Outcome {
    for (size_t i = index; i < index + count; ++i)
      if (args.inputs[i].shape != shape)
        return fail(ErrorCode::bad_data, fmt::format("{} (input {}) must be {}, found {}", what, i, to_string(shape),
                                                     to_string(args.inputs[i].shape)));
    return {};
  };
  THIMBLE_TRY(expect(kInputWeights, kGates, {units, input.shape[2]}, "weights"));
  THIMBLE_TRY(expect(kRecurrentWeights, kGates, {units, units}, "recurrent weights"));
  THIMBLE_TRY(expect(kBias, kGates, {units}, "a bias"));
  for (size_t state : {kHidden, kCell})
    if (absent(args, state) || element_count(args.inputs[state].shape) / units != batch ||
        element_count(args.inputs[state].shape) % units != 0)
      return fail(ErrorCode::bad_data, fmt::format("state (input {}) must be [{}, {}], found {}", state, batch, units,
                                                   to_string(args.inputs[state].shape)));
  return std::vector<ValueType>{{input.dtype, {input.shape[0], input.shape[1], units}}};
}

struct Sizes {
  int32_t batch, steps, inputs, units, time_major;
};

Sizes sizes_of(const LowerArgs& args) {
  const Shape& input = args.graph[args.node.inputs[0]].type.shape;
  const bool time_major = args.node.attrs.integer("time_major") != 0;
  return {static_cast<int32_t>(input[time_major ? 1 : 0]), static_cast<int32_t>(input[time_major ? 0 : 1]),
          static_cast<int32_t>(input[2]), static_cast<int32_t>(args.graph[args.node.outputs[0]].type.shape[2]),
          time_major};
}

// The constants of the four gates, one after the other.
Result<Tensor> stacked(const LowerArgs& args, size_t first, DType dtype, std::string_view what) {
  Tensor all{dtype, {static_cast<int64_t>(kGates)}, {}};
  for (size_t gate = 0; gate < kGates; ++gate) {
    const Value& value = args.graph[args.node.inputs[first + gate]];
    if (!value.constant || value.type.dtype != dtype)
      return cannot_lower(
          args.node, fmt::format("{} (input {}) must be constant {}, found {} {}", what, first + gate, name_of(dtype),
                                 value.constant ? "constant" : "computed", name_of(value.type.dtype)));
    all.bytes.insert(all.bytes.end(), value.constant->bytes.begin(), value.constant->bytes.end());
    if (gate == 0) all.shape.insert(all.shape.end(), value.type.shape.begin(), value.type.shape.end());
  }
  return all;
}

Outcome expect_type(const LowerArgs& args, size_t input, DType dtype, std::string_view what) {
  const ValueType& type = args.graph[args.node.inputs[input]].type;
  if (type.dtype == dtype) return {};
  return cannot_lower(
      args.node, fmt::format("{} (input {}) must be {}, found {}", what, input, name_of(dtype), name_of(type.dtype)));
}

Result<std::vector<KernelCall>> lower_float(const LowerArgs& args) {
  const Node& node = args.node;
  THIMBLE_TRY(expect_type(args, kHidden, DType::f32, "the hidden state"));
  THIMBLE_TRY(expect_type(args, kCell, DType::f32, "the cell state"));
  THIMBLE_LET(Tensor weights, stacked(args, kInputWeights, DType::f32, "weights"));
  THIMBLE_LET(Tensor recurrent, stacked(args, kRecurrentWeights, DType::f32, "recurrent weights"));
  THIMBLE_LET(Tensor bias, stacked(args, kBias, DType::f32, "a bias"));
  const auto [batch, steps, inputs, units, time_major] = sizes_of(args);
  const auto clip = static_cast<float>(std::max(0.0, node.attrs.real("cell_clip")));
  auto call = KernelCall::make("lstm_f32", device::RecurrentF32Params{batch, steps, inputs, units, time_major,
                                                                      /*reverse=*/0, device::bits_of(clip)});
  call.operand(node.inputs[0]).operand(std::move(weights)).operand(std::move(recurrent)).operand(std::move(bias));
  for (int repeat = 0; repeat < 2; ++repeat) call.operand(node.inputs[kHidden]).operand(node.inputs[kCell]);
  call.operand(node.outputs[0]);
  return std::vector{std::move(call)};
}

// Multiplier and shift from the sums of one input's products to Q3.12, gate by gate. TFLite multiplies scales in float.
Outcome add_scales(const LowerArgs& args, size_t input, size_t first_weights, size_t column, std::vector<int32_t>& to) {
  const Node& node = args.node;
  for (size_t gate = 0; gate < kGates; ++gate) {
    const Value& weights = args.graph[node.inputs[first_weights + gate]];
    if (weights.quantization.scale.size() != 1 || zero_point_of(weights) != 0)
      return cannot_lower(node,
                          fmt::format("weights (input {}) need one scale and zero point 0", first_weights + gate));
    const float product = scale_of(args.graph[node.inputs[input]]) * scale_of(weights);
    constexpr float kMost = 0.03f;  // of an int64 sum the requantisation shifts left by at most 7
    const Multiplier scale = quantize_multiplier(static_cast<double>(std::min(product, kMost)) * 4096);
    if (!(product < kMost))
      return cannot_lower(node, fmt::format("scale {} of an input with scale {} of its weights is too large",
                                            scale_of(args.graph[node.inputs[input]]), scale_of(weights)));
    to[4 * gate + column] = scale.multiplier;
    to[4 * gate + column + 1] = scale.shift;
  }
  return {};
}

// bias - zero_point * sum of a unit's weights.
void fold_zero_point(std::span<int32_t> bias, std::span<const int8_t> weights, int32_t zero_point) {
  const size_t count = weights.size() / bias.size();
  for (size_t row = 0; row < bias.size(); ++row) {
    uint32_t sum = 0;
    for (int8_t weight : weights.subspan(row * count, count)) sum += static_cast<uint32_t>(weight);
    bias[row] = static_cast<int32_t>(static_cast<uint32_t>(bias[row]) - static_cast<uint32_t>(zero_point) * sum);
  }
}

Result<device::LstmS8Params> integer_params(const LowerArgs& args) {
  const Value &hidden = args.graph[args.node.inputs[kHidden]], &cell = args.graph[args.node.inputs[kCell]];
  const auto [batch, steps, inputs, units, time_major] = sizes_of(args);
  const double cell_scale = static_cast<double>(scale_of(cell)), gate_scale = std::ldexp(1.0, -15);
  const PowerOfTwo power = nearest_power_of_two(cell_scale);
  constexpr int kLeast = -27, kMost = 2;
  if (power.log2 < kLeast || power.log2 > kMost)
    return cannot_lower(args.node,
                        fmt::format("cell state of scale {}, expected a power of two near 2^-11", cell_scale));
  const SigmoidSteps cell_steps = sigmoid_steps_of_power(power.log2);
  const Multiplier forget = quantize_multiplier(gate_scale * cell_scale / cell_scale);
  const Multiplier input = quantize_multiplier(gate_scale * gate_scale / cell_scale);
  const Multiplier output = quantize_multiplier(gate_scale * gate_scale / static_cast<double>(scale_of(hidden)));
  const auto clip = static_cast<double>(static_cast<float>(args.node.attrs.real("cell_clip")));
  const int32_t cell_clip = clip > 0 ? static_cast<int32_t>(std::min(clip / cell_scale, 32767.0)) : -1;
  return device::LstmS8Params{batch,
                              steps,
                              inputs,
                              units,
                              time_major,
                              cell_clip,
                              cell_steps.multiplier,
                              cell_steps.right_shift,
                              forget.multiplier,
                              forget.shift,
                              input.multiplier,
                              input.shift,
                              output.multiplier,
                              output.shift,
                              zero_point_of(hidden)};
}

Result<std::vector<KernelCall>> lower_integer(const LowerArgs& args, DType activations) {
  const Node& node = args.node;
  const bool int8 = activations == DType::i8;
  THIMBLE_TRY(expect_type(args, kHidden, activations, "the hidden state"));
  THIMBLE_TRY(expect_type(args, kCell, DType::i16, "the cell state"));
  THIMBLE_LET(Tensor weights, stacked(args, kInputWeights, DType::i8, "weights"));
  THIMBLE_LET(Tensor recurrent, stacked(args, kRecurrentWeights, DType::i8, "recurrent weights"));
  THIMBLE_LET(Tensor bias, stacked(args, kBias, int8 ? DType::i32 : DType::i64, "a bias"));
  std::vector<int32_t> scales(4 * kGates);
  THIMBLE_TRY(add_scales(args, 0, kInputWeights, 0, scales));
  THIMBLE_TRY(add_scales(args, kHidden, kRecurrentWeights, 2, scales));
  THIMBLE_LET(const device::LstmS8Params params, integer_params(args));
  auto call = KernelCall::make(int8 ? "lstm_s8" : "lstm_s16", params);
  Tensor recurrent_bias = Tensor::zeros(DType::i32, bias.shape);
  if (int8) {
    fold_zero_point(bias.as<int32_t>(), weights.as<int8_t>(), zero_point_of(args.graph[node.inputs[0]]));
    fold_zero_point(recurrent_bias.as<int32_t>(), recurrent.as<int8_t>(), params.hidden_zero_point);
  }
  call.operand(node.inputs[0]).operand(std::move(weights)).operand(std::move(recurrent)).operand(std::move(bias));
  if (int8) call.operand(std::move(recurrent_bias));
  call.operand(Tensor::from<int32_t>({kGates, 4}, scales)).operand(sigmoid_table());
  call.operand(node.inputs[kHidden]).operand(node.inputs[kCell]).operand(node.outputs[0]);
  return std::vector{std::move(call)};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  return dtype == DType::f32 ? lower_float(args) : lower_integer(args, dtype);
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& output = graph[node.outputs[0]].type.shape;
  return 4 * element_count(output) * (graph[node.inputs[0]].type.shape[2] + output[2]);
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  constexpr int64_t kTanh = 4;
  if (reader.integer("fused_activation_function") != kTanh)
    return fail(ErrorCode::unsupported, fmt::format("activation number {}; only tanh (4) has a kernel",
                                                    reader.integer("fused_activation_function")));
  if (reader.integer("diagonal_recurrent_tensors") != 0)
    return fail(ErrorCode::unsupported, "diagonal recurrent weights have no kernel");
  attrs.set("time_major", reader.integer("time_major") != 0 ? 1 : 0);
  attrs.set("cell_clip", reader.real("cell_clip"));
  return {};
}

void write(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("fused_activation_function", 4);
  writer.integer("time_major", attrs.integer("time_major"));
  writer.real("cell_clip", attrs.real("cell_clip"));
}

}  // namespace

const OpSpec& unidirectional_sequence_lstm() {
  static const OpSpec spec{
      .name = "unidirectional_sequence_lstm",
      .doc = "Long short-term memory whose state outlives an inference (TensorFlow Lite's form).",
      .traits = {.min_inputs = 20, .max_inputs = 24, .state_inputs = kState},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"state keeps the type it has in the imported model"},
      .tflite = TfliteMapping{.builtin = "UNIDIRECTIONAL_SEQUENCE_LSTM",
                              .options = "UnidirectionalSequenceLSTMOptions",
                              .read = read,
                              .write = write},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
