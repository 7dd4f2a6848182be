#include "report/metrics.h"

#include <gtest/gtest.h>

using namespace thimble;

// Truths 0,0,1,1,2; predictions 0,1,1,1,0.
static const std::vector<float> kScores = {0.8f, 0.1f, 0.1f, 0.2f, 0.7f, 0.1f, 0.1f, 0.8f,
                                           0.1f, 0.3f, 0.6f, 0.1f, 0.5f, 0.1f, 0.4f};
static const std::vector<int> kLabels = {0, 0, 1, 1, 2};
static const std::vector<std::string> kClasses = {"a", "b", "c"};

TEST(Metrics, CountsByHand) {
  const auto m = classification_metrics(kScores, kLabels, kClasses);
  EXPECT_DOUBLE_EQ(m.accuracy, 0.6);
  EXPECT_DOUBLE_EQ(m.classes[0].precision, 0.5);
  EXPECT_DOUBLE_EQ(m.classes[0].recall, 0.5);
  EXPECT_DOUBLE_EQ(m.classes[1].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.classes[1].recall, 1.0);
  EXPECT_DOUBLE_EQ(m.classes[1].f1, 0.8);
  EXPECT_DOUBLE_EQ(m.classes[2].f1, 0.0);
  EXPECT_DOUBLE_EQ(m.macro_recall, 0.5);
  EXPECT_EQ(m.confusion[2][0], 1);
  // Class a: positives score 0.8, 0.2; negatives 0.1, 0.3, 0.5: pairs won 3 + 1 of 6.
  EXPECT_DOUBLE_EQ(m.classes[0].auc, 4.0 / 6);
}

TEST(Metrics, WorstMistakesAreTheMostConfident) {
  const auto m = classification_metrics(kScores, kLabels, kClasses);
  ASSERT_EQ(m.worst.size(), 2u);
  EXPECT_EQ(m.worst[0].index, 1u);
  EXPECT_EQ(m.worst[0].predicted, 1);
  EXPECT_EQ(m.worst[1].index, 4u);
}

TEST(Metrics, TiedScoresCountHalf) {
  const std::vector<float> scores = {0.5f, 0.5f, 0.5f, 0.5f};
  const auto m = classification_metrics(scores, std::vector<int>{0, 1}, {"a", "b"});
  EXPECT_DOUBLE_EQ(m.classes[0].auc, 0.5);
}

TEST(Metrics, RegressionByHand) {
  const std::vector<float> predictions = {1, 2, 4}, targets = {1, 2, 3};
  const auto m = regression_metrics(predictions, targets);
  EXPECT_DOUBLE_EQ(m.mae, 1.0 / 3);
  EXPECT_DOUBLE_EQ(m.mse, 1.0 / 3);
  EXPECT_DOUBLE_EQ(m.r2, 0.5);
}
