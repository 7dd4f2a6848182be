#include "firmware/emit_app.h"

#include <algorithm>

namespace thimble {

namespace {

std::string ports_text(std::string_view name, const std::vector<PlanPort>& ports) {
  std::string text = fmt::format("constexpr ArenaPort {}Ports[] = {{", name);
  for (size_t i = 0; i < ports.size(); ++i)
    text += fmt::format("{}{{{}, {}}}", i ? ", " : "", ports[i].arena_offset, ports[i].bytes);
  return text + fmt::format("}};\nconstexpr ArenaPorts {0} = {{{0}Ports, {1}}};\n", name, ports.size());
}

std::string stream_text(const EmittedModel& model, const StreamSpec& stream) {
  const device::PipelineConfig& p = stream.pipeline;
  std::string text =
      fmt::format("\nconstexpr PipelineConfig kPipeline = {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}};\n",
                  p.sample_rate_hz, p.channels, p.frame_samples, p.hop_samples, p.frames, p.features, p.stride_samples,
                  p.warmup_samples, p.input_multiplier, p.input_shift, p.input_zero_point);
  if (stream.decision) {
    const device::DecisionConfig& d = *stream.decision;
    text += fmt::format("constexpr int8_t kActuators[] = {{{}}};\n", fmt::join(stream.actuators, ", "));
    text += fmt::format("constexpr DecisionConfig kDecision = {{{}, {}, {}, {}, {}, {}, {}, kActuators}};\n", d.classes,
                        d.smooth, d.zero_point, d.on_threshold, d.off_threshold, d.hold_ms, d.suppress_ms);
  }
  text += fmt::format(
      "constexpr ActuationConfig kActuation = {{{}, {}, {}, {}, {}}};\n", stream.decision ? "&kDecision" : "nullptr",
      stream.decision ? model.name + "_class_names" : "nullptr", stream.outputs, stream.pwm_low, stream.pwm_high);
  text += fmt::format("constexpr uint32_t kScratchBytes = {};\n", std::max<int64_t>(model.scratch_bytes, 1));
  text += fmt::format(
      "inline void features(const int16_t* frame, int16_t* features, void* scratch) {{\n"
      "  {}_features(frame, features, scratch);\n}}\n",
      model.name);
  return text;
}

}  // namespace

std::string app_model_text(const EmittedModel& model, const Plan& plan, const std::optional<StreamSpec>& stream) {
  std::string text = fmt::format(
      "// Model \"{}\" for device/app, written by thimble.\n#pragma once\n#include \"{}.h\"\n#include "
      "\"device/runtime/stream_app.h\"\n\nnamespace app {{\n\nusing namespace thimble::device;\n\n",
      plan.model, model.name);
  text += ports_text("kInputs", plan.inputs) + ports_text("kOutputs", plan.outputs);
  text += fmt::format("constexpr uint32_t kArenaBytes = {};\n", std::max<int64_t>(plan.arena_bytes, 1));
  text += fmt::format(
      "inline uint8_t check() {{ return {0}_check(); }}\ninline void reset(void* arena) {{ {0}_reset(arena); }}\n"
      "inline void invoke(void* arena) {{ {0}_invoke(arena); }}\n",
      model.name);
  if (stream) text += stream_text(model, *stream);
  return text + "\n}  // namespace app\n";
}

}  // namespace thimble
