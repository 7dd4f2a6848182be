// From scores to a decision: moving average, threshold with hysteresis, minimum hold, suppression. All numbers are data.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr int kMaxSmooth = 8;
constexpr int kMaxClasses = 64;

struct DecisionConfig {
  int32_t classes;
  int32_t smooth;         // inferences averaged, 1..kMaxSmooth
  int32_t zero_point;     // of the int8 scores
  int32_t on_threshold;   // a class is decided when its averaged (score - zero_point) * 256 reaches this
  int32_t off_threshold;  // and released when it falls below this
  int32_t hold_ms;        // a decision stands at least this long
  int32_t suppress_ms;    // after a decision ends, no other begins for this long
  const int8_t* actuators;  // [classes]: which actuator a class drives, -1 = none (unknown, silence)
};

struct Decision {
  int32_t winner;    // class decided, or -1
  int32_t score;     // its averaged score * 256
  uint32_t actuators;  // bit a is set while actuator a is on
};

// State of the decision; zero-initialised by reset.
struct DecisionState {
  int8_t history[kMaxSmooth][kMaxClasses];
  int32_t filled, next;
  int32_t current;       // class that stands, or -1
  int64_t since_ms;      // when it began, or when the last one ended
};

void reset(DecisionState& state);

// One inference's scores at stream time now_ms.
Decision decide(const DecisionConfig& config, DecisionState& state, const int8_t* scores, int64_t now_ms);

}  // namespace device
}  // namespace thimble
