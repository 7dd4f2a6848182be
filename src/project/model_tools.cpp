#include "project/model_tools.h"

#include <cstdlib>

#include "formats/model_file.h"
#include "graph/passes/prepare_for_device.h"
#include "plan/stream_rows.h"

namespace thimble {

PlanOptions plan_options(const Board& board, const DeployOptions& deploy) {
  return {.isa = board.isa,
          .optimize = deploy.optimize,
          .flash_budget_bytes = deploy.flash_budget_bytes,
          .ram_budget_bytes = deploy.ram_budget_bytes};
}

namespace {

Result<LoadedModel> planned(const ModelFile& model, ImportedModel imported, const PlanOptions& options) {
  auto plan = make_plan(imported.graph, options);
  if (!plan) {
    Error error = std::move(plan).error();
    error.where = error.where.empty() ? model.path.string() : model.path.string() + ": " + error.where;
    return tl::unexpected<Error>(std::move(error));
  }
  plan->model = model.path.stem().string();
  return LoadedModel{std::move(imported.graph), std::move(*plan), std::move(imported.hash)};
}

}  // namespace

Result<LoadedModel> load_model_file(const ModelFile& model) {
  THIMBLE_LET(ImportedModel imported, read_model_file(model));
  return planned(model, std::move(imported), {});
}

Result<LoadedModel> load_for_device(const ModelFile& model, const PlanOptions& options, bool streaming) {
  THIMBLE_LET(ImportedModel imported, read_model_file(model));
  THIMBLE_LET(imported.graph, prepare_for_device(std::move(imported.graph)));
  int64_t steps = 1;
  if (streaming) {
    THIMBLE_LET(StreamedGraph streamed, stream_rows(imported.graph));
    imported.graph = std::move(streamed.graph);
    steps = streamed.window_rows / streamed.new_rows;
  }
  THIMBLE_LET(LoadedModel loaded, planned(model, std::move(imported), options));
  loaded.steps = steps;
  return loaded;
}

double mean_instructions(const RunLog& log) {
  double sum = 0;
  for (const TensorRun& run : log.tensors) sum += static_cast<double>(run.instructions);
  return log.tensors.empty() ? 0 : sum / static_cast<double>(log.tensors.size());
}

Path firmware_cache(const std::string& model_hash, const Board& board, const DeployOptions& deploy, App app) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const Path root = cache && *cache ? Path(cache)
                    : home && *home ? Path(home) / ".cache"
                                    : std::filesystem::temp_directory_path();
  return root / "thimble" /
         fmt::format("{}-{}-{}{}-{}-{}{}-{}", model_hash, board.id, name_of(deploy.optimize), deploy.flash_budget_bytes,
                     deploy.ram_budget_bytes, deploy.form == ModelForm::compiled ? "compiled" : "bundle",
                     deploy.streaming ? "-streaming" : "", name_of(app));
}

Result<ModelRun> run_model(const ModelFile& model, const Board& board, const DeployOptions& deploy, const Path& input,
                           const Path& output, bool sequence, Progress& progress) {
  THIMBLE_LET(const LoadedModel loaded, load_for_device(model, plan_options(board, deploy), deploy.streaming));
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(input));
  THIMBLE_LET(const auto runner, make_runner({.app = App::tensor, .plan = loaded.plan, .form = deploy.form}, board,
                                             firmware_cache(loaded.hash, board, deploy, App::tensor)));
  // A window's rows reach the streaming model in parts; its answer to the window is the one after the last part.
  const bool parts = loaded.steps > 1;
  THIMBLE_LET(const RunLog log, runner->run_tensors(bytes, progress, sequence || parts));
  const size_t every = parts && !sequence ? static_cast<size_t>(loaded.steps) : 1;
  if (log.tensors.size() % every != 0)
    return fail(ErrorCode::usage, fmt::format("{} holds parts of windows, not whole ones", input.string()), "",
                "with --sequence every part of a window gives an output");
  std::vector<uint8_t> outputs;
  for (size_t i = every - 1; i < log.tensors.size(); i += every)
    outputs.insert(outputs.end(), log.tensors[i].outputs.begin(), log.tensors[i].outputs.end());
  THIMBLE_TRY(write_bytes(output, outputs));
  return ModelRun{static_cast<int64_t>(log.tensors.size() / every), static_cast<int64_t>(outputs.size()),
                  mean_instructions(log)};
}

}  // namespace thimble
