#include "project/model_tools.h"

#include <cstdlib>

#include "core/rng.h"
#include "formats/model_file.h"

namespace thimble {

namespace {

struct ReadModel {
  LoadedModel model;
  std::string hash;
};

Result<ReadModel> read_model(const Path& path, const PlanOptions& options) {
  THIMBLE_LET(ImportedModel imported, read_model_file(path));
  auto plan = make_plan(imported.graph, options);
  if (!plan) {
    Error error = std::move(plan).error();
    error.where = error.where.empty() ? path.string() : path.string() + ": " + error.where;
    return tl::unexpected<Error>(std::move(error));
  }
  plan->model = path.stem().string();
  return ReadModel{{std::move(imported.graph), std::move(*plan)}, std::move(imported.hash)};
}

FirmwareSpec spec_of(const Plan& plan, App app) { return {.app = app, .plan = plan}; }

double mean_instructions(const RunLog& log) {
  double sum = 0;
  for (const TensorRun& run : log.tensors) sum += static_cast<double>(run.instructions);
  return log.tensors.empty() ? 0 : sum / static_cast<double>(log.tensors.size());
}

}  // namespace

PlanOptions plan_options(const Board& board, const DeployOptions& deploy) {
  return {.isa = board.isa, .optimize = deploy.optimize, .flash_budget_bytes = deploy.flash_budget_bytes};
}

Result<LoadedModel> load_model_file(const Path& path, const PlanOptions& options) {
  THIMBLE_LET(ReadModel read, read_model(path, options));
  return std::move(read.model);
}

Path firmware_cache(const std::string& model_hash, const Board& board, const DeployOptions& deploy, App app) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const Path root = cache && *cache ? Path(cache)
                    : home && *home ? Path(home) / ".cache"
                                    : std::filesystem::temp_directory_path();
  return root / "thimble" /
         fmt::format("{}-{}-{}{}-{}", model_hash, board.id, name_of(deploy.optimize), deploy.flash_budget_bytes,
                     name_of(app));
}

Result<ModelRun> run_model(const Path& model, const Board& board, const DeployOptions& deploy, const Path& input,
                           const Path& output, bool sequence, Progress& progress) {
  THIMBLE_LET(const ReadModel read, read_model(model, plan_options(board, deploy)));
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(input));
  THIMBLE_LET(const auto runner, make_runner(spec_of(read.model.plan, App::tensor), board,
                                             firmware_cache(read.hash, board, deploy, App::tensor)));
  THIMBLE_LET(const RunLog log, runner->run_tensors(bytes, progress, sequence));
  std::vector<uint8_t> outputs;
  for (const TensorRun& run : log.tensors) outputs.insert(outputs.end(), run.outputs.begin(), run.outputs.end());
  THIMBLE_TRY(write_bytes(output, outputs));
  return ModelRun{static_cast<int64_t>(log.tensors.size()), static_cast<int64_t>(outputs.size()),
                  mean_instructions(log)};
}

Result<ModelBench> bench_model(const Path& model, const Board& board, const DeployOptions& deploy, Progress& progress) {
  if (board.is_host())
    return fail(ErrorCode::unsupported, "the host has no instruction counter", board.id,
                "name an emulated board: thimble boards");
  THIMBLE_LET(const ReadModel read, read_model(model, plan_options(board, deploy)));
  const Plan& plan = read.model.plan;
  THIMBLE_LET(const FirmwareImage image,
              build_firmware(spec_of(plan, App::bench), board, firmware_cache(read.hash, board, deploy, App::bench)));
  THIMBLE_LET(const auto runner,
              make_runner(spec_of(plan, App::tensor), board, firmware_cache(read.hash, board, deploy, App::tensor)));
  std::vector<uint8_t> input;
  Rng rng{1};
  for (const PlanPort& port : plan.inputs)
    for (int64_t i = 0; i < port.bytes; ++i)
      // Small positive floats or any int8: every value is a number.
      input.push_back(port.type.dtype == DType::f32 ? (i % 4 == 3 ? 0x3f : 0) : static_cast<uint8_t>(rng.next()));
  THIMBLE_LET(const RunLog log, runner->run_tensors(input, progress));
  std::vector<BenchedCall> calls;
  for (const PlannedCall& planned : plan.calls)
    calls.push_back(
        {planned.call.layer, planned.call.kernel, planned.macs, planned.weight_bytes, planned.call.instructions});
  return ModelBench{.model = model.string(),
                    .board = board.id,
                    .optimize = deploy.optimize,
                    .macs = plan.macs,
                    .instructions = static_cast<int64_t>(mean_instructions(log)),
                    .sizes = image.sizes,
                    .stack_bytes = log.stack_used_bytes,
                    .calls = std::move(calls),
                    .elf = image.elf};
}

nlohmann::json to_json(const ModelBench& b) {
  const FirmwareSizes& s = b.sizes;
  auto layers = nlohmann::json::array();
  for (const BenchedCall& call : b.calls)
    layers.push_back({{"layer", call.layer},
                      {"kernel", call.kernel},
                      {"macs", call.macs},
                      {"constant_bytes", call.constant_bytes},
                      {"estimated_instructions", call.estimated_instructions}});
  return {{"model", b.model},
          {"board", b.board},
          {"optimize", name_of(b.optimize)},
          {"layers", std::move(layers)},
          {"macs", b.macs},
          {"instructions", b.instructions},
          {"ram_bytes",
           {{"arena", s.arena},
            {"state", s.state},
            {"stack", b.stack_bytes},
            {"total", s.arena + s.state + b.stack_bytes}}},
          {"flash_bytes", {{"code", s.code}, {"weights", s.weights}, {"tables", s.tables}, {"total", s.flash}}},
          {"elf", b.elf.string()}};
}

}  // namespace thimble
