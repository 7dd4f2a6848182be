// What can be done with a model file without a project: look at it, run it on a board.
#pragma once
#include "emulate/runner.h"
#include "formats/model_file.h"
#include "report/inspect.h"

namespace thimble {

// What the user wants of a model on a board.
struct DeployOptions {
  Optimize optimize = Optimize::balanced;
  int64_t flash_budget_bytes = 0;  // 0: none given
  int64_t ram_budget_bytes = 0;    // of arena and state; 0: none given
  ModelForm form = ModelForm::compiled;
  bool streaming = false;  // only the new rows of each window (plan/stream_rows.h)
};
PlanOptions plan_options(const Board& board, const DeployOptions& deploy);

struct LoadedModel {
  Graph graph;
  Plan plan;
  std::string hash;  // of the file
  // Inferences that take a sample: with streaming, one for each part of a window's rows.
  int64_t steps = 1;
};

// As it is in the file, planned with the portable kernels. Errors: not_found, bad_data, unsupported (naming op, layer
// and remedy).
Result<LoadedModel> load_model_file(const ModelFile& model);

// As it runs on a device: graph/passes/prepare_for_device, then, if streaming, plan/stream_rows.
Result<LoadedModel> load_for_device(const ModelFile& model, const PlanOptions& options = {}, bool streaming = false);

// Builds firmware in a folder of its own under the user's cache, so that repeated runs compile nothing.
Path firmware_cache(const std::string& model_hash, const Board& board, const DeployOptions& deploy, App app);

// Mean over the samples of a log.
double mean_instructions(const RunLog& log);

// Raw tensor bytes in and out, any number of samples back to back. Writes `output`. Errors: those of the runner; usage
// when the input does not divide into samples.
struct ModelRun {
  int64_t samples = 0, output_bytes = 0;
  double instructions = 0;  // per inference; 0 on the host
};
Result<ModelRun> run_model(const ModelFile& model, const Board& board, const DeployOptions& deploy, const Path& input,
                           const Path& output, bool sequence, Progress& progress);

}  // namespace thimble
