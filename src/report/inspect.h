// What `thimble inspect` tells about a model: its layers and ports, what they cost, and the RAM that a plan needs over
// time.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace thimble {

struct InspectedTensor {
  std::string name;
  ValueType type;
  Quantization quantization;
  bool constant = false;
};

struct InspectedLayer {
  std::string name, op;
  Attrs attrs;
  std::vector<InspectedTensor> inputs, outputs;  // absent optional inputs are left out
  int64_t macs = 0;
  int64_t weight_bytes = 0;  // of its constants, as the graph stores them
};

// One kernel call of the plan and the arena bytes alive while it runs.
struct InspectedCall {
  std::string layer, kernel;
  int64_t ram_bytes = 0;
};

struct Inspection {
  std::string model;
  std::vector<InspectedTensor> inputs, outputs;
  std::vector<InspectedLayer> layers;
  int64_t macs = 0, parameters = 0, weight_bytes = 0;
  int64_t constant_bytes = 0;  // what the plan keeps in flash: weights, folded biases, multipliers, tables
  int64_t arena_bytes = 0, lower_bound_bytes = 0;
  int64_t state_bytes = 0;  // of the arena; keep their contents between inferences
  bool arena_is_smallest = false;
  std::vector<InspectedCall> calls;  // RAM over time
};

// plan: of this graph.
Inspection inspect_model(const Graph& graph, const Plan& plan);

nlohmann::json to_json(const Inspection& inspection);

// A table of layers and a bar chart of RAM over time, for a wide terminal.
std::string to_text(const Inspection& inspection);

}  // namespace thimble
