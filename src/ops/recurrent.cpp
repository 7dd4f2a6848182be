// Recurrent layers as ONNX and Keras have them, without state of their own: each inference starts from the initial
// hidden (and cell) state given, or zeros, and gives the last. lstm, gru, simple_rnn: inputs 0 x [steps, batch, in], or
// [batch, steps, in] where time_major is 0; 1 weights [gates * units, in]; 2 recurrent weights [gates * units, units];
// 3 bias [gates * units] (optional); gru: 4 recurrent bias (optional); then the initial hidden state [batch, units]
// (optional) and lstm: the initial cell state (optional). Outputs: all hidden states, in x's layout; the last one
// [batch, units]; lstm: the last cell state. Gates: lstm input, forget, cell, output; gru update, reset, candidate.
// Attributes: time_major (1), reverse (0: forward in time), gru: reset_after (ONNX: linear_before_reset), simple_rnn:
// activation (tanh or relu).
#include "device/kernels/recurrent.h"

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

struct Layer {
  std::string_view name;
  int64_t gates;
  size_t biases;  // inputs from 3 on
  size_t states;
};
constexpr Layer kLstm{"lstm", 4, 1, 2}, kGru{"gru", 3, 2, 1}, kSimple{"simple_rnn", 1, 1, 1};
constexpr size_t kFirstBias = 3;

Result<std::vector<ValueType>> infer(const Layer& layer, const InferArgs& args) {
  const ValueType& input = args.inputs[0];
  const Shape &weights = args.inputs[1].shape, &recurrent = args.inputs[2].shape;
  if (input.shape.size() != 3)
    return fail(ErrorCode::bad_data,
                fmt::format("the input must be [steps, batch, inputs], found {}", to_string(input.shape)));
  if (weights.size() != 2 || weights[0] % layer.gates != 0 || weights[1] != input.shape[2] ||
      recurrent != Shape{weights[0], weights[0] / layer.gates})
    return fail(
        ErrorCode::bad_data,
        fmt::format("weights [{0} * units, {1}] and recurrent weights [{0} * units, units] expected, found {2} and {3}",
                    layer.gates, input.shape[2], to_string(weights), to_string(recurrent)));
  const int64_t units = weights[0] / layer.gates, batch = input.shape[args.attrs.integer("time_major", 1) ? 1 : 0];
  const Shape state = {batch, units};
  for (size_t i = kFirstBias; i < args.inputs.size(); ++i) {
    const Shape& found = args.inputs[i].shape;
    const Shape expected = i < kFirstBias + layer.biases ? Shape{weights[0]} : state;
    if (!found.empty() && found != expected)
      return fail(ErrorCode::bad_data,
                  fmt::format("input {} must be {}, found {}", i, to_string(expected), to_string(found)));
  }
  if (const std::string activation = args.attrs.word("activation", "tanh");
      activation != "tanh" && activation != "relu")
    return fail(ErrorCode::unsupported, fmt::format("activation must be tanh or relu, found {}", activation));
  std::vector<ValueType> outputs{{input.dtype, {input.shape[0], input.shape[1], units}}};
  for (size_t i = 0; i < layer.states; ++i) outputs.push_back({input.dtype, state});
  return outputs;
}

Result<std::vector<KernelCall>> lower(const Layer& layer, const LowerArgs& args) {
  THIMBLE_TRY(kernel_dtype(args));
  const Node& node = args.node;
  const Graph& graph = args.graph;
  const Shape &input = graph[node.inputs[0]].type.shape, &output = graph[node.outputs[0]].type.shape;
  const bool time_major = node.attrs.integer("time_major", 1) != 0;
  const bool option = layer.name == kGru.name ? node.attrs.integer("reset_after") != 0
                                              : node.attrs.word("activation", "tanh") == "relu";
  const device::RecurrentF32Params params{static_cast<int32_t>(input[time_major ? 1 : 0]),
                                          static_cast<int32_t>(input[time_major ? 0 : 1]),
                                          static_cast<int32_t>(input[2]),
                                          static_cast<int32_t>(output[2]),
                                          time_major,
                                          node.attrs.integer("reverse") != 0,
                                          layer.name == kLstm.name ? device::bits_of(0.0f) : option};
  auto call = KernelCall::make(std::string(layer.name) + "_f32", params);
  const size_t initial = kFirstBias + layer.biases;
  for (size_t i = 0; i < initial + layer.states; ++i) {
    const ValueId id = i < node.inputs.size() ? node.inputs[i] : kNoValue;
    if (id == kNoValue) {
      const int64_t states = static_cast<int64_t>(params.batch) * params.units, rows = layer.gates * params.units;
      call.operand(Tensor::zeros(DType::f32, {i < initial ? rows : states}));
    } else if (graph[id].type.dtype != DType::f32) {
      return cannot_lower(node, fmt::format("input {} must be float32, found {}", i, name_of(graph[id].type.dtype)));
    } else if (graph[id].constant) {
      call.operand(*graph[id].constant);
    } else {
      call.operand(id);
    }
  }
  for (size_t i = 0; i < layer.states; ++i) call.operand(node.outputs[1 + i]);
  call.operand(node.outputs[0]);
  if (layer.name == kGru.name)
    call.operand(ScratchBytes{DType::f32, 2 * static_cast<int64_t>(sizeof(float)) * params.units});
  return std::vector{std::move(call)};
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape &input = graph[node.inputs[0]].type.shape, &weights = graph[node.inputs[1]].type.shape,
              &recurrent = graph[node.inputs[2]].type.shape;
  return input[0] * input[1] * (element_count(weights) + element_count(recurrent));
}

OpSpec make_spec(const Layer& layer, std::string_view doc) {
  return {.name = layer.name,
          .doc = doc,
          .traits = {.min_inputs = 3, .max_inputs = static_cast<int>(kFirstBias + layer.biases + layer.states)},
          .dtypes = {DType::f32},
          .infer = [&layer](const InferArgs& args) { return infer(layer, args); },
          .forward = kImportedOnly,
          .backward = kImportedOnly,
          .quantize = OptOut{"its kernel is float32 only"},
          .tflite = OptOut{"TensorFlow Lite has no such operator without state of its own"},
          .lower = [&layer](const LowerArgs& args) { return lower(layer, args); },
          .macs = macs};
}

}  // namespace

const OpSpec& lstm() {
  static const OpSpec spec = make_spec(kLstm, "Long short-term memory that starts anew in every inference.");
  return spec;
}

const OpSpec& gru() {
  static const OpSpec spec = make_spec(kGru, "Gated recurrent unit.");
  return spec;
}

const OpSpec& simple_rnn() {
  static const OpSpec spec = make_spec(kSimple, "Recurrent layer without gates.");
  return spec;
}

}  // namespace thimble::ops
