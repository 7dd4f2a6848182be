#include "ops/op_harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/rng.h"
#include "graph/kernel_table.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

std::map<std::string, CaseList, std::less<>>& registry() {
  static std::map<std::string, CaseList, std::less<>> lists;
  return lists;
}

std::vector<FloatView> views(Values& values, const std::vector<ValueType>& types) {
  std::vector<FloatView> result;
  for (size_t i = 0; i < values.size(); ++i)
    result.push_back({values[i].empty() ? nullptr : values[i].data(), types[i].shape});
  return result;
}

// Memory of one operand between two guards.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : memory_(bytes + 2 * kGuard, kPattern) {}
  std::byte* data() { return memory_.data() + kGuard; }
  bool intact() const {
    const auto is_pattern = [](std::byte b) { return b == kPattern; };
    return std::all_of(memory_.begin(), memory_.begin() + kGuard, is_pattern) &&
           std::all_of(memory_.end() - kGuard, memory_.end(), is_pattern);
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 64;
  static constexpr std::byte kPattern{0xA5};
  std::vector<std::byte> memory_;
};

Quantization covering(const std::vector<float>& values, DType dtype) {
  float low = 0, high = 0;
  for (float value : values) low = std::min(low, value), high = std::max(high, value);
  if (dtype == DType::i16) return {{std::max({-low, high, 1e-3f}) / 32767}, {0}};
  const float scale = std::max(high - low, 1e-3f) / 255;
  return {{scale}, {std::clamp(static_cast<int32_t>(std::lround(-128 - low / scale)), -128, 127)}};
}

Quantization symmetric(const std::vector<float>& values, const Shape& shape, int axis, bool per_channel) {
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  const auto channels = static_cast<size_t>(per_channel ? shape[static_cast<size_t>(axis)] : 1);
  std::vector<float> most(channels, 1e-3f);
  for (size_t i = 0; i < values.size(); ++i) {
    float& channel = most[i / static_cast<size_t>(inner) % channels];
    channel = std::max(channel, std::abs(values[i]));
  }
  for (float& scale : most) scale /= 127;
  return {most, std::vector<int32_t>(channels, 0), axis};
}

std::vector<std::byte> bytes_of(const Value& value, const std::vector<float>& reals) {
  return codes_of(value, reals).value();
}

void make_constant(Value& value, const std::vector<float>& reals) {
  value.constant = std::make_shared<Tensor>(Tensor{value.type.dtype, value.type.shape, bytes_of(value, reals)});
}

void make_initial(Value& value, const std::vector<float>& reals) {
  value.initial = std::make_shared<Tensor>(Tensor{value.type.dtype, value.type.shape, bytes_of(value, reals)});
}

Graph one_node(const Subject& subject, DType dtype) {
  Graph graph;
  Node node{subject.op, subject.name(), {}, {}, subject.test.attrs};
  const std::vector<ValueType> types = types_of(subject.test, dtype);
  for (size_t i = 0; i < types.size(); ++i) {
    node.inputs.push_back(graph.add({.name = "input" + std::to_string(i), .type = types[i]}));
    if (subject.test.inputs[i].absent)
      node.inputs.back() = kNoValue;
    else if (subject.test.inputs[i].state)
      graph.values[i].initial = std::make_shared<Tensor>(Tensor::zeros(types[i].dtype, types[i].shape));
    else if (!subject.test.inputs[i].constant)
      graph.inputs.push_back(node.inputs.back());
  }
  const std::vector<ValueType> outputs = infer(subject, types).value();
  for (size_t i = 0; i < outputs.size(); ++i) {
    node.outputs.push_back(graph.add({.name = "output" + std::to_string(i), .type = outputs[i]}));
    graph.outputs.push_back(node.outputs.back());
  }
  graph.nodes.push_back(std::move(node));
  for (size_t i = 0; i < subject.test.scales.size(); ++i) graph.values.at(i).quantization = subject.test.scales[i];
  return graph;
}

// int32, or int64 beside int16 activations; scale of the input times that of the weights.
void quantize_bias(const Value& input, const Value& weights, Value& bias, const std::vector<float>& values) {
  bias.type.dtype = input.type.dtype == DType::i16 ? DType::i64 : DType::i32;
  bias.quantization = {{}, {}, 0};
  for (float scale : weights.quantization.scale) {
    bias.quantization.scale.push_back(input.quantization.scale[0] * scale);
    bias.quantization.zero_point.push_back(0);
  }
  make_constant(bias, values);
}

}  // namespace

bool register_op_cases(std::string op, CaseList list) { return registry().emplace(std::move(op), list).second; }

std::vector<OpCase> cases_of(std::string_view op) {
  const auto found = registry().find(op);
  return found == registry().end() ? std::vector<OpCase>{} : found->second();
}

std::vector<std::string> ops_with_cases() {
  std::vector<std::string> names;
  for (const auto& [name, list] : registry()) names.push_back(name);
  return names;
}

std::vector<Subject> all_subjects() {
  std::vector<Subject> subjects;
  for (const OpSpec* op : ops::all())
    for (OpCase& test : cases_of(op->name)) subjects.push_back({op, std::move(test)});
  return subjects;
}

std::vector<ValueType> types_of(const OpCase& test, DType dtype) {
  std::vector<ValueType> types;
  for (const CaseInput& input : test.inputs)
    types.push_back({input.dtype == DType::f32 ? dtype : input.dtype, input.shape});
  return types;
}

Result<std::vector<ValueType>> infer(const Subject& subject, const std::vector<ValueType>& inputs) {
  const std::vector<const Tensor*> constants(inputs.size(), nullptr);
  return (*subject.op->infer)({subject.test.attrs, inputs, constants});
}

Values draw_inputs(const OpCase& test, uint64_t seed) {
  Values values;
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    const CaseInput& input = test.inputs[i];
    Rng rng{seed, i};
    auto& drawn = values.emplace_back(static_cast<size_t>(element_count(input.shape)));
    for (float& value : drawn) {
      value = static_cast<float>(rng.uniform(input.low, input.high));
      if (input.dtype != DType::f32) value = std::round(value);
    }
  }
  return values;
}

ForwardRun run_forward(const Subject& subject, Values inputs, bool training) {
  if (!subject.op->forward) {
    if (subject.test.reference) return {subject.test.reference(inputs), {}};
    const Graph graph = float_graph(subject, inputs);
    const auto outputs = run_kernels(graph, input_bytes(graph, inputs)).value();
    ForwardRun run;
    for (size_t i = 0; i < outputs.size(); ++i) run.outputs.push_back(real_values(graph[graph.outputs[i]], outputs[i]));
    return run;
  }
  const std::vector<ValueType> types = types_of(subject.test), output_types = infer(subject, types).value();
  ForwardRun run;
  for (const ValueType& type : output_types)
    run.outputs.emplace_back(static_cast<size_t>(element_count(type.shape)), NAN);
  const std::vector<FloatView> in = views(inputs, types), out = views(run.outputs, output_types);
  (*subject.op->forward)({subject.test.attrs, in, out, training, 7, run.saved});
  return run;
}

void run_backward(const Subject& subject, Values inputs, ForwardRun forward, Values grad_outputs, Values& gradients) {
  const std::vector<ValueType> types = types_of(subject.test), output_types = infer(subject, types).value();
  const std::vector<FloatView> in = views(inputs, types), out = views(forward.outputs, output_types),
                               grad_out = views(grad_outputs, output_types), grad_in = views(gradients, types);
  (*subject.op->backward)({subject.test.attrs, in, out, grad_out, grad_in, forward.saved});
}

Graph float_graph(const Subject& subject, const Values& inputs) {
  Graph graph = one_node(subject, DType::f32);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (subject.test.inputs[i].constant) make_constant(graph.values[i], inputs[i]);
    if (subject.test.inputs[i].state) make_initial(graph.values[i], inputs[i]);
  }
  return graph;
}

Graph quantized_graph(const Subject& subject, const Values& inputs, DType dtype) {
  const QuantizeRule& rule = *subject.op->quantize;
  Graph graph = one_node(subject, dtype);
  std::vector<float> together;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (graph.values[i].type.dtype == dtype) together.insert(together.end(), inputs[i].begin(), inputs[i].end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value& value = graph.values[i];
    const int index = static_cast<int>(i);
    if (index == rule.bias) continue;
    if (index == rule.weights) {
      value.type.dtype = DType::i8;
      value.quantization = symmetric(inputs[i], value.type.shape, rule.weights_axis, rule.per_channel);
    } else if (value.type.dtype == dtype && value.quantization.empty()) {
      value.quantization = covering(rule.output == OutputScale::shared ? together : inputs[i], dtype);
    }
    if (subject.test.inputs[i].constant) make_constant(value, inputs[i]);
    if (subject.test.inputs[i].state) make_initial(value, inputs[i]);
  }
  if (rule.bias >= 0 && rule.bias < static_cast<int>(inputs.size()))
    quantize_bias(graph.values[0], graph[rule.weights], graph[rule.bias], inputs[static_cast<size_t>(rule.bias)]);
  const ForwardRun run = run_forward(subject, representable_inputs(graph, inputs), false);
  for (size_t i = 0; i < run.outputs.size(); ++i) {
    Value& value = graph[graph.outputs[i]];
    if (value.type.dtype != dtype || !value.quantization.empty()) continue;
    if (rule.output == OutputScale::calibrated)
      value.quantization = covering(run.outputs[i], dtype);
    else if (rule.output == OutputScale::same_as_input || rule.output == OutputScale::shared)
      value.quantization =
          std::ranges::find(graph.values, dtype, [](const Value& v) { return v.type.dtype; })->quantization;
    else
      value.quantization = dtype == DType::i16 ? Quantization{{1.0f / 32768}, {0}}
                                               : Quantization{{rule.fixed_scale}, {rule.fixed_zero_point}};
  }
  return graph;
}

Values representable_inputs(const Graph& graph, const Values& inputs) {
  Values result;
  for (size_t i = 0; i < inputs.size(); ++i)
    result.push_back(real_values(graph.values[i], bytes_of(graph.values[i], inputs[i])));
  return result;
}

std::vector<KernelForm> special_forms() {
  std::vector<KernelForm> forms;
  for (const std::string_view isa : {"scalar", "arm_dsp", "arm_mve"})
    for (const bool wide : {false, true})
      for (const bool scratch : {false, true})
        for (const bool compact : {false, true})
          forms.push_back({.isa = isa, .wide_weights = wide, .compact = compact, .scratch = scratch});
  return forms;
}

Result<std::vector<KernelCall>> calls_of(const Graph& graph, const KernelForm& form) {
  const Node& node = graph.nodes[0];
  if (node.op->traits.alias) return std::vector<KernelCall>{};
  return (*node.op->lower)({graph, node, form});
}

namespace {

// One block for the two operands of a call that may overlap: the output at its begin, the input behind.
class Joint {
 public:
  Joint(const Graph& graph, const KernelCall& call, int64_t nearer, std::vector<void*>& operands)
      : output_(operands[call.overlap->output]), bytes_(bytes_of(graph, call, call.overlap->output)) {
    const auto distance = static_cast<size_t>(call.overlap->distance - nearer);
    const size_t input_bytes = bytes_of(graph, call, call.overlap->input);
    block_ = std::make_unique<Guarded>(std::max(bytes_, distance + input_bytes));
    std::memcpy(block_->data() + distance, operands[call.overlap->input], input_bytes);
    operands[call.overlap->input] = block_->data() + distance;
    operands[call.overlap->output] = block_->data();
  }
  bool intact() const { return block_->intact(); }
  void copy_output() const { std::memcpy(output_, block_->data(), bytes_); }

 private:
  static size_t bytes_of(const Graph& graph, const KernelCall& call, size_t operand) {
    const ValueType& type = graph[std::get<ValueId>(call.operands[operand])].type;
    return static_cast<size_t>(element_count(type.shape)) * size_of(type.dtype);
  }

  void* output_;
  size_t bytes_;
  std::unique_ptr<Guarded> block_;
};

}  // namespace

Result<std::vector<std::vector<std::byte>>> run_kernels(const Graph& graph,
                                                        const std::vector<std::vector<std::byte>>& inputs,
                                                        bool in_place, const KernelForm& form,
                                                        std::optional<int64_t> nearer) {
  const Node& node = graph.nodes[0];
  std::map<ValueId, Guarded> memory;
  const auto place = [&](ValueId id) -> Guarded& {
    const ValueType& type = graph[id].type;
    return memory.try_emplace(id, static_cast<size_t>(element_count(type.shape)) * size_of(type.dtype)).first->second;
  };
  for (size_t i = 0; i < graph.inputs.size(); ++i) std::ranges::copy(inputs[i], place(graph.inputs[i]).data());
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.values[v].initial)
      std::ranges::copy(graph.values[v].initial->bytes, place(static_cast<ValueId>(v)).data());
  for (ValueId id : graph.outputs) place(id);
  THIMBLE_LET(std::vector<KernelCall> calls, calls_of(graph, form));
  if (node.op->traits.alias) std::ranges::copy(inputs[0], place(node.outputs[0]).data());
  for (KernelCall& call : calls) {
    std::vector<void*> operands;
    std::vector<std::unique_ptr<Guarded>> scratch;
    for (Operand& operand : call.operands) {
      if (const auto* id = std::get_if<ValueId>(&operand))
        operands.push_back(place(in_place && *id == node.outputs[0] ? node.inputs[0] : *id).data());
      else if (auto* constant = std::get_if<Tensor>(&operand))
        operands.push_back(constant->bytes.data());
      else
        operands.push_back(
            scratch.emplace_back(std::make_unique<Guarded>(std::get<ScratchBytes>(operand).bytes))->data());
    }
    std::optional<Joint> joint;
    if (nearer && call.overlap && *nearer <= call.overlap->distance) joint.emplace(graph, call, *nearer, operands);
    THIMBLE_TRY(run_kernel(call, operands));
    if (joint) {
      if (!joint->intact()) return fail(ErrorCode::internal, "the kernel writes outside its operands", node.name);
      joint->copy_output();
    }
    for (const auto& block : scratch)
      if (!block->intact()) return fail(ErrorCode::internal, "the kernel writes outside its scratch memory", node.name);
  }
  for (const auto& [id, block] : memory)
    if (!block.intact()) return fail(ErrorCode::internal, "the kernel writes outside " + graph[id].name, node.name);
  std::vector<std::vector<std::byte>> outputs;
  for (ValueId id : graph.outputs) {
    const ValueType& type = graph[id].type;
    std::byte* data = place(in_place && id == node.outputs[0] ? node.inputs[0] : id).data();
    outputs.emplace_back(data, data + static_cast<size_t>(element_count(type.shape)) * size_of(type.dtype));
  }
  return outputs;
}

bool can_run_in_place(const Graph& graph) {
  const Node& node = graph.nodes[0];
  if (!node.op->traits.in_place || graph[node.inputs[0]].constant) return false;
  const ValueType &from = graph[node.inputs[0]].type, &to = graph[node.outputs[0]].type;
  return element_count(from.shape) * static_cast<int64_t>(size_of(from.dtype)) ==
         element_count(to.shape) * static_cast<int64_t>(size_of(to.dtype));
}

std::vector<std::vector<std::byte>> input_bytes(const Graph& graph, const Values& inputs) {
  std::vector<std::vector<std::byte>> result;
  for (ValueId id : graph.inputs) result.push_back(bytes_of(graph[id], inputs[static_cast<size_t>(id)]));
  return result;
}

}  // namespace thimble::test
