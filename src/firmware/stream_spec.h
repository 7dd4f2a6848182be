// How a model lives in a stream: the pipeline in front of it and what its outputs do. Host form of device/runtime's
// configurations, owning what those point at.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "device/runtime/stream_app.h"
#include "plan/plan.h"
#include "quantize/quantize.h"
#include "signal/signal.h"

namespace thimble {

// As a person writes it.
struct DecisionSettings {
  int smooth = 1;              // inferences averaged
  double on_threshold = 0.7;   // probability at which a class is decided
  double off_threshold = 0.5;  // and below which it ends
  int hold_ms = 500;
  int suppress_ms = 250;
  std::vector<std::string>
      actuators;  // classes that drive one, in the order of the board's actuators; the rest are background
};

struct StreamSettings {
  double stride_ms = 0;                      // from inference to inference; 0 = one per model window
  double warmup_ms = -1;                     // before the first; negative = a full model window
  std::optional<DecisionSettings> decision;  // none: the first output drives the PWM
  double pwm_low = 0, pwm_high = 1;          // real outputs that stand for 0 and 1000 per mille
};

struct StreamSpec {
  Signal signal;
  std::vector<std::string> classes;
  device::PipelineConfig pipeline = {};
  std::optional<device::DecisionConfig> decision;  // its pointer is not set here
  std::vector<int8_t> actuators;                   // [classes], as DecisionConfig's
  int pwm_low = 0, pwm_high = 1;                   // int8 outputs that stand for 0 and 1000 per mille
  int outputs = 0;
};

// Errors: usage (settings out of range, unknown class names); bad_data (the model's input or output is not what the
// signal and the classes need: found and expected).
Result<StreamSpec> make_stream_spec(const Plan& plan, const Signal& signal, const InputQuantization& input,
                                    const std::vector<std::string>& classes, const StreamSettings& settings);

}  // namespace thimble
