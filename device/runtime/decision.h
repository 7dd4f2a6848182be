// From scores to a decision: moving average, threshold with hysteresis, minimum hold, suppression. All numbers are
// data.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr int kMaxSmooth = 8;
constexpr int kMaxClasses = 64;

struct DecisionConfig {
  int32_t classes;
  int32_t smooth;         // inferences averaged, 1..kMaxSmooth; at the start, as many as there were
  int32_t zero_point;     // of the int8 scores
  int32_t on_threshold;   // a class is decided when its averaged (score - zero_point) * 256 reaches this
  int32_t off_threshold;  // and released when it falls below this
  int32_t hold_ms;        // a decision stands at least this long
  int32_t suppress_ms;    // after a decision ends, no other begins for this long
  // [classes]: which actuator 0..31 a class drives, -1 = none (unknown, silence). A class that drives none is
  // background: it is reported, but neither holds nor suppresses, and gives way to any class that reaches on_threshold.
  const int8_t* actuators;
};

struct Decision {
  int32_t winner;      // class decided, or -1
  int32_t score;       // its averaged score * 256; 0 when there is none
  uint32_t actuators;  // bit a is set while actuator a is on
};

// State of the decision; set by reset.
struct DecisionState {
  int8_t history[kMaxSmooth][kMaxClasses];
  int32_t filled, next;
  int32_t current;            // class that stands, or -1
  int64_t hold_until_ms;      // it stands at least until then
  int64_t suppress_until_ms;  // none begins before
};

inline void reset(DecisionState& state) {
  state = DecisionState{};
  state.current = -1;
  state.hold_until_ms = state.suppress_until_ms = INT64_MIN;
}

namespace decision_detail {

inline void remember(const DecisionConfig& config, DecisionState& state, const int8_t* scores) {
  for (int32_t c = 0; c < config.classes; ++c) state.history[state.next][c] = scores[c];
  state.next = state.next + 1 < config.smooth ? state.next + 1 : 0;
  if (state.filled < config.smooth) ++state.filled;
}

inline int32_t average(const DecisionConfig& config, const DecisionState& state, int32_t label) {
  int32_t sum = 0;
  for (int32_t i = 0; i < state.filled; ++i) sum += state.history[i][label] - config.zero_point;
  return sum * 256 / state.filled;
}

}  // namespace decision_detail

// One inference's scores at stream time now_ms, which never goes back.
inline Decision decide(const DecisionConfig& config, DecisionState& state, const int8_t* scores, int64_t now_ms) {
  decision_detail::remember(config, state, scores);
  int32_t best = 0, best_score = INT32_MIN, current_score = 0;
  for (int32_t c = 0; c < config.classes; ++c) {
    const int32_t score = decision_detail::average(config, state, c);
    if (score > best_score) {
      best = c;
      best_score = score;
    }
    if (c == state.current) current_score = score;
  }

  if (state.current >= 0) {
    const bool drives = config.actuators[state.current] >= 0;
    const bool fell = current_score < config.off_threshold && now_ms >= state.hold_until_ms;
    const bool gives_way = !drives && best != state.current && best_score >= config.on_threshold;
    if (fell || gives_way) {
      state.current = -1;
      if (drives) state.suppress_until_ms = now_ms + config.suppress_ms;
    }
  }
  if (state.current < 0 && best_score >= config.on_threshold && now_ms >= state.suppress_until_ms) {
    state.current = best;
    current_score = best_score;
    state.hold_until_ms = config.actuators[best] >= 0 ? now_ms + config.hold_ms : now_ms;
  }

  if (state.current < 0) return {-1, 0, 0};
  const int32_t actuator = config.actuators[state.current];
  return {state.current, current_score, actuator >= 0 ? uint32_t{1} << actuator : 0};
}

}  // namespace device
}  // namespace thimble
