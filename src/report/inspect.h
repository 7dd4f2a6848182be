// What `thimble inspect` tells about a model: its layers and ports, what they cost, and the RAM that a plan needs over
// time.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "report/compare.h"

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

// Whether a model's arena and constants fit a board's memories; code and stack come on top.
struct BoardFit {
  std::string id, name;
  int64_t ram_bytes = 0, ram_available_bytes = 0;
  int64_t flash_bytes = 0, flash_available_bytes = 0;
  bool fits() const { return ram_bytes <= ram_available_bytes && flash_bytes <= flash_available_bytes; }
};
// "fits: RAM 8,000 of 196,608, flash ..."; by how much not.
std::string verdict(const BoardFit& fit);

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
  std::vector<ArenaTensor> tensors;  // where and when each lies in the arena
  std::vector<BoardFit> boards;
  std::optional<Comparison> comparison;  // with the float32 model, when one and samples are given
};

// plan: of this graph.
Inspection inspect_model(const Graph& graph, const Plan& plan);

nlohmann::json to_json(const Inspection& inspection);

// A table of layers and a bar chart of RAM over time, for a wide terminal.
std::string to_text(const Inspection& inspection);

// A page with the graph as a picture, the layers, RAM over time and what each board would say.
std::string to_html(const Inspection& inspection);

}  // namespace thimble
