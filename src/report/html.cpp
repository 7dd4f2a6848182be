#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/page.h"

namespace thimble {

namespace {

using page::cell;
using page::section;
using svg::escape;

std::string training_charts(const ReportData& data) {
  svg::Series train_loss{"training", {}}, validation_loss{"validation", {}}, train_accuracy{"training", {}},
      validation_accuracy{"validation", {}};
  for (const EpochLog& epoch : data.log) {
    train_loss.points.emplace_back(epoch.epoch, epoch.train_loss);
    validation_loss.points.emplace_back(epoch.epoch, epoch.validation_loss);
    train_accuracy.points.emplace_back(epoch.epoch, epoch.train_accuracy);
    validation_accuracy.points.emplace_back(epoch.epoch, epoch.validation_accuracy);
  }
  std::string charts = svg::line_chart({"Loss", "epoch", "loss"}, {train_loss, validation_loss});
  if (data.task == Task::classification)
    charts += svg::line_chart({"Accuracy", "epoch", "accuracy", 0, 1}, {train_accuracy, validation_accuracy});
  return section("Training", "<div class='charts'>" + charts + "</div>");
}

std::string class_table(const ReportData& data) {
  std::string rows =
      "<table><tr><th>class</th><th class='number'>samples</th><th class='number'>precision</th><th "
      "class='number'>recall</th>"
      "<th class='number'>F1</th><th class='number'>ROC AUC</th><th class='number'>F1 float</th></tr>";
  for (size_t c = 0; c < data.int8_model->classes.size(); ++c) {
    const ClassMetrics& m = data.int8_model->classes[c];
    rows += "<tr>" + cell(m.name) + cell(fmt::format("{}", m.support), true);
    for (double value : {m.precision, m.recall, m.f1, m.auc, data.float_model ? data.float_model->classes[c].f1 : 0})
      rows += cell(fmt::format("{:.3f}", value), true);
    rows += "</tr>";
  }
  return rows + "</table>";
}

std::string classification_section(const ReportData& data) {
  const ClassificationMetrics& m = *data.int8_model;
  std::vector<svg::Series> roc;
  for (const ClassMetrics& c : m.classes) {
    svg::Series series{fmt::format("{} (AUC {:.3f})", c.name, c.auc), {}};
    for (const RocPoint& point : c.roc) series.points.emplace_back(point.false_positive_rate, point.true_positive_rate);
    if (!series.points.empty()) roc.push_back(std::move(series));
  }
  const std::string charts =
      svg::confusion_chart(data.classes, m.confusion) +
      svg::line_chart({fmt::format("ROC, one class against the rest (macro AUC {:.4f})", m.macro_auc),
                       "false positive rate", "true positive rate", 0, 1},
                      roc);
  std::string body = section("Test set, int8 model", "<div class='charts'>" + charts + "</div>" + class_table(data));
  if (data.mistakes.empty()) return body;
  std::string rows =
      "<table><tr><th>recording</th><th>truth</th><th>predicted</th><th class='number'>confidence</th></tr>";
  for (const MistakeRow& row : data.mistakes)
    rows += "<tr>" + cell(row.path) + cell(row.truth) + cell(row.predicted) +
            cell(fmt::format("{:.3f}", row.confidence), true) + "</tr>";
  return body + section("Worst mistakes", rows + "</table>");
}

std::string regression_section(const ReportData& data) {
  std::string rows =
      "<table><tr><th>model</th><th class='number'>MAE</th><th class='number'>MSE</th><th class='number'>R2</th></tr>";
  const auto row = [&](std::string_view name, const RegressionMetrics& m) {
    rows += "<tr>" + cell(name) + cell(fmt::format("{:.5f}", m.mae), true) + cell(fmt::format("{:.6f}", m.mse), true) +
            cell(fmt::format("{:.4f}", m.r2), true) + "</tr>";
  };
  if (data.float_regression) row("float", *data.float_regression);
  row("int8", *data.int8_regression);
  return section("Test set",
                 "<div class='charts'>" +
                     (data.curves.empty() ? "" : svg::line_chart({"Prediction", "input", "output"}, data.curves)) +
                     "</div>" + rows + "</table>");
}

std::string memory_section(const Plan& plan) {
  std::vector<svg::Span> spans;
  std::vector<std::string> steps;
  for (const ArenaTensor& tensor : plan.tensors)
    spans.push_back({tensor.name, static_cast<double>(tensor.first_call), static_cast<double>(tensor.last_call),
                     static_cast<double>(tensor.offset),
                     static_cast<double>(tensor.offset) + static_cast<double>(tensor.bytes)});
  std::string rows =
      "<table><tr><th>step</th><th>layer</th><th>op</th><th>kernel</th><th class='number'>MACs</th><th "
      "class='number'>constants, bytes</th><th class='number'>RAM in use</th></tr>";
  const std::vector<int64_t> ram = ram_over_time(plan);
  for (size_t i = 0; i < plan.calls.size(); ++i) {
    const PlannedCall& call = plan.calls[i];
    steps.push_back(call.call.layer);
    rows += "<tr>" + cell(fmt::format("{}", i)) + cell(call.call.layer) + cell(call.op) + cell(call.call.kernel) +
            cell(fmt::format("{}", call.macs), true) + cell(fmt::format("{}", call.weight_bytes), true) +
            cell(fmt::format("{}", ram[i]), true) + "</tr>";
  }
  const std::string title =
      fmt::format("RAM over time: arena {} bytes, lower bound {}", plan.arena_bytes, plan.lower_bound_bytes);
  return section("Memory plan", "<div class='wide'>" +
                                    svg::memory_map(title, spans, steps, static_cast<double>(plan.arena_bytes)) +
                                    "</div>" + rows + "</table>");
}

std::string pin_section(const std::vector<PinSpan>& pins) {
  double end = 0;
  int actuators = 0;
  for (const PinSpan& pin : pins) {
    end = std::max(end, pin.end_s);
    actuators = std::max(actuators, pin.actuator + 1);
  }
  const double row = 22, left = 90, width = 960;
  std::set<int> labelled;
  std::string text = fmt::format("<svg viewBox='0 0 {} {}' role='img'>", width, row * actuators + 30);
  for (const PinSpan& pin : pins) {
    const double y = row * pin.actuator + 4, scale = (width - left - 10) / std::max(end, 1e-9);
    if (labelled.insert(pin.actuator).second)
      text += fmt::format("<text x='{}' y='{}' class='tick' text-anchor='end'>{}</text>", left - 6, y + 13,
                          escape(pin.name));
    text += fmt::format(
        "<rect x='{:.1f}' y='{}' width='{:.1f}' height='16' fill='#059669'><title>{}: {:.2f} s to {:.2f} "
        "s</title></rect>",
        left + pin.begin_s * scale, y, std::max(1.0, (pin.end_s - pin.begin_s) * scale), escape(pin.name), pin.begin_s,
        pin.end_s);
  }
  text += fmt::format("<text x='{}' y='{}' class='label' text-anchor='end'>{:.0f} s of sound</text></svg>", width - 10,
                      row * actuators + 24, end);
  return section("What the pins did", text);
}

}  // namespace

std::string write_report_html(const ReportData& data) {
  std::string page = page::head(data.title, data.headline);
  if (!data.log.empty()) page += training_charts(data);
  if (data.int8_model) page += classification_section(data);
  if (data.int8_regression) page += regression_section(data);
  if (!data.pins.empty()) page += pin_section(data.pins);
  if (data.plan) page += memory_section(*data.plan);
  std::string rows = "<table>";
  for (const auto& [label, value] : data.facts) rows += "<tr>" + cell(label) + cell(value) + "</tr>";
  page += section("Facts", rows + "</table>");
  return page + std::string(page::kEnd);
}

}  // namespace thimble
