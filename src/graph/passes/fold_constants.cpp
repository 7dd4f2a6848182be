#include "graph/passes/fold_constants.h"

#include <algorithm>
#include <map>
#include <optional>

#include "graph/kernel_table.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

// A folded output is stored in the model: beyond this it is computed where the model runs.
constexpr int64_t kMostElements = int64_t{16} << 20;
constexpr int64_t kMostMacs = int64_t{1} << 30;

bool in_range(const Graph& graph, ValueId id) { return id >= 0 && id < static_cast<ValueId>(graph.values.size()); }

bool may_fold(const Graph& graph, const Node& node, const FoldBudget& budget) {
  const OpTraits& traits = node.op->traits;
  if (node.outputs.empty() || !traits.state_inputs.empty()) return false;
  if (node.inputs.empty() && !traits.reads_shapes_only) return false;
  for (ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    if (!in_range(graph, id) || graph[id].trainable) return false;
    if (!graph[id].constant && !traits.reads_shapes_only) return false;
  }
  return std::ranges::all_of(node.outputs, [&](ValueId id) {
    if (!in_range(graph, id) || graph[id].constant || graph[id].initial) return false;
    int64_t room = std::min(kMostElements, budget.bytes / static_cast<int64_t>(size_of(graph[id].type.dtype)));
    for (int64_t extent : graph[id].type.shape) {
      if (extent < 1 || extent > room) return false;
      room /= extent;
    }
    return true;
  });
}

// The node and what it touches as a graph of its own, which verify() can judge and lowering can read.
Graph only_node(const Graph& graph, const Node& node) {
  Graph part;
  Node alone = node;
  std::map<ValueId, ValueId> numbers;
  const auto take = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id == kNoValue) continue;
      const auto [place, is_new] = numbers.try_emplace(id, static_cast<ValueId>(part.values.size()));
      if (is_new) part.add(graph[id]);
      id = place->second;
    }
  };
  take(alone.inputs);
  for (const auto& [whole, id] : numbers)
    if (!part[id].constant) part.inputs.push_back(id);
  take(alone.outputs);
  part.outputs = alone.outputs;
  part.nodes.push_back(std::move(alone));
  return part;
}

// Runs the lowered calls on memory of our own. False when a call wants what is not known.
bool run_calls(const Graph& part, std::vector<KernelCall>& calls, std::map<ValueId, Tensor>& results) {
  for (KernelCall& call : calls) {
    std::vector<void*> operands;
    std::vector<std::vector<std::max_align_t>> scratch;
    for (Operand& operand : call.operands) {
      if (auto* tensor = std::get_if<Tensor>(&operand)) {
        operands.push_back(tensor->bytes.data());
      } else if (const auto* wanted = std::get_if<ScratchBytes>(&operand)) {
        scratch.emplace_back(static_cast<size_t>(wanted->bytes) / sizeof(std::max_align_t) + 1);
        operands.push_back(scratch.back().data());
      } else {
        const ValueId id = std::get<ValueId>(operand);
        const auto result = results.find(id);
        if (result == results.end() && !part[id].constant) return false;
        operands.push_back(result != results.end() ? result->second.bytes.data() : part[id].constant->bytes.data());
      }
    }
    if (!run_kernel(call, operands)) return false;
  }
  return true;
}

std::optional<std::map<ValueId, Tensor>> compute(const Graph& part, FoldBudget& budget) {
  const Node& node = part.nodes[0];
  const int64_t macs = node.op->macs ? (*node.op->macs)(part, node) : 0;
  if (macs > std::min(kMostMacs, budget.macs)) return std::nullopt;
  budget.macs -= macs;
  std::map<ValueId, Tensor> results;
  for (ValueId id : node.outputs) {
    results[id] = Tensor::zeros(part[id].type.dtype, part[id].type.shape);
    budget.bytes -= static_cast<int64_t>(results[id].bytes.size());
  }
  if (node.op->traits.alias) {
    if (!part[node.inputs[0]].constant) return std::nullopt;
    results[node.outputs[0]].bytes = part[node.inputs[0]].constant->bytes;
    return results;
  }
  if (!node.op->lower) return std::nullopt;
  auto calls = lower_node({part, node});
  if (!calls || !run_calls(part, *calls, results)) return std::nullopt;
  return results;
}

}  // namespace

bool fold_node(Graph& graph, const Node& node, FoldBudget& budget) {
  if (!may_fold(graph, node, budget)) return false;
  const Graph part = only_node(graph, node);
  // What is wrong with the node is told by whoever verifies the whole graph.
  if (!verify(part)) return false;
  auto results = compute(part, budget);
  if (!results) return false;
  bool needed = false;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId output = node.outputs[i];
    auto constant = std::make_shared<Tensor>(std::move(results->at(part.nodes[0].outputs[i])));
    if (!std::ranges::count(graph.outputs, output)) {
      graph[output].constant = std::move(constant);
      continue;
    }
    needed = true;
    Value copy = graph[output];
    copy.constant = std::move(constant);
    const ValueId id = graph.add(std::move(copy));
    for (Node& reader : graph.nodes) std::ranges::replace(reader.inputs, output, id);
  }
  return !needed;
}

Outcome fold_constants(Graph& graph, const std::function<Outcome(Node&)>& prepare) {
  FoldBudget budget;
  std::vector<bool> folded(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (prepare) THIMBLE_TRY(prepare(graph.nodes[i]));
    folded[i] = fold_node(graph, graph.nodes[i], budget);
  }
  size_t i = 0;
  std::erase_if(graph.nodes, [&](const Node&) { return folded[i++]; });
  return {};
}

}  // namespace thimble
