#include "device/stats/run_stats.h"

#include <gtest/gtest.h>

namespace thimble::device {
namespace {

TEST(RunStats, CountsDecisionsThatBeginNotHowLongTheyStand) {
  RunStats<3> stats;
  stats.reset();
  for (int winner : {-1, 1, 1, 1, -1, 1, 2, 0}) stats.add_inference(winner, 1000);
  EXPECT_EQ(stats.inferences, 8u);
  EXPECT_EQ(stats.undecided, 2u);
  EXPECT_EQ(stats.decisions[0], 1u);
  EXPECT_EQ(stats.decisions[1], 2u);
  EXPECT_EQ(stats.decisions[2], 1u);
}

TEST(RunStats, ScoresAreThoseOfWinners) {
  RunStats<2> stats;
  stats.reset();
  EXPECT_EQ(stats.scores.mean(), 0);
  stats.add_inference(0, 300);
  stats.add_inference(-1, 99999);
  stats.add_inference(1, -100);
  stats.add_inference(1, 500);
  EXPECT_EQ(stats.scores.count, 3u);
  EXPECT_EQ(stats.scores.min, -100);
  EXPECT_EQ(stats.scores.max, 500);
  EXPECT_EQ(stats.scores.mean(), 233);
}

TEST(RunStats, MeansOfLongRunsDoNotOverflow) {
  RunningRange range = {};
  for (int i = 0; i < 1000000; ++i) range.add(255 * 256);
  EXPECT_EQ(range.mean(), 255 * 256);
}

TEST(RunStats, ClampedFeaturesAddUp) {
  RunStats<1> stats;
  stats.reset();
  stats.add_frame(40, 0);
  stats.add_frame(40, 3);
  EXPECT_EQ(stats.frames, 2u);
  EXPECT_EQ(stats.features, 80u);
  EXPECT_EQ(stats.clamped_features, 3u);
}

TEST(RunStats, ClassesOutsideTheTableAreNotCountedInIt) {
  RunStats<2> stats;
  stats.reset();
  stats.add_inference(7, 10);
  EXPECT_EQ(stats.decisions[0] + stats.decisions[1], 0u);
  EXPECT_EQ(stats.inferences, 1u);
}

}  // namespace
}  // namespace thimble::device
