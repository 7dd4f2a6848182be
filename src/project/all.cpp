#include <algorithm>
#include <chrono>
#include <cmath>

#include "project/steps.h"
#include "report/html.h"

namespace thimble {

namespace {

std::string percent(double part) { return fmt::format("{:.1f} %", part * 100); }

// When each actuator was on, in the time of the recordings played one after the other.
std::vector<PinSpan> pin_spans(const BoardRun& run, const std::vector<std::string>& names, double window_s) {
  std::vector<PinSpan> spans;
  std::vector<double> since(names.size(), -1);
  double start = 0;
  for (const RecordingRun& recording : run.log.recordings) {
    for (const InferenceRun& inference : recording.inferences) {
      const double now = start + static_cast<double>(inference.time_ms) / 1000;
      for (size_t a = 0; a < names.size(); ++a) {
        const bool on = (inference.actuators >> a & 1) != 0;
        if (on && since[a] < 0) since[a] = now;
        if (!on && since[a] >= 0) spans.push_back({static_cast<int>(a), names[a], std::exchange(since[a], -1), now});
      }
    }
    start += window_s;
    // Every recording starts from silence, with all actuators off.
    for (size_t a = 0; a < names.size(); ++a)
      if (since[a] >= 0) spans.push_back({static_cast<int>(a), names[a], std::exchange(since[a], -1), start});
  }
  return spans;
}

std::vector<svg::Series> regression_curves(const Features& features, const std::vector<size_t>& rows,
                                           const Evaluation& float_model, const Evaluation& int8_model) {
  std::vector<svg::Series> curves = {{"truth", {}}, {"float", {}}, {"int8", {}}};
  const std::vector<float> targets = targets_of(features, rows);
  const auto width = static_cast<size_t>(features.target_count);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double x = features.signal.feature_scale * features.sample(rows[i])[0];
    curves[0].points.emplace_back(x, targets[i * width]);
    curves[1].points.emplace_back(x, float_model.outputs[i * width]);
    curves[2].points.emplace_back(x, int8_model.outputs[i * width]);
  }
  for (svg::Series& curve : curves) std::ranges::sort(curve.points);
  return curves;
}

void add_headline(ReportData& report, const AllResult& result) {
  const BoardRun& run = result.run;
  if (report.task == Task::classification) {
    report.headline = {{"accuracy, float, test split", percent(quality(result.conversion.float_test))},
                       {"accuracy, int8, test split", percent(quality(result.conversion.int8_test))},
                       {fmt::format("accuracy on {}, {} recordings", run.board.id, run.rows.size()),
                        percent(quality(run.int8_device))}};
  } else {
    report.headline = {{"MAE, float", fmt::format("{:.4f}", result.conversion.float_test.regression->mae)},
                       {"MAE, int8", fmt::format("{:.4f}", result.conversion.int8_test.regression->mae)},
                       {"MAE on " + run.board.id, fmt::format("{:.4f}", run.int8_device.regression->mae)}};
  }
  report.headline.emplace_back("bytes that differ from the host",
                               fmt::format("{} of {}", run.differing_bytes, run.compared_bytes));
  report.headline.emplace_back("instructions, features of one window",
                               fmt::format("{:.2f} M", run.dsp_instructions / 1e6));
  report.headline.emplace_back("instructions, one inference", fmt::format("{:.2f} M", run.model_instructions / 1e6));
  if (!run.image) return;
  report.headline.emplace_back("flash", fmt::format("{:.1f} KiB", static_cast<double>(run.image->sizes.flash) / 1024));
  report.headline.emplace_back("RAM", fmt::format("{:.1f} KiB", static_cast<double>(run.image->sizes.ram) / 1024));
}

void add_facts(ReportData& report, const AllResult& result, const Features& features, const QuantizedModel& model) {
  const BoardRun& run = result.run;
  report.facts = {
      {"board", run.board.name},
      {"signal", fmt::format("{}, {} frames of {} features, every {} of {} samples", features.signal.config.block,
                             features.signal.frames, features.signal.features, features.signal.hop_samples,
                             features.signal.frame_samples)},
      {"signal fingerprint", fmt::format("{:08x}", features.signal.fingerprint)},
      {"model", fmt::format("{} parameters, {} MACs, hash {}", count_parameters(model.float_graph),
                            count_macs(model.graph), model.hash)},
      {"model.tflite", fmt::format("{} bytes", result.conversion.tflite_bytes)},
      {"bundle", fmt::format("{} bytes", result.conversion.bundle_bytes)},
      {"recordings on the board", fmt::format("{} of the {} in the test split", run.rows.size(), run.test_rows)},
      {"stack high-water mark", fmt::format("{} bytes", run.log.stack_used_bytes)},
      {"features clamped to int8", fmt::format("{}", run.log.clamped_features)}};
  if (run.image) {
    const FirmwareSizes& sizes = run.image->sizes;
    report.facts.emplace_back("flash", fmt::format("{} bytes: code {}, weights {}, tables {}", sizes.flash, sizes.code,
                                                   sizes.weights, sizes.tables));
    report.facts.emplace_back("RAM", fmt::format("{} bytes: arena {}, state {}, stack reserve {}", sizes.ram,
                                                 sizes.arena, sizes.state, sizes.stack));
  }
  if (report.task == Task::classification)
    report.facts.emplace_back("decisions", fmt::format("{} of {} recordings ended with the right pins",
                                                       run.decisions_right, run.rows.size()));
}

Result<Path> write_report(Workspace& workspace, const AllResult& result) {
  const Project& project = workspace.project();
  THIMBLE_LET(const Dataset* dataset, workspace.dataset());
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(const TrainedModel* trained, workspace.trained());
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Plan* plan, workspace.plan());
  const std::vector<size_t> test = rows_of(*features, Split::test);
  ReportData report{.title = project.name + ": from recordings to " + result.run.board.name,
                    .log = trained->log,
                    .task = trained->task,
                    .classes = trained->classes,
                    .plan = *plan};
  report.float_model = result.conversion.float_test.classification;
  report.int8_model = result.conversion.int8_test.classification;
  report.float_regression = result.conversion.float_test.regression;
  report.int8_regression = result.conversion.int8_test.regression;
  if (report.int8_model) {
    for (const Mistake& mistake : report.int8_model->worst)
      report.mistakes.push_back({dataset->samples[features->sample_of[test[mistake.index]]].path,
                                 trained->classes[static_cast<size_t>(mistake.truth)],
                                 trained->classes[static_cast<size_t>(mistake.predicted)], mistake.confidence});
    THIMBLE_LET(const FirmwareSpec spec, firmware_spec(workspace));
    std::vector<std::string> names;
    for (size_t c = 0; c < spec.stream->actuators.size(); ++c)
      if (spec.stream->actuators[c] >= 0) {
        names.resize(std::max(names.size(), static_cast<size_t>(spec.stream->actuators[c]) + 1));
        names[static_cast<size_t>(spec.stream->actuators[c])] = trained->classes[c];
      }
    report.pins =
        pin_spans(result.run, names,
                  static_cast<double>(features->signal.window_samples()) / features->signal.config.sample_rate_hz);
  } else {
    report.curves = regression_curves(*features, test, result.conversion.float_test, result.conversion.int8_test);
  }
  add_headline(report, result);
  add_facts(report, result, *features, *model);
  const Path path = project.out("report.html");
  THIMBLE_TRY(write_text(path, write_report_html(report)));
  nlohmann::json json = to_json(result);
  json["float_test"] = to_json(result.conversion.float_test);
  json["int8_test"] = to_json(result.conversion.int8_test);
  json["run"] = to_json(result.run);
  THIMBLE_TRY(write_text(project.out("report.json"), json.dump(2) + "\n"));
  return path;
}

}  // namespace

Result<AllResult> run_all(Workspace& workspace, const Board& board, bool full) {
  const auto start = std::chrono::steady_clock::now();
  AllResult result;
  THIMBLE_TRY(workspace.train(false));
  THIMBLE_LET(result.conversion, convert(workspace));
  THIMBLE_TRY(compile_library(workspace));
  THIMBLE_LET(result.run, run_on_board(workspace, board, full));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  THIMBLE_LET(result.report, write_report(workspace, result));
  if (result.run.differing_bytes > 0)
    return fail(ErrorCode::internal,
                fmt::format("{} of {} bytes differ between host and {}", result.run.differing_bytes,
                            result.run.compared_bytes, board.id),
                result.report.string(), "this is a bug in thimble");
  return result;
}

nlohmann::json to_json(const AllResult& result) {
  const BoardRun& run = result.run;
  const auto measure = [](const Evaluation& evaluation) -> nlohmann::json {
    if (evaluation.classification) return evaluation.classification->accuracy;
    return {{"mae", evaluation.regression->mae}, {"mse", evaluation.regression->mse}};
  };
  const char* name = run.int8_device.classification ? "accuracy" : "error";
  nlohmann::json json = {
      {name,
       {{"float", measure(run.float_host)},
        {"int8_host", measure(run.int8_host)},
        {"int8_device", measure(run.int8_device)}}},
      {std::string(name) + "_full",
       {{"float", measure(result.conversion.float_test)}, {"int8_host", measure(result.conversion.int8_test)}}},
      {"clips_on_device", run.rows.size()},
      {"differing_bytes", run.differing_bytes},
      {"instructions", {{"dsp", std::llround(run.dsp_instructions)}, {"model", std::llround(run.model_instructions)}}},
      {"flash_bytes", run.image ? run.image->sizes.flash : 0},
      {"ram_bytes", run.image ? run.image->sizes.ram : 0},
      {"stack_bytes", run.log.stack_used_bytes},
      {"seconds", result.seconds},
      {"board", run.board.id}};
  if (run.int8_device.classification) json["decisions_right"] = run.decisions_right;
  return json;
}

}  // namespace thimble
