// Properties of the decision rule, each on a scripted sequence of scores.
#include "device/runtime/decision.h"

#include <gtest/gtest.h>

#include <vector>

namespace thimble::device {
namespace {

// Classes: 0 silence, 1 "on" -> actuator 0, 2 "off" -> actuator 5. One inference every 100 ms.
constexpr int8_t kActuators[] = {-1, 0, 5};

DecisionConfig config_of(int smooth = 1) {
  return {.classes = 3,
          .smooth = smooth,
          .zero_point = -128,
          .on_threshold = 150 * 256,
          .off_threshold = 100 * 256,
          .hold_ms = 0,
          .suppress_ms = 0,
          .actuators = kActuators};
}

struct Scores {
  int silence, on, off;  // 0..255
};

struct Script {
  explicit Script(const DecisionConfig& decision_config) : config(decision_config) { reset(state); }
  Decision step(Scores scores) {
    const int8_t bytes[] = {static_cast<int8_t>(scores.silence - 128), static_cast<int8_t>(scores.on - 128),
                            static_cast<int8_t>(scores.off - 128)};
    const Decision decision = decide(config, state, bytes, now_ms);
    now_ms += 100;
    return decision;
  }
  std::vector<int> winners(const std::vector<Scores>& script) {
    std::vector<int> result;
    for (const Scores& scores : script) result.push_back(step(scores).winner);
    return result;
  }
  DecisionConfig config;
  DecisionState state;
  int64_t now_ms = 0;
};

constexpr Scores kSilence = {255, 0, 0}, kOn = {0, 255, 0}, kOff = {0, 0, 255}, kNothing = {80, 85, 90};

TEST(Decision, NothingIsDecidedBelowTheThreshold) {
  Script run(config_of());
  EXPECT_EQ(run.winners({{0, 149, 106}, {0, 150, 105}}), (std::vector<int>{-1, 1}));
}

TEST(Decision, WinnerDrivesItsActuatorAndBackgroundNone) {
  Script run(config_of());
  const Decision on = run.step(kOn);
  EXPECT_EQ(on.actuators, 1u << 0);
  EXPECT_EQ(on.score, 255 * 256);
  EXPECT_EQ(run.step(kOff).actuators, 1u << 5);
  const Decision silence = run.step(kSilence);
  EXPECT_EQ(silence.winner, 0);
  EXPECT_EQ(silence.actuators, 0u);
  const Decision none = run.step(kNothing);
  EXPECT_EQ(none.winner, -1);
  EXPECT_EQ(none.score, 0);
}

TEST(Decision, HysteresisKeepsADecisionBetweenTheThresholds) {
  Script run(config_of());
  EXPECT_EQ(run.winners({{0, 120, 0}, {0, 160, 0}, {0, 120, 0}, {0, 100, 0}, {0, 99, 0}, {0, 120, 0}}),
            (std::vector<int>{-1, 1, 1, 1, -1, -1}));
}

TEST(Decision, AScoreIsAveragedOverTheLastInferences) {
  Script run(config_of(4));
  std::vector<int> scores;
  for (const Scores& s : {kSilence, kOn, kOn, kOn, kOn}) {
    const Decision decision = run.step(s);
    scores.push_back(decision.winner == 1 ? decision.score : 0);
  }
  // 255 x (1/2, 2/3, 3/4, 4/4): the third reaches 150; the first silence leaves the average only at the fifth.
  EXPECT_EQ(scores, (std::vector<int>{0, 0, 255 * 256 * 2 / 3, 255 * 256 * 3 / 4, 255 * 256}));
}

TEST(Decision, OneOutlierDoesNotDecide) {
  Script run(config_of(3));
  EXPECT_EQ(run.winners({kSilence, kSilence, kSilence, kOn, kSilence}), (std::vector<int>{0, 0, 0, 0, 0}));
}

TEST(Decision, ADecisionStandsAtLeastHoldMs) {
  DecisionConfig config = config_of();
  config.hold_ms = 300;
  Script run(config);
  EXPECT_EQ(run.winners({kOn, kNothing, kNothing, kNothing, kOn, kOff, kOff, kOff}),
            (std::vector<int>{1, 1, 1, -1, 1, 1, 1, 2}));
}

TEST(Decision, NoneBeginsWithinSuppressMsOfAnEnd) {
  DecisionConfig config = config_of();
  config.suppress_ms = 250;
  Script run(config);
  EXPECT_EQ(run.winners({kOn, kNothing, kOff, kOff, kOff}), (std::vector<int>{1, -1, -1, -1, 2}));
}

TEST(Decision, BackgroundNeitherHoldsNorSuppresses) {
  DecisionConfig config = config_of();
  config.hold_ms = 1000;
  config.suppress_ms = 1000;
  Script run(config);
  EXPECT_EQ(run.winners({kSilence, kOn}), (std::vector<int>{0, 1}));
}

TEST(Decision, BackgroundGivesWayThoughItsAverageIsStillHigh) {
  DecisionConfig config = config_of(2);
  config.on_threshold = 120 * 256;
  Script run(config);
  EXPECT_EQ(run.winners({kSilence, {200, 50, 0}, {50, 210, 0}}), (std::vector<int>{0, 0, 1}));
}

TEST(Decision, TheFirstOfEqualScoresWins) {
  Script run(config_of());
  EXPECT_EQ(run.step({0, 200, 200}).winner, 1);
}

TEST(Decision, ResetForgetsEverything) {
  DecisionConfig config = config_of(8);
  config.hold_ms = config.suppress_ms = 100000;
  Script run(config);
  run.winners({kOn, kOn, kOn});
  reset(run.state);
  EXPECT_EQ(run.step(kOff).winner, 2);
}

}  // namespace
}  // namespace thimble::device
