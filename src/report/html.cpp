#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace thimble {

namespace {

using svg::escape;

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif;--line:#8884}
body{max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}
.headline{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1.2rem 0}
.headline div{border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
.headline b{display:block;font-size:1.35rem}.headline span{opacity:.7;font-size:.85rem}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(380px,1fr));gap:1rem}
svg{width:100%;height:auto}.wide{max-width:640px}.title{font-weight:600;font-size:13px}.tick{font-size:11px}.label{font-size:12px;opacity:.8}
text{fill:currentColor}.grid{stroke:var(--line);stroke-width:1}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
)css";

std::string cell(std::string_view text, bool number = false) {
  return fmt::format("<td{}>{}</td>", number ? " class='number'" : "", escape(text));
}

std::string section(std::string_view title, std::string_view body) {
  return fmt::format("<section><h2>{}</h2>{}</section>\n", escape(title), body);
}

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
  std::string page = fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
      "<title>{}</title><style>{}</style></head><body>\n<h1>{}</h1>\n",
      escape(data.title), kStyle, escape(data.title));
  page += "<div class='headline'>";
  for (const auto& [label, value] : data.headline)
    page += fmt::format("<div><b>{}</b><span>{}</span></div>", escape(value), escape(label));
  page += "</div>\n";
  if (!data.log.empty()) page += training_charts(data);
  if (data.int8_model) page += classification_section(data);
  if (data.int8_regression) page += regression_section(data);
  if (!data.pins.empty()) page += pin_section(data.pins);
  if (data.plan) page += memory_section(*data.plan);
  std::string rows = "<table>";
  for (const auto& [label, value] : data.facts) rows += "<tr>" + cell(label) + cell(value) + "</tr>";
  page += section("Facts", rows + "</table>");
  return page + "</body></html>\n";
}

}  // namespace thimble
