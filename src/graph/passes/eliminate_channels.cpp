#include "graph/passes/eliminate_channels.h"

#include <algorithm>
#include <optional>

#include "device/base/fixed_point.h"
#include "graph/op_spec.h"
#include "graph/passes/fold_constants.h"
#include "graph/passes/rewrite.h"

namespace thimble {

namespace {

// A set of the channels of a value.
using Channels = std::vector<bool>;
// What each channel of a value always holds, where that is known.
using Codes = std::vector<std::optional<int32_t>>;

// A file of a few bytes can name values of any width and size, and windows as large.
constexpr int64_t kMostChannels = 1 << 16, kMostElements = 1 << 24;
constexpr double kMostSteps = 1 << 30;

size_t count(const Channels& channels) { return static_cast<size_t>(std::ranges::count(channels, true)); }
bool has_channels(const Value& value) { return !value.type.shape.empty() && value.type.shape.back() <= kMostChannels; }
bool is_quantized(const Value& value) {
  return (value.type.dtype == DType::i8 || value.type.dtype == DType::i16) && value.quantization.scale.size() == 1 &&
         has_channels(value);
}
size_t channels_of(const Value& value) { return static_cast<size_t>(value.type.shape.back()); }

// A node whose channels can be followed, in numbers.
struct Layer {
  ChannelFlow flow = ChannelFlow::unknown;
  std::vector<size_t> inputs;     // indices of the inputs that flow
  std::vector<size_t> constants;  // of those that have a number for each channel, weights and bias apart
  std::optional<size_t> weights, bias;
  size_t from = 0, to = 0;  // channels of the inputs and of the output
  size_t per_channel = 1;   // separate: outputs of one input channel
  size_t per_output = 0;    // mixed: weights of one output
};

bool takes_weights(const Graph& graph, const Node& node, size_t index, Layer& layer) {
  const Value& weights = graph[node.inputs[index]];
  const Quantization& q = weights.quantization;
  const size_t axis = static_cast<size_t>(node.op->quantize->weights_axis);
  const Shape& shape = weights.type.shape;
  const bool usual = weights.constant && weights.type.dtype == DType::i8 && axis < shape.size() &&
                     shape[axis] == static_cast<int64_t>(layer.to) && !q.empty() &&
                     (!q.per_channel() || q.scale.size() == layer.to) &&
                     std::ranges::all_of(q.zero_point, [](int32_t zero) { return zero == 0; });
  if (!usual) return false;
  layer.weights = index;
  if (layer.flow == ChannelFlow::separate) {
    layer.per_channel = layer.to / layer.from;
    return axis + 1 == shape.size() && layer.to % layer.from == 0;
  }
  layer.per_output = static_cast<size_t>(element_count(shape)) / layer.to;
  return axis == 0 && static_cast<size_t>(shape.back()) % layer.from == 0;
}

bool takes_bias(const Graph& graph, const Node& node, size_t index, Layer& layer) {
  const Value& bias = graph[node.inputs[index]];
  layer.bias = index;
  return bias.constant && (bias.type.dtype == DType::i32 || bias.type.dtype == DType::i64) &&
         bias.constant->size() == static_cast<int64_t>(layer.to);
}

// A second operand, as a multiplication has it: the same for all channels, or a number for each.
bool takes_constant(const Graph& graph, const Node& node, size_t index, Layer& layer) {
  const Value& constant = graph[node.inputs[index]];
  if (constant.type.shape.empty() || constant.type.shape.back() == 1) return true;
  if (channels_of(constant) != layer.from || constant.quantization.per_channel()) return false;
  layer.constants.push_back(index);
  return true;
}

// Empty where the channels cannot be followed.
std::optional<Layer> follow(const Graph& graph, const Node& node) {
  if (!node.op->traits.channels || node.outputs.size() != 1 || !is_quantized(graph[node.outputs[0]])) return {};
  Layer layer{.flow = node.op->traits.channels(graph, node), .to = channels_of(graph[node.outputs[0]])};
  if (layer.flow == ChannelFlow::unknown) return {};
  const int weights = node.op->quantize ? node.op->quantize->weights : -1;
  const int bias = node.op->quantize ? node.op->quantize->bias : -1;
  const auto is_weights_or_bias = [&](size_t i) {
    return static_cast<int>(i) == weights || static_cast<int>(i) == bias;
  };
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue || is_weights_or_bias(i) || graph[node.inputs[i]].constant) continue;
    const Value& input = graph[node.inputs[i]];
    if (!is_quantized(input) || input.initial || (layer.from > 0 && channels_of(input) != layer.from)) return {};
    layer.from = channels_of(input);
    layer.inputs.push_back(i);
  }
  if (layer.inputs.empty()) return {};
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const bool taken = static_cast<int>(i) == weights ? takes_weights(graph, node, i, layer)
                       : static_cast<int>(i) == bias
                           ? takes_bias(graph, node, i, layer)
                           : !graph[node.inputs[i]].constant || takes_constant(graph, node, i, layer);
    if (!taken) return {};
  }
  const bool complete = layer.flow == ChannelFlow::mixed ? layer.weights && layer.inputs.size() == 1
                                                         : layer.to == layer.from * layer.per_channel;
  return complete ? std::optional(std::move(layer)) : std::nullopt;
}

std::span<const int8_t> weights_of(const Graph& graph, const Node& node, const Layer& layer) {
  return std::as_const(*graph[node.inputs[*layer.weights]].constant).as<int8_t>();
}

// Whether output o has a weight that is not zero for input channel c: at [o * from + c] of a mixed layer, at [o] of a
// separate one.
Channels weights_not_zero(const Graph& graph, const Node& node, const Layer& layer) {
  if (!layer.weights) return Channels(layer.to, true);
  const auto weights = weights_of(graph, node, layer);
  const bool mixed = layer.flow == ChannelFlow::mixed;
  Channels not_zero(mixed ? layer.to * layer.from : layer.to, false);
  for (size_t i = 0; i < weights.size(); ++i)
    if (weights[i] != 0) not_zero[mixed ? i / layer.per_output * layer.from + i % layer.from : i % layer.to] = true;
  return not_zero;
}

// Whether some taps of the layer's window may lie outside its input, where they read the zero point.
bool may_read_padding(const Graph& graph, const Node& node, const Layer& layer) {
  const std::string padding = node.attrs.word("padding", "valid");
  if (padding == "valid" || !layer.weights) return false;
  return padding == "explicit" ||
         layer.per_output != static_cast<size_t>(graph[node.inputs[*layer.weights]].type.shape.back());
}

// One scale for all channels is another thing than a scale for the only one: operators tell them apart by the number.
size_t fewest_channels(const Graph& graph, const Node& node, const Layer& layer) {
  const bool per_channel = layer.weights && graph[node.inputs[*layer.weights]].quantization.per_channel();
  return std::min<size_t>(layer.to, per_channel ? 2 : 1);
}

void keep_at_least(size_t least, Channels& channels) {
  for (size_t c = 0; c < channels.size() && count(channels) < least; ++c) channels[c] = true;
}

template <class T>
std::vector<T> selected(std::span<const T> numbers, const Channels& keep) {
  std::vector<T> kept;
  for (size_t i = 0; i < numbers.size(); ++i)
    if (keep[i % keep.size()]) kept.push_back(numbers[i]);
  return kept;
}

// The elements of a constant for which keep(index) holds.
template <class Keep>
std::shared_ptr<Tensor> selected(const Tensor& tensor, Shape shape, const Keep& keep) {
  auto kept = std::make_shared<Tensor>(Tensor{tensor.dtype, std::move(shape), {}});
  const size_t size = size_of(tensor.dtype);
  for (size_t i = 0; i * size < tensor.bytes.size(); ++i)
    if (keep(i)) kept->bytes.insert(kept->bytes.end(), &tensor.bytes[i * size], &tensor.bytes[i * size] + size);
  return kept;
}

void select_scales(const Channels& keep, Quantization& q) {
  if (!q.per_channel()) return;
  q.scale = selected<float>(q.scale, keep);
  q.zero_point = selected<int32_t>(q.zero_point, keep);
}

// What the input channels that go add to each sum.
std::vector<int64_t> parts_of_constants(const Graph& graph, const Node& node, const Layer& layer, const Channels& from,
                                        const Codes& codes) {
  std::vector<int64_t> parts(layer.to, 0);
  if (layer.flow != ChannelFlow::mixed) return parts;
  const int32_t zero_point = graph[node.inputs[layer.inputs[0]]].quantization.zero_point[0];
  const auto weights = weights_of(graph, node, layer);
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t c = i % layer.from;
    if (!from[c] && codes[c]) parts[i / layer.per_output] += int64_t{*codes[c] - zero_point} * weights[i];
  }
  return parts;
}

// The bias of the outputs that stay, with their parts of the constants; none where there was none and none is needed.
void select_bias(Graph& graph, Node& node, const Layer& layer, const Channels& to, const std::vector<int64_t>& parts) {
  const bool none_needed = std::ranges::all_of(parts, [](int64_t part) { return part == 0; });
  if (!layer.bias && none_needed) return;
  const bool wide = graph[node.inputs[0]].type.dtype == DType::i16 && node.attrs.integer("sums_int32") == 0;
  Value bias{.name = node.name + ".bias", .type = {wide ? DType::i64 : DType::i32, {}}};
  if (layer.bias) bias = graph[node.inputs[*layer.bias]];
  const auto fill = [&]<class T>(T) {
    std::vector<T> numbers(layer.to, 0);
    if (bias.constant) std::ranges::copy(std::as_const(*bias.constant).as<T>(), numbers.begin());
    for (size_t o = 0; o < layer.to; ++o) numbers[o] = device::wrapping_add(numbers[o], static_cast<T>(parts[o]));
    numbers = selected<T>(numbers, to);
    bias.type.shape = {static_cast<int64_t>(numbers.size())};
    bias.constant = std::make_shared<Tensor>(Tensor::from<T>(bias.type.shape, numbers));
  };
  bias.type.dtype == DType::i64 ? fill(int64_t{}) : fill(int32_t{});
  select_scales(to, bias.quantization);
  const auto index = static_cast<size_t>(node.op->quantize->bias);
  if (node.inputs.size() <= index) node.inputs.resize(index + 1, kNoValue);
  node.inputs[index] = graph.add(std::move(bias));
}

// Gives the node constants of its own for the channels that stay. The values that flow are the caller's.
void select_channels(Graph& graph, Node& node, const Layer& layer, const Channels& from, const Channels& to,
                     const Codes& codes) {
  if (layer.weights) {
    select_bias(graph, node, layer, to, parts_of_constants(graph, node, layer, from, codes));
    Value weights = graph[node.inputs[*layer.weights]];
    Shape& shape = weights.type.shape;
    const bool mixed = layer.flow == ChannelFlow::mixed;
    if (mixed) shape.back() = shape.back() / static_cast<int64_t>(layer.from) * static_cast<int64_t>(count(from));
    shape[static_cast<size_t>(node.op->quantize->weights_axis)] = static_cast<int64_t>(count(to));
    weights.constant = selected(*weights.constant, shape, [&](size_t i) -> bool {
      return mixed ? to[i / layer.per_output] && from[i % layer.from] : to[i % layer.to];
    });
    select_scales(to, weights.quantization);
    node.inputs[*layer.weights] = graph.add(std::move(weights));
  }
  for (size_t index : layer.constants) {
    Value constant = graph[node.inputs[index]];
    constant.type.shape.back() = static_cast<int64_t>(count(from));
    constant.constant =
        selected(*constant.constant, constant.type.shape, [&](size_t i) -> bool { return from[i % layer.from]; });
    node.inputs[index] = graph.add(std::move(constant));
  }
}

// Every pixel of a value holds these codes; its zero point where there is none.
std::shared_ptr<Tensor> filled(const Value& value, const std::vector<std::optional<int32_t>>& codes) {
  auto tensor = std::make_shared<Tensor>(Tensor::zeros(value.type.dtype, value.type.shape));
  const auto fill = [&](auto elements) {
    for (size_t i = 0; i < elements.size(); ++i)
      elements[i] = static_cast<std::remove_reference_t<decltype(elements[0])>>(
          codes[i % codes.size()].value_or(value.quantization.zero_point[0]));
  };
  value.type.dtype == DType::i8 ? fill(tensor->as<int8_t>()) : fill(tensor->as<int16_t>());
  return tensor;
}

// Whether running the node takes little memory and time.
bool is_small(const Graph& graph, const Node& node) {
  const double steps =
      static_cast<double>(node.attrs.integer("window_h", 1)) * static_cast<double>(node.attrs.integer("window_w", 1));
  const int64_t outputs = element_count(graph[node.outputs[0]].type.shape);
  return steps * static_cast<double>(outputs) <= kMostSteps && std::ranges::all_of(node.inputs, [&](ValueId id) {
           return id == kNoValue || element_count(graph[id].type.shape) <= kMostElements;
         });
}

// The code that all pixels of a channel hold, if they hold the same one.
template <class T>
std::optional<int32_t> only_code(std::span<const T> pixels, size_t channel, size_t channels) {
  for (size_t i = channel; i < pixels.size(); i += channels)
    if (pixels[i] != pixels[channel]) return std::nullopt;
  return pixels[channel];
}

class Elimination {
 public:
  explicit Elimination(Graph& graph) : graph_(graph), codes_(graph.values.size()), keep_(graph.values.size()) {
    for (size_t v = 0; v < graph.values.size(); ++v) {
      if (!has_channels(graph.values[v])) continue;
      codes_[v].resize(channels_of(graph.values[v]));
      keep_[v].resize(channels_of(graph.values[v]), false);
    }
    for (const Node& node : graph.nodes) {
      layers_.push_back(follow(graph, node));
      not_zero_.push_back(layers_.back() ? weights_not_zero(graph, node, *layers_.back()) : Channels());
    }
  }

  void run() {
    for (size_t n = 0; n < layers_.size(); ++n)
      if (layers_[n]) find_codes(n);
    choose();
    apply();
  }

 private:
  Codes& codes(ValueId id) { return codes_[static_cast<size_t>(id)]; }
  Channels& keep(ValueId id) { return keep_[static_cast<size_t>(id)]; }
  ValueId input(size_t n, size_t i = 0) const { return graph_.nodes[n].inputs[layers_[n]->inputs[i]]; }
  ValueId output(size_t n) const { return graph_.nodes[n].outputs[0]; }

  // Outputs that read nothing but constant channels.
  Channels candidates(size_t n) {
    const Layer& layer = *layers_[n];
    Channels found(layer.to, true);
    for (size_t o = 0; o < layer.to; ++o) {
      if (layer.flow == ChannelFlow::mixed) {
        for (size_t c = 0; c < layer.from; ++c)
          if (not_zero_[n][o * layer.from + c] && !codes(input(n))[c]) found[o] = false;
        continue;
      }
      for (size_t i = 0; i < layer.inputs.size(); ++i)
        if (not_zero_[n][o] && !codes(input(n, i))[o / layer.per_channel]) found[o] = false;
    }
    return found;
  }

  // Runs the layer's own kernel on constant channels alone: an output that has one code everywhere is constant. So
  // windows that reach into the padding need no rule of their own.
  void find_codes(size_t n) {
    const Layer& layer = *layers_[n];
    Channels to = candidates(n), from(layer.from, false);
    const Channels wanted = to;
    if (count(to) == 0) return;
    keep_at_least(fewest_channels(graph_, graph_.nodes[n], layer), to);
    for (size_t c = 0; c < layer.from; ++c) from[c] = codes(input(n))[c].has_value();
    if (layer.flow == ChannelFlow::separate) {
      for (size_t o = 0; o < layer.to; ++o) from[o / layer.per_channel] = from[o / layer.per_channel] || to[o];
      for (size_t o = 0; o < layer.to; ++o) to[o] = from[o / layer.per_channel];
    }
    keep_at_least(1, from);

    Graph part;
    Node alone = graph_.nodes[n];
    for (ValueId& id : alone.inputs)
      if (id != kNoValue) id = part.add(graph_[id]);
    for (Value& value : part.values) value.trainable = false;
    alone.outputs[0] = part.add(graph_[output(n)]);
    part[alone.outputs[0]].type.shape.back() = static_cast<int64_t>(count(to));
    for (size_t i : layer.inputs) part[alone.inputs[i]].type.shape.back() = static_cast<int64_t>(count(from));
    if (!is_small(part, alone)) return;
    for (size_t i = 0; i < layer.inputs.size(); ++i) {
      Value& value = part[alone.inputs[layer.inputs[i]]];
      value.constant = filled(value, selected<std::optional<int32_t>>(codes(input(n, i)), from));
    }
    select_channels(part, alone, layer, from, to, Codes(layer.from));
    if (!fold_node(part, alone, budget_)) return;
    const Tensor& result = *part[alone.outputs[0]].constant;
    for (size_t o = 0, at = 0; o < layer.to; ++o) {
      if (!to[o]) continue;
      if (wanted[o])
        codes(output(n))[o] = result.dtype == DType::i8 ? only_code(result.as<int8_t>(), at, count(to))
                                                        : only_code(result.as<int16_t>(), at, count(to));
      ++at;
    }
  }

  void keep_all(ValueId id) {
    if (id != kNoValue) keep(id).assign(keep(id).size(), true);
  }

  // Grows the sets of channels that stay until every layer that stays has what it reads.
  void choose() {
    for (ValueId id : graph_.inputs) keep_all(id);
    for (ValueId id : graph_.outputs) keep_all(id);
    for (size_t n = 0; n < layers_.size(); ++n) {
      if (layers_[n]) continue;
      for (ValueId id : graph_.nodes[n].inputs) keep_all(id);
      for (ValueId id : graph_.nodes[n].outputs) keep_all(id);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t n = layers_.size(); n-- > 0;)
        if (layers_[n]) changed |= layers_[n]->flow == ChannelFlow::mixed ? grow_mixed(n) : grow_separate(n);
    }
  }

  bool grow_mixed(size_t n) {
    const Layer& layer = *layers_[n];
    const size_t before = count(keep(input(n))) + count(keep(output(n)));
    keep_at_least(fewest_channels(graph_, graph_.nodes[n], layer), keep(output(n)));
    const int32_t zero_point = graph_[input(n)].quantization.zero_point[0];
    const bool pads = may_read_padding(graph_, graph_.nodes[n], layer);
    for (size_t c = 0; c < layer.from; ++c) {
      const auto& code = codes(input(n))[c];
      if (keep(input(n))[c] || (code && (!pads || *code == zero_point))) continue;
      for (size_t o = 0; o < layer.to && !keep(input(n))[c]; ++o)
        keep(input(n))[c] = keep(output(n))[o] && not_zero_[n][o * layer.from + c];
    }
    keep_at_least(1, keep(input(n)));
    return count(keep(input(n))) + count(keep(output(n))) != before;
  }

  bool grow_separate(size_t n) {
    const Layer& layer = *layers_[n];
    keep_at_least(fewest_channels(graph_, graph_.nodes[n], layer), keep(output(n)));
    bool changed = false;
    for (size_t c = 0; c < layer.from; ++c) {
      size_t kept = 0;
      for (size_t i = 0; i < layer.inputs.size(); ++i) kept += keep(input(n, i))[c];
      for (size_t m = 0; m < layer.per_channel; ++m) kept += keep(output(n))[c * layer.per_channel + m];
      if (kept == 0 || kept == layer.inputs.size() + layer.per_channel) continue;
      changed = true;
      for (size_t i = 0; i < layer.inputs.size(); ++i) keep(input(n, i))[c] = true;
      for (size_t m = 0; m < layer.per_channel; ++m) keep(output(n))[c * layer.per_channel + m] = true;
    }
    return changed;
  }

  void apply() {
    for (size_t n = 0; n < layers_.size(); ++n) {
      if (!layers_[n]) continue;
      const Layer& layer = *layers_[n];
      const Channels &from = keep(input(n)), &to = keep(output(n));
      if (count(from) < layer.from || count(to) < layer.to)
        select_channels(graph_, graph_.nodes[n], layer, from, to, codes(input(n)));
    }
    for (size_t v = 0; v < keep_.size(); ++v) {
      Value& value = graph_.values[v];
      if (!value.constant && count(keep_[v]) > 0) value.type.shape.back() = static_cast<int64_t>(count(keep_[v]));
    }
  }

  Graph& graph_;
  FoldBudget budget_;
  std::vector<Codes> codes_;                  // by value
  std::vector<Channels> keep_;                // by value
  std::vector<std::optional<Layer>> layers_;  // by node
  std::vector<Channels> not_zero_;            // by node: weights_not_zero
};

}  // namespace

Result<Graph> eliminate_channels(Graph graph) {
  Elimination(graph).run();
  return finish_pass(std::move(graph));
}

}  // namespace thimble
