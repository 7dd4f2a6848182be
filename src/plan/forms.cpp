#include "plan/forms.h"

#include <algorithm>

#include "device/kernels/copy.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

// Instructions that a byte of flash must save per inference to be spent.
constexpr double kBalancedGain = 32, kSpeedGain = 8;
// Of a flash budget: what code, start-up and small tables take.
constexpr int64_t kCodeBytes = 16 << 10;

Result<std::vector<KernelCall>> copy_of_state(const Graph& graph, const Node& node) {
  const ValueType& type = graph[node.inputs[0]].type;
  const int64_t bytes = element_count(type.shape) * static_cast<int64_t>(size_of(type.dtype));
  KernelCall call = KernelCall::make("copy_bytes", device::CopyBytesParams{static_cast<int32_t>(bytes)});
  call.operand(node.inputs[0]).operand(node.outputs[0]);
  return std::vector{std::move(call)};
}

// A node's wider form, and what it saves for each byte.
struct Upgrade {
  size_t node = 0;
  LoweredNode wide;
  int64_t bytes = 0;
  double gain = 0;
};

// Most gain first. Empty where no layer has a wider form that is faster.
Result<std::vector<Upgrade>> upgrades_of(const Graph& graph, const std::vector<LoweredNode>& nodes) {
  std::vector<Upgrade> upgrades;
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (nodes[n].instructions == 0) continue;
    KernelForm form = nodes[n].form;
    form.wide_weights = true;
    THIMBLE_LET(LoweredNode wide, lower_in_form(graph, graph.nodes[n], form));
    const int64_t bytes = wide.constant_bytes - nodes[n].constant_bytes;
    const int64_t saved = nodes[n].instructions - wide.instructions;
    if (bytes <= 0 || saved <= 0) continue;
    upgrades.push_back({n, std::move(wide), bytes, static_cast<double>(saved) / static_cast<double>(bytes)});
  }
  std::ranges::stable_sort(upgrades, std::greater{}, &Upgrade::gain);
  return upgrades;
}

double least_gain(const PlanOptions& options) {
  if (options.flash_budget_bytes > 0) return 0;
  return options.optimize == Optimize::speed ? kSpeedGain : kBalancedGain;
}

}  // namespace

Result<LoweredNode> lower_in_form(const Graph& graph, const Node& node, const KernelForm& form) {
  LoweredNode lowered{.form = form};
  THIMBLE_LET(lowered.calls, node.op->traits.alias ? copy_of_state(graph, node) : lower_node({graph, node, form}));
  for (KernelCall& call : lowered.calls) {
    call.layer = node.name;
    lowered.instructions += call.instructions;
    for (const Operand& operand : call.operands)
      if (const auto* tensor = std::get_if<Tensor>(&operand))
        lowered.constant_bytes += static_cast<int64_t>(tensor->bytes.size());
  }
  return lowered;
}

bool shares_memory(const Graph& graph, const Node& node) {
  return node.op->traits.alias && !graph[node.inputs[0]].initial;
}

Result<std::vector<LoweredNode>> choose_forms(const Graph& graph, const PlanOptions& options) {
  std::vector<LoweredNode> nodes(graph.nodes.size());
  int64_t constant_bytes = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (shares_memory(graph, node)) continue;
    if (!node.op->lower && !node.op->traits.alias)
      return fail(ErrorCode::unsupported,
                  fmt::format("{} has no device kernel: {}", node.op->name, node.op->lower.reason()), node.name,
                  "fold or quantise the model first, or replace this layer; `thimble ops` lists what runs on a device");
    THIMBLE_LET(nodes[n],
                lower_in_form(graph, node, {.isa = options.isa, .compact = options.optimize == Optimize::flash}));
    constant_bytes += nodes[n].constant_bytes;
  }
  if (options.optimize == Optimize::flash || options.isa == "portable") return nodes;
  THIMBLE_LET(std::vector<Upgrade> upgrades, upgrades_of(graph, nodes));
  for (Upgrade& upgrade : upgrades) {
    if (upgrade.gain < least_gain(options)) break;
    if (options.flash_budget_bytes > 0 && constant_bytes + upgrade.bytes > options.flash_budget_bytes - kCodeBytes)
      continue;
    constant_bytes += upgrade.bytes;
    nodes[upgrade.node] = std::move(upgrade.wide);
  }
  return nodes;
}

}  // namespace thimble
