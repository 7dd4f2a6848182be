#include <algorithm>

#include "core/rng.h"
#include "project/steps.h"
#include "report/predict_int8.h"

namespace thimble {

Evaluation evaluate_outputs(const Features& features, std::span<const size_t> indices, std::vector<float> outputs) {
  Evaluation evaluation;
  if (features.task == Task::classification) {
    std::vector<int> labels;
    for (size_t index : indices) labels.push_back(features.labels[index]);
    evaluation.classification = classification_metrics(outputs, labels, features.classes);
  } else {
    evaluation.regression = regression_metrics(outputs, targets_of(features, indices));
  }
  evaluation.outputs = std::move(outputs);
  return evaluation;
}

nlohmann::json to_json(const Evaluation& evaluation) {
  return evaluation.classification ? to_json(*evaluation.classification) : to_json(*evaluation.regression);
}

double quality(const Evaluation& evaluation) {
  return evaluation.classification ? evaluation.classification->accuracy : evaluation.regression->r2;
}

std::vector<float> targets_of(const Features& features, std::span<const size_t> indices) {
  std::vector<float> targets;
  const auto width = static_cast<size_t>(features.target_count);
  for (size_t index : indices)
    targets.insert(targets.end(), features.targets.begin() + static_cast<ptrdiff_t>(index * width),
                   features.targets.begin() + static_cast<ptrdiff_t>((index + 1) * width));
  return targets;
}

Result<Evaluation> evaluate_float(Workspace& workspace, std::span<const size_t> indices) {
  THIMBLE_LET(const TrainedModel* model, workspace.trained());
  THIMBLE_LET(const Features* features, workspace.features());
  return evaluate_outputs(*features, indices, predict(model->graph, *features, indices));
}

Result<Evaluation> evaluate_int8(Workspace& workspace, std::span<const size_t> indices) {
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(std::vector<float> outputs, predict_int8(*model, *features, indices));
  return evaluate_outputs(*features, indices, std::move(outputs));
}

std::vector<size_t> rows_of(const Features& features, Split split) {
  std::vector<size_t> rows;
  for (size_t i = 0; i < features.splits.size(); ++i)
    if (features.splits[i] == split) rows.push_back(i);
  return rows;
}

std::vector<size_t> choose_stratified(const Features& features, std::vector<size_t> rows, int count, uint64_t seed) {
  const auto wanted = static_cast<size_t>(count);
  if (count <= 0 || wanted >= rows.size()) return rows;
  Rng rng{seed, 0xC11B5};
  rng.shuffle(rows);
  // The k-th sample of every class comes before the k+1-th of any.
  std::vector<std::pair<size_t, size_t>> ranked;  // (rank in its class, row)
  std::vector<size_t> seen(features.classes.size() + 1, 0);
  for (size_t row : rows)
    ranked.emplace_back(seen[features.task == Task::classification ? static_cast<size_t>(features.labels[row]) : 0]++,
                        row);
  std::ranges::stable_sort(ranked, {}, &std::pair<size_t, size_t>::first);
  rows.clear();
  for (size_t i = 0; i < wanted; ++i) rows.push_back(ranked[i].second);
  std::ranges::sort(rows);
  return rows;
}

}  // namespace thimble
