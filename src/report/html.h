// The report: one self-contained HTML page (no scripts, no network) of everything a project's run found.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "report/metrics.h"
#include "report/svg.h"
#include "train/train.h"

namespace thimble {

struct MistakeRow {
  std::string path, truth, predicted;
  double confidence = 0;
};

struct PinSpan {
  int actuator = 0;
  std::string name;
  double begin_s = 0, end_s = 0;
};

struct ReportData {
  std::string title;
  std::vector<std::pair<std::string, std::string>> headline;  // big numbers at the top: label, value
  std::vector<std::pair<std::string, std::string>> facts;     // a table of the rest
  std::vector<EpochLog> log;
  Task task = Task::classification;
  std::vector<std::string> classes;
  // Classification: metrics of the float and of the int8 model on the test split; regression likewise.
  std::optional<ClassificationMetrics> float_model, int8_model;
  std::optional<RegressionMetrics> float_regression, int8_regression;
  std::vector<MistakeRow> mistakes;
  std::vector<svg::Series> curves;  // regression: truth and predictions over the first input
  std::optional<Plan> plan;
  std::vector<PinSpan> pins;  // when each actuator was on, in stream time
};

std::string write_report_html(const ReportData& data);

}  // namespace thimble
