// Dropout: the share it drops, the expectation it keeps, and the seed that decides.
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/ops.h"

namespace thimble::test {
namespace {

std::vector<float> drop(double rate, uint64_t seed, bool training = true) {
  const Shape shape{100, 1000};
  std::vector<float> x(100000, 1.0f), y(x.size()), saved;
  const std::vector<FloatView> inputs{{x.data(), shape}}, outputs{{y.data(), shape}};
  const Attrs attrs = Attrs().set("rate", rate);
  (*ops::dropout().forward)(
      {.attrs = attrs, .inputs = inputs, .outputs = outputs, .training = training, .seed = seed, .saved = saved});
  return y;
}

TEST(Dropout, DropsItsShareAndKeepsTheExpectation) {
  for (const double rate : {0.1, 0.5, 0.8}) {
    const std::vector<float> y = drop(rate, 1);
    double sum = 0;
    for (float value : y) {
      sum += static_cast<double>(value);
      ASSERT_TRUE(value == 0 || std::abs(static_cast<double>(value) - 1 / (1 - rate)) < 1e-5);
    }
    EXPECT_NEAR(static_cast<double>(std::ranges::count(y, 0.0f)) / 1e5, rate, 0.01);
    EXPECT_NEAR(sum / 1e5, 1, 0.03);
  }
}

TEST(Dropout, SameSeedSameMask) {
  EXPECT_EQ(drop(0.3, 5), drop(0.3, 5));
  EXPECT_NE(drop(0.3, 5), drop(0.3, 6));
}

TEST(Dropout, DoesNothingAtInference) { EXPECT_EQ(std::ranges::count(drop(0.9, 1, false), 1.0f), 100000); }

TEST(Dropout, RefusesARateOfOne) {
  const std::vector<ValueType> inputs{{DType::f32, {1, 2}}};
  const Attrs attrs = Attrs().set("rate", 1.0);
  EXPECT_FALSE((*ops::dropout().infer)({attrs, inputs, {}}));
}

}  // namespace
}  // namespace thimble::test
