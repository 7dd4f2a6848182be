// The plan of a model on a device: every kernel call in order, where each tensor lies in the arena and when it lives,
// and one block of constants. Everything later (bundle, emitted C++, host run, reports) reads this and adds no
// decision.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/kernel_call.h"

namespace thimble {

struct OperandRef {
  bool constant = false;
  uint32_t offset = 0;  // bytes, in the constants or in the arena
  DType dtype = DType::i8;
  int64_t bytes = 0;
  int tensor = -1;  // of Plan::tensors; -1 for a constant
};

struct PlannedCall {
  KernelCall call;               // constant operands' data moved out to Plan::constants
  std::vector<OperandRef> refs;  // one per operand
  std::string op;                // "conv2d"
  int64_t macs = 0;              // of the node; on the first of its calls
  int64_t weight_bytes = 0;      // constants of this call
};

// A block of the arena: a value, with those that share its memory (reshaped, or computed in place), or scratch.
struct ArenaTensor {
  std::string name;
  int64_t bytes = 0;
  uint32_t offset = 0;
  int first_call = 0, last_call = 0;  // lives during [first_call, last_call]
  bool scratch = false;
  bool state = false;        // lives always
  bool output = false;       // of the model: keeps its bytes to the end
  ValueId value = kNoValue;  // of the graph; the first of those that share the memory
};

// Layers that are made in bands of rows, so that what lies between them needs buffers of a few rows only.
struct PlannedBands {
  std::string first, last;   // layers
  int64_t rows = 1;          // of the last layer's output at a time
  int64_t buffer_bytes = 0;  // of the rows between the layers that are kept
  int first_call = 0, last_call = 0;
  // The tensors (of Plan::tensors) of which the output may begin `distance` bytes before the input, as in Overlap; -1
  // for none.
  int input = -1, output = -1;
  int64_t distance = 0;
};

struct PlanPort {
  std::string name;
  uint32_t arena_offset = 0;
  int64_t bytes = 0;
  ValueType type;
  Quantization quantization;
};

struct Plan {
  std::string model = "model";
  std::string isa = "portable";
  std::vector<PlannedCall> calls;
  std::vector<uint8_t> constants;  // each constant 4-byte aligned (16 for weights); identical constants are stored once
  int64_t arena_bytes = 0;
  // State lies in [0, state_bytes) of the arena and nothing else ever does. Before the first inference it holds the
  // state_bytes bytes of `constants` at state_initial, or zeros when that is empty.
  int64_t state_bytes = 0;
  std::optional<uint32_t> state_initial;
  // Largest sum of tensors alive at once, what may overlap counted once: no layout can need less.
  int64_t lower_bound_bytes = 0;
  bool arena_is_smallest = false;  // proved, by the bound or by search
  std::vector<ArenaTensor> tensors;
  std::vector<PlannedBands> bands;
  std::vector<PlanPort> inputs, outputs;
  int64_t macs = 0;
  uint32_t signal_fingerprint = 0;
};

// What a plan spends flash and RAM for.
enum class Optimize { balanced, speed, flash, ram };
inline constexpr std::string_view kOptimizeNames[] = {"balanced", "speed", "flash", "ram"};
inline std::string_view name_of(Optimize optimize) { return kOptimizeNames[static_cast<size_t>(optimize)]; }

struct PlanOptions {
  std::string isa = "portable";  // KernelForm::isa
  Optimize optimize = Optimize::balanced;
  int64_t flash_budget_bytes = 0;  // of the whole firmware; 0: what `optimize` finds worth it
  int64_t ram_budget_bytes = 0;    // of arena and state: layers are made in bands until it is kept; 0: none
  uint32_t signal_fingerprint = 0;
  bool overlap = true;  // outputs may lie over inputs that die in the same call, where the kernel allows it
};

// Graph inputs live from the first call until their last reader, and are then overwritten: write them before every run.
// Errors: unsupported (an op without a device kernel, naming the layer and the remedy), does_not_fit (beyond 2 GiB),
// bad_data.
Result<Plan> make_plan(const Graph& graph, const PlanOptions& options);

// Checks what every user of a plan relies on: tensors that live at once share no byte but as their call allows, state
// shares none ever, operands lie inside their tensor or the constants, calls match their kernels. make_plan runs it.
// Errors: internal.
Outcome verify(const Plan& plan);

// RAM in use while each call runs; the report draws it.
std::vector<int64_t> ram_over_time(const Plan& plan);

// The plan as a bundle (device/runtime/plan_format.h).
std::vector<uint8_t> write_bundle(const Plan& plan);

}  // namespace thimble
