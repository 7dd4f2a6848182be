// How good predictions are: plain arithmetic on scores and truths, for float, int8 and device outputs alike.
#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace thimble {

struct RocPoint {
  double false_positive_rate = 0, true_positive_rate = 0;
};

struct ClassMetrics {
  std::string name;
  int64_t support = 0;  // samples of this class
  double precision = 0, recall = 0, f1 = 0;
  double auc = 0;             // one against the rest; 0.5 when the class has no sample or no rest
  std::vector<RocPoint> roc;  // from (0,0) to (1,1), at most ~100 points
};

// A sample that was wrong, and how sure the model was of it.
struct Mistake {
  size_t index = 0;  // into the evaluated list
  int truth = 0, predicted = 0;
  double confidence = 0;
};

struct ClassificationMetrics {
  int64_t count = 0;
  double accuracy = 0;
  double loss = 0;  // mean cross entropy of the scores
  double macro_precision = 0, macro_recall = 0, macro_f1 = 0, macro_auc = 0;
  std::vector<ClassMetrics> classes;
  std::vector<std::vector<int64_t>> confusion;  // [truth][predicted]
  std::vector<Mistake> worst;                   // most confident first, at most 20
};

struct RegressionMetrics {
  int64_t count = 0;
  double mae = 0, mse = 0, r2 = 0;
};

// scores: [count, classes], probabilities. labels: [count], each in [0, classes). Ties go to the lower class.
// F1, AUC: the usual definitions (Fawcett 2006); a class never predicted has precision 0. Macro means are over classes
// with samples.
ClassificationMetrics classification_metrics(std::span<const float> scores, std::span<const int> labels,
                                             const std::vector<std::string>& classes);

// predictions, targets: [count, outputs].
RegressionMetrics regression_metrics(std::span<const float> predictions, std::span<const float> targets);

// Index of the largest of one sample's scores.
int argmax(std::span<const float> scores);

nlohmann::json to_json(const ClassificationMetrics& metrics);
nlohmann::json to_json(const RegressionMetrics& metrics);

}  // namespace thimble
