// What can be done with a model file without a project: look at it, run it on a board, measure it there.
#pragma once
#include <nlohmann/json.hpp>

#include "emulate/runner.h"
#include "report/inspect.h"

namespace thimble {

// What the user wants of a model on a board.
struct DeployOptions {
  Optimize optimize = Optimize::balanced;
  int64_t flash_budget_bytes = 0;  // 0: none given
};
PlanOptions plan_options(const Board& board, const DeployOptions& deploy);

struct LoadedModel {
  Graph graph;
  Plan plan;
};

// Errors: not_found, bad_data, unsupported (naming op, layer and remedy).
Result<LoadedModel> load_model_file(const Path& path, const PlanOptions& options = {});

// Builds firmware in a folder of its own under the user's cache, so that repeated runs compile nothing.
Path firmware_cache(const std::string& model_hash, const Board& board, const DeployOptions& deploy, App app);

// Raw tensor bytes in and out, any number of samples back to back. Writes `output`. Errors: those of the runner; usage
// when the input does not divide into samples.
struct ModelRun {
  int64_t samples = 0, output_bytes = 0;
  double instructions = 0;  // per inference; 0 on the host
};
Result<ModelRun> run_model(const Path& model, const Board& board, const DeployOptions& deploy, const Path& input,
                           const Path& output, bool sequence, Progress& progress);

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
  FirmwareSizes sizes;      // of a firmware that fills the input, infers and halts
  int64_t stack_bytes = 0;  // high-water mark of an inference
  std::vector<BenchedCall> calls;
  Path elf;
};
// Errors: unsupported for the host, which has no instruction counter.
Result<ModelBench> bench_model(const Path& model, const Board& board, const DeployOptions& deploy, Progress& progress);
nlohmann::json to_json(const ModelBench& bench);

}  // namespace thimble
