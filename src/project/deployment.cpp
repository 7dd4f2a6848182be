#include <algorithm>
#include <cmath>
#include <utility>

#include "data/dataset.h"
#include "project/steps.h"

namespace thimble {

namespace {

StreamSettings stream_settings(const Project& project, const Features& features) {
  const DeployConfig& deploy = project.deploy;
  StreamSettings settings{.stride_ms = deploy.stride_ms, .pwm_low = deploy.pwm_low, .pwm_high = deploy.pwm_high};
  if (features.task != Task::classification) return settings;
  settings.decision = deploy.decision;
  for (const std::string& name : features.classes)
    if (std::ranges::find(deploy.quiet, name) == deploy.quiet.end()) settings.decision->actuators.push_back(name);
  // As many inferences before a recording's end as are averaged; what the first windows lack is silence.
  if (deploy.stride_ms > 0) {
    const double window_ms = 1000.0 * features.signal.window_samples() / features.signal.config.sample_rate_hz;
    settings.warmup_ms = std::max(0.0, window_ms - (deploy.decision.smooth - 1) * deploy.stride_ms);
  }
  return settings;
}

// Real outputs of the last inference of every recording: the one whose window is the whole recording.
Result<std::vector<float>> last_outputs(const RunLog& log, const PlanPort& port) {
  std::vector<float> outputs;
  for (const RecordingRun& recording : log.recordings) {
    if (recording.inferences.empty()) return fail(ErrorCode::tool_failed, "a recording ended without an inference");
    const std::vector<uint8_t>& bytes = recording.inferences.back().outputs;
    const std::vector<float> real =
        dequantize({reinterpret_cast<const int8_t*>(bytes.data()), bytes.size()}, port.quantization);
    outputs.insert(outputs.end(), real.begin(), real.end());
  }
  return outputs;
}

int64_t compared_bytes(const RunLog& log) {
  int64_t bytes = 0;
  for (const RecordingRun& recording : log.recordings) {
    bytes += static_cast<int64_t>(recording.features.size() * sizeof(int16_t));
    for (const InferenceRun& inference : recording.inferences) bytes += static_cast<int64_t>(inference.outputs.size());
  }
  return bytes;
}

int64_t count_right_decisions(const BoardRun& run, const Features& features, const StreamSpec& stream) {
  int64_t right = 0;
  for (size_t i = 0; i < run.rows.size(); ++i) {
    const int actuator = stream.actuators[static_cast<size_t>(features.labels[run.rows[i]])];
    const uint32_t wanted = actuator < 0 ? 0 : uint32_t{1} << actuator;
    right += run.log.recordings[i].inferences.back().actuators == wanted;
  }
  return right;
}

// The actuators that decisions switch on, in order; every recording begins with all off.
std::vector<uint32_t> decided_pins(const RunLog& log) {
  std::vector<uint32_t> pins;
  for (const RecordingRun& recording : log.recordings) {
    uint32_t last = 0;
    for (const InferenceRun& inference : recording.inferences)
      if (std::exchange(last, inference.actuators) != inference.actuators && inference.actuators != 0)
        pins.push_back(inference.actuators);
  }
  return pins;
}

// The same from the emulator's log of the hardware.
std::vector<uint32_t> seen_pins(const RunLog& log) {
  std::vector<uint32_t> pins;
  for (const PinEvent& event : log.pins)
    if (event.actuators != 0) pins.push_back(event.actuators);
  return pins;
}

void count_instructions(BoardRun& run, const Signal& signal) {
  double dsp = 0, model = 0, frames = 0;
  for (const RecordingRun& recording : run.log.recordings) {
    frames += static_cast<double>(recording.features.size()) / signal.features;
    for (const InferenceRun& inference : recording.inferences) {
      dsp += static_cast<double>(inference.dsp_instructions);
      model += static_cast<double>(inference.model_instructions);
      ++run.inferences;
    }
  }
  if (frames > 0) run.dsp_instructions = dsp / frames * signal.frames;
  if (run.inferences > 0) run.model_instructions = model / static_cast<double>(run.inferences);
}

// Moments of silence to play before a recording so that, however long it is, an inference falls on its last whole
// frame, as the features that evaluation looks at do. Whole hops, which leave the frames where they are.
int64_t silence_before(int64_t moments, const device::PipelineConfig& pipeline) {
  const int64_t hop = pipeline.hop_samples;
  int64_t unheard = (moments - pipeline.frame_samples) % hop;
  if (unheard < 0) unheard += hop;
  for (int64_t silence = 0;; silence += hop) {
    const int64_t since_first = moments + silence - unheard - pipeline.warmup_samples;
    if (since_first >= 0 && since_first % pipeline.stride_samples < hop) return silence;
  }
}

Result<std::vector<std::vector<int16_t>>> load_recordings(const Dataset& dataset, const Features& features,
                                                          std::span<const size_t> rows,
                                                          const device::PipelineConfig& pipeline) {
  std::vector<std::vector<int16_t>> recordings;
  for (size_t row : rows) {
    THIMBLE_LET(const Recording recording, load_recording(dataset, dataset.samples[features.sample_of[row]]));
    const auto moments = static_cast<int64_t>(recording.samples.size()) / pipeline.channels;
    std::vector<int16_t> samples(static_cast<size_t>(silence_before(moments, pipeline) * pipeline.channels));
    samples.insert(samples.end(), recording.samples.begin(), recording.samples.end());
    recordings.push_back(std::move(samples));
  }
  return recordings;
}

}  // namespace

Result<FirmwareSpec> firmware_spec(Workspace& workspace) {
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Plan* plan, workspace.plan());
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(StreamSpec stream, make_stream_spec(*plan, features->signal, model->input, model->classes,
                                                  stream_settings(workspace.project(), *features)));
  return FirmwareSpec{.app = App::stream, .plan = *plan, .stream = std::move(stream)};
}

Result<FirmwareImage> build(Workspace& workspace, const Board& board) {
  THIMBLE_LET(const FirmwareSpec spec, firmware_spec(workspace));
  return build_firmware(spec, board, workspace.project().out("firmware/" + board.id));
}

Result<BoardRun> run_on_board(Workspace& workspace, const Board& board, bool full) {
  const Project& project = workspace.project();
  THIMBLE_LET(const FirmwareSpec spec, firmware_spec(workspace));
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(const Dataset* dataset, workspace.dataset());
  BoardRun run{.board = board};
  const std::vector<size_t> test = rows_of(*features, Split::test);
  run.test_rows = static_cast<int64_t>(test.size());
  run.rows = choose_stratified(*features, test, full ? 0 : project.deploy.clips, project.seed);
  THIMBLE_LET(const auto recordings, load_recordings(*dataset, *features, run.rows, spec.stream->pipeline));

  THIMBLE_LET(const auto runner, make_runner(spec, board, project.out("firmware/" + board.id)));
  THIMBLE_LET(run.log, runner->run_recordings(recordings, workspace.progress()));
  if (runner->image()) run.image = *runner->image();
  THIMBLE_LET(const auto host, make_host_runner(spec));
  THIMBLE_LET(const RunLog expected, host->run_recordings(recordings, silent_progress()));
  run.compared_bytes = compared_bytes(expected);
  run.differing_bytes = differing_bytes(expected, run.log);

  THIMBLE_LET(run.float_host, evaluate_float(workspace, run.rows));
  THIMBLE_LET(run.int8_host, evaluate_int8(workspace, run.rows));
  THIMBLE_LET(std::vector<float> outputs, last_outputs(run.log, spec.plan.outputs[0]));
  run.int8_device = evaluate_outputs(*features, run.rows, std::move(outputs));
  if (run.image && features->task == Task::classification) {
    run.pin_changes = static_cast<int64_t>(run.log.pins.size());
    run.pins_as_decided = seen_pins(run.log) == decided_pins(run.log);
  }
  run.console = project.out("console-" + board.id + ".log");
  THIMBLE_TRY(write_text(run.console, run.log.console));
  if (features->task == Task::classification) run.decisions_right = count_right_decisions(run, *features, *spec.stream);
  count_instructions(run, features->signal);
  return run;
}

nlohmann::json to_json(const BoardRun& run) {
  nlohmann::json json = {
      {"board", run.board.id},
      {"clips_on_device", run.rows.size()},
      {"test_clips", run.test_rows},
      {"compared_bytes", run.compared_bytes},
      {"differing_bytes", run.differing_bytes},
      {"inferences", run.inferences},
      {"instructions", {{"dsp", std::llround(run.dsp_instructions)}, {"model", std::llround(run.model_instructions)}}},
      {"clamped_features", run.log.clamped_features},
      {"stack_bytes", run.log.stack_used_bytes},
      {"init_status", run.log.init_status},
      {"device", to_json(run.int8_device)}};
  if (run.int8_device.classification) {
    json["decisions_right"] = run.decisions_right;
    json["pin_changes"] = run.pin_changes;
    json["pins_as_decided"] = run.pins_as_decided;
  }
  if (run.image) {
    json["flash_bytes"] = run.image->sizes.flash;
    json["ram_bytes"] = run.image->sizes.ram;
    json["elf"] = run.image->elf.string();
  }
  return json;
}

}  // namespace thimble
