#include "report/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace thimble {

namespace {

constexpr size_t kWorst = 20;
constexpr size_t kRocPoints = 100;

// Sweeps the threshold down over one class's scores. Equal scores move together, so that ties count half.
void measure_roc(ClassMetrics& result, std::span<const float> scores, std::span<const int> labels, size_t classes,
                 int wanted) {
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0);
  const auto score_of = [&](size_t i) { return scores[i * classes + static_cast<size_t>(wanted)]; };
  std::ranges::sort(order, [&](size_t a, size_t b) { return score_of(a) > score_of(b); });
  const auto positives = static_cast<double>(std::ranges::count(labels, wanted));
  const double negatives = static_cast<double>(labels.size()) - positives;
  result.auc = 0.5;
  if (positives == 0 || negatives == 0) return;
  std::vector<RocPoint> points = {{0, 0}};
  double true_positives = 0, false_positives = 0, area = 0;
  for (size_t i = 0; i < order.size();) {
    const float threshold = score_of(order[i]);
    const RocPoint before = points.back();
    for (; i < order.size() && score_of(order[i]) == threshold; ++i)
      ++(labels[order[i]] == wanted ? true_positives : false_positives);
    points.push_back({false_positives / negatives, true_positives / positives});
    area += (points.back().false_positive_rate - before.false_positive_rate) *
            (points.back().true_positive_rate + before.true_positive_rate) / 2;
  }
  result.auc = area;
  const size_t step = std::max<size_t>(1, points.size() / kRocPoints);
  for (size_t i = 0; i < points.size(); i += step) result.roc.push_back(points[i]);
  if (result.roc.back().true_positive_rate < 1 || result.roc.back().false_positive_rate < 1)
    result.roc.push_back({1, 1});
}

double ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

}  // namespace

int argmax(std::span<const float> scores) {
  return static_cast<int>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

ClassificationMetrics classification_metrics(std::span<const float> scores, std::span<const int> labels,
                                             const std::vector<std::string>& classes) {
  const size_t count = labels.size(), width = classes.size();
  ClassificationMetrics result;
  result.count = static_cast<int64_t>(count);
  result.confusion.assign(width, std::vector<int64_t>(width, 0));
  for (size_t i = 0; i < count; ++i) {
    const auto row = scores.subspan(i * width, width);
    const int predicted = argmax(row), truth = labels[i];
    const float confidence = row[static_cast<size_t>(predicted)];
    ++result.confusion[static_cast<size_t>(truth)][static_cast<size_t>(predicted)];
    result.loss -= std::log(std::max(row[static_cast<size_t>(truth)], 1e-7f));
    if (predicted != truth) result.worst.push_back({i, truth, predicted, confidence});
  }
  result.loss = ratio(result.loss, static_cast<double>(count));
  result.accuracy = count == 0 ? 0 : 1.0 - static_cast<double>(result.worst.size()) / static_cast<double>(count);
  std::ranges::stable_sort(result.worst, std::greater{}, &Mistake::confidence);
  result.worst.resize(std::min(result.worst.size(), kWorst));

  double present = 0;
  for (size_t c = 0; c < width; ++c) {
    ClassMetrics m;
    m.name = classes[c];
    double predicted = 0;
    for (size_t other = 0; other < width; ++other) {
      m.support += result.confusion[c][other];
      predicted += static_cast<double>(result.confusion[other][c]);
    }
    const auto right = static_cast<double>(result.confusion[c][c]);
    m.precision = ratio(right, predicted);
    m.recall = ratio(right, static_cast<double>(m.support));
    m.f1 = ratio(2 * m.precision * m.recall, m.precision + m.recall);
    measure_roc(m, scores, labels, width, static_cast<int>(c));
    if (m.support > 0) {
      ++present;
      result.macro_precision += m.precision;
      result.macro_recall += m.recall;
      result.macro_f1 += m.f1;
      result.macro_auc += m.auc;
    }
    result.classes.push_back(std::move(m));
  }
  for (double* macro : {&result.macro_precision, &result.macro_recall, &result.macro_f1, &result.macro_auc})
    *macro = ratio(*macro, present);
  return result;
}

RegressionMetrics regression_metrics(std::span<const float> predictions, std::span<const float> targets) {
  RegressionMetrics result;
  result.count = static_cast<int64_t>(targets.size());
  if (targets.empty()) return result;
  double mean = 0;
  for (float target : targets) mean += target;
  mean /= static_cast<double>(targets.size());
  double variance = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const double error = static_cast<double>(predictions[i]) - targets[i];
    result.mae += std::abs(error);
    result.mse += error * error;
    variance += (targets[i] - mean) * (targets[i] - mean);
  }
  result.r2 = variance == 0 ? 0 : 1 - result.mse / variance;
  result.mae /= static_cast<double>(targets.size());
  result.mse /= static_cast<double>(targets.size());
  return result;
}

nlohmann::json to_json(const ClassificationMetrics& m) {
  nlohmann::json classes = nlohmann::json::array();
  for (const ClassMetrics& c : m.classes)
    classes.push_back({{"name", c.name},
                       {"support", c.support},
                       {"precision", c.precision},
                       {"recall", c.recall},
                       {"f1", c.f1},
                       {"roc_auc", c.auc}});
  return {
      {"count", m.count},
      {"accuracy", m.accuracy},
      {"loss", m.loss},
      {"macro",
       {{"precision", m.macro_precision}, {"recall", m.macro_recall}, {"f1", m.macro_f1}, {"roc_auc", m.macro_auc}}},
      {"classes", classes},
      {"confusion", m.confusion}};
}

nlohmann::json to_json(const RegressionMetrics& m) {
  return {{"count", m.count}, {"mae", m.mae}, {"mse", m.mse}, {"r2", m.r2}};
}

}  // namespace thimble
