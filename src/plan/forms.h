// Which form of its kernels each layer gets: what more flash buys in instructions.
#pragma once
#include <vector>

#include "graph/graph.h"
#include "graph/kernel_call.h"
#include "plan/plan.h"

namespace thimble {

// The kernel calls of a node in one form, and what that form costs.
struct LoweredNode {
  std::vector<KernelCall> calls;
  KernelForm form;
  int64_t instructions = 0;    // estimated; 0 where nobody has looked
  int64_t constant_bytes = 0;  // flash
};

// One per node, without calls for nodes that only give their input another shape. Errors: unsupported (an op without a
// device kernel, naming the layer and the remedy).
Result<std::vector<LoweredNode>> choose_forms(const Graph& graph, const PlanOptions& options);

// A node in a form, or the nearest that it has. Errors: those of its lowering.
Result<LoweredNode> lower_in_form(const Graph& graph, const Node& node, const KernelForm& form);

// The output is the input's bytes under another shape: no kernel call. An alias of state is a copy, as the state may
// change while the alias is still read.
bool shares_memory(const Graph& graph, const Node& node);

}  // namespace thimble
