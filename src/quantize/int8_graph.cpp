#include "quantize/int8_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "graph/op_spec.h"
#include "graph/passes/rewrite.h"
#include "ops/ops.h"

namespace thimble {

namespace {

// Accumulators stay below this, so that requantisation cannot overflow.
constexpr double kAccumulatorLimit = 1 << 30;

// int8 over a real range that includes 0, which gets an exact code. minimum_scale: a coarser step than the range asks
// for.
Quantization int8_over(RealRange range, double minimum_scale = 0) {
  const double low = std::min(0.0, range.min), high = std::max(0.0, range.max);
  double scale = std::max((high - low) / 255, minimum_scale);
  if (scale < std::numeric_limits<float>::min()) scale = 1.0 / 255;
  const double zero = std::clamp(std::round(-128 - low / scale), -128.0, 127.0);
  return {{static_cast<float>(scale)}, {static_cast<int32_t>(zero)}, 0};
}

Tensor quantized(const Tensor& real, const Quantization& q) {
  Tensor result = Tensor::zeros(DType::i8, real.shape);
  const auto from = real.as<float>();
  const auto to = result.as<int8_t>();
  for (size_t i = 0; i < from.size(); ++i)
    to[i] = static_cast<int8_t>(
        std::clamp(std::round(from[i] / q.scale[0]) + static_cast<float>(q.zero_point[0]), -128.0f, 127.0f));
  return result;
}

// Which values must have one scale, because an op takes or gives them so: sets of values, by union and find.
class SharedRanges {
 public:
  SharedRanges(const Graph& graph, std::vector<RealRange>& ranges) : parent_(graph.values.size()), ranges_(ranges) {
    for (size_t i = 0; i < parent_.size(); ++i) parent_[i] = static_cast<ValueId>(i);
    for (const Node& node : graph.nodes) {
      if (!node.op->quantize) continue;
      const OutputScale output = node.op->quantize->output;
      if (output == OutputScale::shared)
        for (ValueId id : node.inputs) {
          if (is_real(graph, id)) join(node.outputs[0], id);
          if (id == kNoValue || !graph[id].constant || graph[id].type.dtype != DType::f32) continue;
          const auto [low, high] = std::ranges::minmax(graph[id].constant->as<float>());
          RealRange& range = ranges_[static_cast<size_t>(node.outputs[0])];
          range.min = std::min(range.min, static_cast<double>(low));
          range.max = std::max(range.max, static_cast<double>(high));
        }
      if (output == OutputScale::same_as_input || output == OutputScale::shared)
        for (ValueId id : node.outputs)
          if (is_real(graph, id) && is_real(graph, node.inputs[0])) join(node.inputs[0], id);
    }
    for (size_t i = 0; i < parent_.size(); ++i) {
      RealRange& all = ranges_[static_cast<size_t>(find(static_cast<ValueId>(i)))];
      all.min = std::min(all.min, ranges_[i].min), all.max = std::max(all.max, ranges_[i].max);
    }
    for (size_t i = 0; i < parent_.size(); ++i)
      ranges_[i] = ranges_[static_cast<size_t>(find(static_cast<ValueId>(i)))];
  }

 private:
  static bool is_real(const Graph& graph, ValueId id) {
    return id != kNoValue && graph[id].type.dtype == DType::f32 && !graph[id].constant;
  }
  ValueId find(ValueId id) {
    while (parent_[static_cast<size_t>(id)] != id) id = parent_[static_cast<size_t>(id)];
    return id;
  }
  void join(ValueId a, ValueId b) { parent_[static_cast<size_t>(find(a))] = find(b); }

  std::vector<ValueId> parent_;
  std::vector<RealRange>& ranges_;
};

// Turns a folded float graph into an int8 graph, node by node, from the ranges its values were seen to have. A layer
// without an int8 form stays float32, between dequantize and quantize.
class Quantizer {
 public:
  Quantizer(Graph graph, std::vector<RealRange> ranges) : graph_(std::move(graph)), ranges_(std::move(ranges)) {
    SharedRanges{graph_, ranges_};
    readers_.assign(graph_.values.size(), 0);
    for (const Node& node : graph_.nodes)
      for (ValueId input : node.inputs)
        if (input != kNoValue) ++readers_[static_cast<size_t>(input)];
  }

  Result<Graph> run() {
    for (ValueId input : graph_.inputs)
      if (graph_[input].type.dtype == DType::f32)
        THIMBLE_TRY(make_int8(input, int8_over(range_of(input)), graph_.name));
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : nodes) {
      THIMBLE_TRY(node.op->quantize ? quantize_node(node, *node.op->quantize) : keep_float(node));
      graph_.nodes.push_back(std::move(node));
    }
    for (ValueId& output : graph_.outputs)
      if (graph_[output].type.dtype == DType::f32) {
        THIMBLE_LET(output, as_int8(output, int8_over(range_of(output)), graph_.name));
      }
    return finish_pass(std::move(graph_));
  }

 private:
  RealRange range_of(ValueId id) const { return ranges_[static_cast<size_t>(id)]; }

  ValueId add_value(Value value) {
    ranges_.emplace_back();
    return graph_.add(std::move(value));
  }

  Outcome make_int8(ValueId id, Quantization quantization, const std::string& layer) {
    Value& value = graph_[id];
    if (value.type.dtype != DType::f32)
      return fail(ErrorCode::unsupported,
                  fmt::format("{} is {}, expected float32", value.name, name_of(value.type.dtype)), layer);
    value.type.dtype = DType::i8;
    value.quantization = std::move(quantization);
    return {};
  }

  // A node that converts `from` to the type and quantisation of `to`.
  Result<ValueId> convert(ValueId from, std::string_view op, Value to, const std::string& layer) {
    const OpSpec* spec = ops::find(op);
    if (!spec) return fail(ErrorCode::internal, fmt::format("there is no op {}", op), layer);
    to.name = fmt::format("{}/{}", graph_[from].name, op);
    Node node{spec, fmt::format("{}_{}", op, graph_.nodes.size()), {from}, {}, {}};
    node.attrs.set("dtype", std::string(name_of(to.type.dtype)));
    const ValueId id = add_value(std::move(to));
    ranges_[static_cast<size_t>(id)] = range_of(from);
    node.outputs = {id};
    graph_.nodes.push_back(std::move(node));
    return id;
  }

  // The value in int8 with this quantisation: itself, or behind a quantize node.
  Result<ValueId> as_int8(ValueId id, const Quantization& quantization, const std::string& layer) {
    if (graph_[id].type.dtype == DType::i8 && graph_[id].quantization == quantization) return id;
    Value to{.type = {DType::i8, graph_[id].type.shape}, .quantization = quantization};
    return convert(id, "quantize", std::move(to), layer);
  }

  // A layer that computes on real numbers.
  Outcome keep_float(Node& node) {
    for (ValueId& input : node.inputs) {
      if (input == kNoValue || graph_[input].constant || graph_[input].type.dtype != DType::i8) continue;
      const auto [known, is_new] = float_of_.try_emplace(input, kNoValue);
      if (is_new) {
        Value to{.type = {DType::f32, graph_[input].type.shape}};
        THIMBLE_LET(known->second, convert(input, "dequantize", std::move(to), node.name));
      }
      input = known->second;
    }
    return {};
  }

  Outcome quantize_node(Node& node, const QuantizeRule& rule) {
    double finest_output = 0;
    for (ValueId& input : node.inputs) {
      if (input == kNoValue || graph_[input].constant || graph_[input].initial) continue;
      if (graph_[input].type.dtype == DType::f32 ||
          (rule.output == OutputScale::shared && graph_[input].type.dtype == DType::i8)) {
        const bool same = rule.output == OutputScale::shared;
        const RealRange range = range_of(same ? node.outputs[0] : input);
        THIMBLE_LET(input, as_int8(input, int8_over(range), node.name));
      }
    }
    if (rule.weights >= 0) {
      THIMBLE_LET(finest_output, quantize_linear(node, rule));
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (input == kNoValue || !graph_[input].constant || graph_[input].type.dtype != DType::f32) continue;
      quantize_table(own_constant(node, static_cast<int>(i)),
                     rule.output == OutputScale::shared ? std::optional(range_of(node.outputs[0])) : std::nullopt);
    }
    for (ValueId output : node.outputs) {
      if (graph_[output].type.dtype != DType::f32) continue;
      Quantization q = int8_over(range_of(output), finest_output);
      if (rule.output == OutputScale::same_as_input) q = graph_[node.inputs[0]].quantization;
      if (rule.output == OutputScale::fixed) q = {{rule.fixed_scale}, {rule.fixed_zero_point}, 0};
      THIMBLE_TRY(make_int8(output, std::move(q), node.name));
    }
    return {};
  }

  // A constant operand that is neither weights nor bias. range: where it must share the scale of others.
  void quantize_table(ValueId id, std::optional<RealRange> range) {
    Value& value = graph_[id];
    const auto [low, high] = std::ranges::minmax(value.constant->as<float>());
    value.quantization = int8_over(range ? *range : RealRange{low, high});
    value.constant = std::make_shared<Tensor>(quantized(*value.constant, value.quantization));
    value.type.dtype = DType::i8;
    value.trainable = false;
  }

  // A constant input of a node that this node may rewrite: its own copy where others read it too.
  ValueId own_constant(Node& node, int input) {
    ValueId& id = node.inputs[static_cast<size_t>(input)];
    if (readers_[static_cast<size_t>(id)] > 1) {
      Value copy = graph_[id];
      copy.name += "/" + node.name;
      id = add_value(std::move(copy));
      readers_.resize(graph_.values.size(), 1);
    }
    return id;
  }

  // Weights and bias of a convolution or fully connected layer. Gives the finest output scale that makes sense: one
  // step of the accumulator. (It also keeps the requantisation multiplier at or below 1, where it cannot overflow.)
  Result<double> quantize_linear(Node& node, const QuantizeRule& rule) {
    const auto has = [&](int input) {
      return input >= 0 && static_cast<size_t>(input) < node.inputs.size() &&
             node.inputs[static_cast<size_t>(input)] != kNoValue;
    };
    for (int input : {rule.weights, rule.bias})
      if (has(input) && (!graph_[node.inputs[static_cast<size_t>(input)]].constant ||
                         graph_[node.inputs[static_cast<size_t>(input)]].type.dtype != DType::f32))
        return fail(ErrorCode::unsupported, "weights and bias must be float32 constants", node.name);
    const double input_scale = graph_[node.inputs[0]].quantization.scale.at(0);
    Value& weights = graph_[own_constant(node, rule.weights)];
    std::vector<float> bias;
    if (has(rule.bias)) {
      const auto values = graph_[node.inputs[static_cast<size_t>(rule.bias)]].constant->as<float>();
      bias.assign(values.begin(), values.end());
    }
    THIMBLE_LET(const std::vector<float> scales, quantize_weights(node, rule, weights, bias, input_scale));
    if (has(rule.bias)) quantize_bias(graph_[own_constant(node, rule.bias)], scales, input_scale);
    return input_scale * std::ranges::max(scales);
  }

  // Gives the scale of each output channel. A channel whose weights are tiny beside its bias gets a coarser scale, so
  // that bias and products together stay below the accumulator's limit.
  static Result<std::vector<float>> quantize_weights(const Node& node, const QuantizeRule& rule, Value& weights,
                                                     std::span<const float> bias, double input_scale) {
    const Shape& shape = weights.type.shape;
    const auto channels = static_cast<size_t>(shape[static_cast<size_t>(rule.weights_axis)]);
    size_t inner = 1;
    for (size_t axis = static_cast<size_t>(rule.weights_axis) + 1; axis < shape.size(); ++axis)
      inner *= static_cast<size_t>(shape[axis]);
    const auto real = weights.constant->as<float>();
    const double products = static_cast<double>(real.size() / channels) * 127 * 256;
    const double room = kAccumulatorLimit - products;
    if (room < kAccumulatorLimit / 64)
      return fail(ErrorCode::unsupported,
                  fmt::format("sums {} products, more than an int32 accumulator holds", real.size() / channels),
                  node.name, "make the layer's input smaller");
    std::vector<double> needed(channels, 0);
    for (size_t i = 0; i < real.size(); ++i) {
      double& scale = needed[i / inner % channels];
      scale = std::max(scale, std::abs(static_cast<double>(real[i])) / 127);
    }
    for (size_t c = 0; c < std::min(channels, bias.size()); ++c)
      needed[c] = std::max(needed[c], std::abs(static_cast<double>(bias[c])) / (input_scale * room));
    if (!rule.per_channel) std::ranges::fill(needed, std::ranges::max(needed));
    std::vector<float> scales(channels);
    for (size_t c = 0; c < channels; ++c)
      scales[c] = needed[c] > std::numeric_limits<float>::min() ? static_cast<float>(needed[c]) : 1.0f / 127;

    auto result = std::make_shared<Tensor>(Tensor::zeros(DType::i8, shape));
    const auto to = result->as<int8_t>();
    for (size_t i = 0; i < real.size(); ++i)
      to[i] = static_cast<int8_t>(std::clamp(std::round(real[i] / scales[i / inner % channels]), -127.0f, 127.0f));
    const size_t distinct = rule.per_channel ? channels : 1;
    weights.quantization = {{scales.begin(), scales.begin() + static_cast<std::ptrdiff_t>(distinct)},
                            std::vector<int32_t>(distinct, 0),
                            rule.per_channel ? rule.weights_axis : 0};
    weights.type.dtype = DType::i8;
    weights.constant = std::move(result);
    weights.trainable = false;
    return scales;
  }

  static void quantize_bias(Value& bias, std::span<const float> weight_scales, double input_scale) {
    const auto real = bias.constant->as<float>();
    auto result = std::make_shared<Tensor>(Tensor::zeros(DType::i32, bias.type.shape));
    const auto to = result->as<int32_t>();
    Quantization q;
    for (size_t c = 0; c < real.size(); ++c) {
      const double scale = input_scale * weight_scales[c];
      to[c] = static_cast<int32_t>(std::clamp(std::round(real[c] / scale), -kAccumulatorLimit, kAccumulatorLimit));
      q.scale.push_back(static_cast<float>(scale));
    }
    if (std::ranges::all_of(q.scale, [&](float scale) { return scale == q.scale[0]; })) q.scale.resize(1);
    q.zero_point.assign(q.scale.size(), 0);
    bias.quantization = std::move(q);
    bias.type.dtype = DType::i32;
    bias.constant = std::move(result);
    bias.trainable = false;
  }

  Graph graph_;
  std::vector<RealRange> ranges_;        // by value; of what flows
  std::vector<size_t> readers_;          // by value, in the float graph
  std::map<ValueId, ValueId> float_of_;  // int8 values that were made float32 again
};

}  // namespace

Result<Graph> make_int8_graph(const Graph& float_graph, std::vector<RealRange> ranges) {
  return Quantizer(deep_copy(float_graph), std::move(ranges)).run();
}

}  // namespace thimble
