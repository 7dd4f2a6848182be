#include "firmware/stream_spec.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace thimble {

namespace {

Outcome check_model(const Plan& plan, const Signal& signal, size_t classes, bool decides) {
  const auto wrong = [&](std::string message) { return fail(ErrorCode::bad_data, std::move(message), plan.model); };
  if (plan.inputs.size() != 1 || plan.outputs.size() != 1)
    return wrong(fmt::format("a model in a stream has one input and one output, found {} and {}", plan.inputs.size(),
                             plan.outputs.size()));
  const PlanPort &input = plan.inputs[0], &output = plan.outputs[0];
  if (input.type.dtype != DType::i8 || output.type.dtype != DType::i8)
    return wrong(fmt::format("a model in a stream has int8 input and output, found {} and {}",
                             name_of(input.type.dtype), name_of(output.type.dtype)));
  if (input.bytes != int64_t{signal.frames} * signal.features)
    return wrong(fmt::format("the model takes {} features, the signal gives {} frames of {}", input.bytes,
                             signal.frames, signal.features));
  if (decides && output.bytes != static_cast<int64_t>(classes))
    return wrong(fmt::format("the model has {} outputs for {} classes", output.bytes, classes));
  if (output.quantization.empty()) return wrong("the model's output has no scale");
  return {};
}

Outcome check_decision(const DecisionSettings& settings, const std::vector<std::string>& classes) {
  const auto wrong = [](std::string message, std::string hint = {}) {
    return fail(ErrorCode::usage, std::move(message), "decision", std::move(hint));
  };
  if (settings.smooth < 1 || settings.smooth > device::kMaxSmooth)
    return wrong(fmt::format("smooth must be 1 to {}, found {}", device::kMaxSmooth, settings.smooth));
  if (!(settings.off_threshold >= 0 && settings.off_threshold <= settings.on_threshold && settings.on_threshold <= 1))
    return wrong(fmt::format("thresholds must be 0 <= off <= on <= 1, found off {} and on {}", settings.off_threshold,
                             settings.on_threshold));
  if (settings.hold_ms < 0 || settings.suppress_ms < 0) return wrong("hold_ms and suppress_ms must not be negative");
  if (classes.size() > static_cast<size_t>(device::kMaxClasses))
    return wrong(fmt::format("at most {} classes, found {}", device::kMaxClasses, classes.size()));
  if (settings.actuators.size() > 32)
    return wrong(fmt::format("at most 32 actuators, found {}", settings.actuators.size()));
  for (const std::string& name : settings.actuators)
    if (std::ranges::find(classes, name) == classes.end())
      return wrong(fmt::format("actuators names the class \"{}\", which the model does not have", name),
                   name_hint(name, classes));
  return {};
}

device::DecisionConfig decision_config(const DecisionSettings& settings, size_t classes, const Quantization& output) {
  const double per_unit = 256.0 / static_cast<double>(output.scale[0]);
  return {.classes = static_cast<int32_t>(classes),
          .smooth = settings.smooth,
          .zero_point = output.zero_point[0],
          .on_threshold = static_cast<int32_t>(std::lround(settings.on_threshold * per_unit)),
          .off_threshold = static_cast<int32_t>(std::lround(settings.off_threshold * per_unit)),
          .hold_ms = settings.hold_ms,
          .suppress_ms = settings.suppress_ms,
          .actuators = nullptr};
}

}  // namespace

Result<StreamSpec> make_stream_spec(const Plan& plan, const Signal& signal, const InputQuantization& input,
                                    const std::vector<std::string>& classes, const StreamSettings& settings) {
  THIMBLE_TRY(check_model(plan, signal, classes.size(), settings.decision.has_value()));
  const double moments_per_ms = signal.config.sample_rate_hz > 0 ? signal.config.sample_rate_hz / 1000.0 : 1;
  const auto moments = [&](double ms) { return static_cast<int32_t>(std::lround(ms * moments_per_ms)); };
  StreamSpec spec{.signal = signal, .classes = classes, .outputs = static_cast<int>(plan.outputs[0].bytes)};
  spec.pipeline = {
      .sample_rate_hz = signal.config.sample_rate_hz,
      .channels = signal.config.channels,
      .frame_samples = signal.frame_samples,
      .hop_samples = signal.hop_samples,
      .frames = signal.frames,
      .features = signal.features,
      .stride_samples = settings.stride_ms > 0 ? std::max(1, moments(settings.stride_ms)) : signal.window_samples(),
      .warmup_samples = settings.warmup_ms >= 0 ? moments(settings.warmup_ms) : signal.window_samples(),
      .input_multiplier = input.multiplier,
      .input_shift = input.shift,
      .input_zero_point = input.zero_point};
  const Quantization& output = plan.outputs[0].quantization;
  if (settings.decision) {
    THIMBLE_TRY(check_decision(*settings.decision, classes));
    spec.decision = decision_config(*settings.decision, classes.size(), output);
    for (const std::string& name : classes) {
      const auto& driving = settings.decision->actuators;
      const auto found = std::ranges::find(driving, name);
      spec.actuators.push_back(found == driving.end() ? int8_t{-1} : static_cast<int8_t>(found - driving.begin()));
    }
  } else {
    const auto quantised = [&](double real) {
      return static_cast<int>(std::lround(real / static_cast<double>(output.scale[0]))) + output.zero_point[0];
    };
    spec.pwm_low = quantised(settings.pwm_low);
    spec.pwm_high = quantised(settings.pwm_high);
    if (spec.pwm_high <= spec.pwm_low)
      return fail(
          ErrorCode::usage,
          fmt::format("pwm_low must lie below pwm_high by at least one step of the output ({}), found {} and {}",
                      output.scale[0], settings.pwm_low, settings.pwm_high),
          "pwm");
  }
  return spec;
}

}  // namespace thimble
