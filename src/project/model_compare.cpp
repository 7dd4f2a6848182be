#include "project/model_compare.h"

#include <algorithm>

#include "data/npy.h"
#include "formats/model_file.h"
#include "graph/op_spec.h"
#include "project/workspace.h"
#include "quantize/float_twin.h"

namespace thimble {

namespace {

constexpr int64_t kRandomSamples = 8;

Result<Samples> samples_or_random(const Graph& graph, const std::vector<Path>& data, Progress& progress) {
  if (data.empty()) return random_samples(graph, kRandomSamples, 1);
  return read_samples(graph, data, progress);
}

// The real features of a project's training split.
Result<Tensor> project_features(const Path& folder, Progress& progress) {
  THIMBLE_LET(Project project, load_project(folder.string()));
  Workspace workspace(std::move(project), progress);
  THIMBLE_LET(const Features* features, workspace.features());
  std::vector<float> reals;
  int64_t count = 0;
  for (size_t i = 0; i < features->splits.size(); ++i) {
    if (features->splits[i] != Split::train) continue;
    ++count;
    for (int16_t feature : features->sample(i))
      reals.push_back(static_cast<float>(features->signal.feature_scale) * static_cast<float>(feature));
  }
  return Tensor::from<float>({count, features->feature_count()}, reals);
}

Result<std::vector<BoardFit>> fits(const Plan& plan) {
  std::vector<BoardFit> list;
  THIMBLE_LET(const std::vector<Board> boards, all_boards());
  for (const Board& board : boards)
    if (!board.is_host())
      list.push_back({board.id, board.name, plan.arena_bytes, board.ram.length_bytes,
                      static_cast<int64_t>(plan.constants.size()), board.flash.length_bytes});
  return list;
}

// The graph with everything its layers give among its outputs.
Graph with_all_outputs(Graph graph) {
  graph.outputs.clear();
  for (const Node& node : graph.nodes)
    for (ValueId id : node.outputs) graph.outputs.push_back(id);
  return graph;
}

std::vector<uint8_t> bytes_of(const Graph& graph, const Samples& samples, Interpreter& interpreter, int64_t index) {
  std::vector<uint8_t> bytes;
  if (!set_inputs(interpreter, samples, index)) return bytes;
  for (ValueId id : graph.inputs) {
    const auto value = interpreter.value(id);
    const auto* from = reinterpret_cast<const uint8_t*>(value.data());
    bytes.insert(bytes.end(), from, from + value.size());
  }
  return bytes;
}

}  // namespace

Result<Samples> read_samples(const Graph& graph, const std::vector<Path>& files, Progress& progress) {
  std::vector<Tensor> arrays;
  for (const Path& file : files) {
    if (std::filesystem::is_directory(file)) {
      THIMBLE_LET(Tensor features, project_features(file, progress));
      arrays.push_back(std::move(features));
      continue;
    }
    THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(file));
    if (file.extension() != ".npy") {
      if (files.size() > 1)
        return fail(ErrorCode::usage, "several files of samples must be .npy files, one per input", file.string());
      return samples_from_bytes(graph, bytes);
    }
    auto array = read_npy(bytes);
    if (!array) {
      array.error().where = file.string();
      return tl::unexpected<Error>(std::move(array).error());
    }
    arrays.push_back(std::move(*array));
  }
  return make_samples(graph, std::move(arrays));
}

Result<Inspection> inspect_file(const ModelFile& model, const std::vector<Path>& data, Progress& progress) {
  THIMBLE_LET(const LoadedModel loaded, load_model_file(model));
  Inspection inspection = inspect_model(loaded.graph, loaded.plan);
  THIMBLE_LET(inspection.boards, fits(loaded.plan));
  if (data.empty()) return inspection;
  THIMBLE_LET(const Samples samples, read_samples(loaded.graph, data, progress));
  if (is_quantized(loaded.graph)) {
    THIMBLE_LET(const Graph twin, float_twin(loaded.graph));
    THIMBLE_LET(inspection.comparison, compare_graphs(twin, loaded.graph, samples));
  } else {
    THIMBLE_LET(const QuantizedGraph quantized, quantize_graph(loaded.graph, samples, {}, progress));
    THIMBLE_LET(inspection.comparison, compare_graphs(quantized.float_graph, quantized.graph, samples));
  }
  return inspection;
}

Result<Comparison> diff_models(const ModelFile& a, const ModelFile& b, const std::vector<Path>& data,
                               const CompareOptions& options, Progress& progress) {
  THIMBLE_LET(const ImportedModel first, read_model_file(a));
  THIMBLE_LET(const ImportedModel second, read_model_file(b));
  THIMBLE_LET(const Samples samples, samples_or_random(first.graph, data, progress));
  return compare_graphs(first.graph, second.graph, samples, options);
}

Result<Comparison> diff_on_board(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                                 const std::vector<Path>& data, Progress& progress) {
  THIMBLE_LET(const ImportedModel imported, read_model_file(model));
  const Graph graph = with_all_outputs(imported.graph);
  THIMBLE_LET(const Samples samples, samples_or_random(graph, data, progress));
  THIMBLE_LET(Plan plan, make_plan(graph, plan_options(board, deploy)));
  plan.model = model.path.stem().string();
  THIMBLE_LET(Interpreter host, Interpreter::make(graph));
  std::vector<uint8_t> inputs;
  for (int64_t s = 0; s < samples.count; ++s) {
    const std::vector<uint8_t> sample = bytes_of(graph, samples, host, s);
    inputs.insert(inputs.end(), sample.begin(), sample.end());
  }
  THIMBLE_LET(const auto runner, make_runner({.app = App::tensor, .plan = plan, .form = deploy.form}, board,
                                             firmware_cache("diff-" + imported.hash, board, deploy, App::tensor)));
  THIMBLE_LET(const RunLog log, runner->run_tensors(inputs, progress));
  std::vector<LayerJudge> judges;
  for (ValueId id : graph.outputs) judges.emplace_back(graph[id], graph[id]);
  for (size_t s = 0; s < log.tensors.size(); ++s) {
    THIMBLE_TRY(set_inputs(host, samples, static_cast<int64_t>(s)));
    THIMBLE_TRY(host.run());
    std::span<const std::byte> device = std::as_bytes(std::span(log.tensors[s].outputs));
    for (size_t i = 0; i < judges.size(); ++i) {
      const auto own = std::as_const(host).value(graph.outputs[i]);
      judges[i].add(own, device.first(std::min(own.size(), device.size())));
      device = device.subspan(std::min(own.size(), device.size()));
    }
  }
  Comparison comparison{.samples = samples.count};
  size_t at = 0;
  for (const Node& node : graph.nodes)
    for (ValueId id : node.outputs) {
      LayerComparison layer{.layer = node.name,
                            .op = std::string(node.op->name),
                            .other_layer = node.name,
                            .value = graph[id].name,
                            .type = graph[id].type,
                            .other_type = graph[id].type};
      judges[at++].finish({.tolerance = 0}, layer);
      if (layer.parts && !comparison.first) comparison.first = comparison.layers.size();
      comparison.layers.push_back(std::move(layer));
    }
  return comparison;
}

}  // namespace thimble
