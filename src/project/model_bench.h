// What a model costs on an emulated board.
#pragma once
#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "emulate/cycles.h"
#include "project/model_tools.h"

namespace thimble {

// What the planner chose for a layer.
struct BenchedCall {
  std::string layer, kernel;
  int64_t macs = 0, constant_bytes = 0;
  int64_t estimated_instructions = 0;  // 0: no estimate
};

struct ModelBench {
  std::string model, board;
  Optimize optimize = Optimize::balanced;
  int64_t macs = 0, instructions = 0;
  FirmwareSizes sizes;            // of a firmware that fills the input, infers and halts
  int64_t arena_bound_bytes = 0;  // no plan of these kernels can need less
  int64_t gap_bytes = 0;          // what this one needs more
  bool arena_is_smallest = false;
  int64_t stack_bytes = 0;  // high-water mark of an inference
  std::vector<BenchedCall> calls;
  std::vector<PlannedBands> bands;      // layers made a few rows at a time, to save RAM
  std::optional<CycleEstimate> cycles;  // none for cores without a model
  Path elf;
};
// Errors: unsupported for the host, which has no instruction counter.
Result<ModelBench> bench_model(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                               Progress& progress);
nlohmann::json to_json(const ModelBench& bench);
std::string to_text(const ModelBench& bench);

}  // namespace thimble
