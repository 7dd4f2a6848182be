// Batch norm in training: it normalises, tracks statistics, and stays exact far from zero.
#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"
#include "ops/ops.h"

namespace thimble::test {
namespace {

constexpr int64_t kChannels = 6;

struct BatchNorm {
  Shape shape;
  std::vector<float> x, gamma, beta, running_mean, running_var, y, saved;

  BatchNorm(Shape given, double centre, double spread) : shape(std::move(given)) {
    Rng rng{71};
    x.resize(static_cast<size_t>(element_count(shape)));
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(centre * static_cast<double>(1 + i % kChannels) + spread * rng.normal());
    gamma.assign(kChannels, 1);
    beta.assign(kChannels, 0);
    running_mean.assign(kChannels, 0);
    running_var.assign(kChannels, 1);
    y.resize(x.size());
  }
  void forward(const Attrs& attrs, bool training) {
    const Shape c{kChannels};
    const std::vector<FloatView> inputs{
        {x.data(), shape}, {gamma.data(), c}, {beta.data(), c}, {running_mean.data(), c}, {running_var.data(), c}};
    const std::vector<FloatView> outputs{{y.data(), shape}};
    (*ops::batch_norm().forward)(
        {.attrs = attrs, .inputs = inputs, .outputs = outputs, .training = training, .saved = saved});
  }
  std::pair<double, double> mean_and_variance(const std::vector<float>& values, size_t channel) const {
    double sum = 0, squares = 0;
    const double rows = static_cast<double>(values.size()) / kChannels;
    for (size_t i = channel; i < values.size(); i += kChannels) sum += static_cast<double>(values[i]);
    for (size_t i = channel; i < values.size(); i += kChannels)
      squares += std::pow(static_cast<double>(values[i]) - sum / rows, 2);
    return {sum / rows, squares / rows};
  }
};

TEST(BatchNorm, NormalisesEachChannelOfLargeBatches) {
  BatchNorm norm({64, 25, 13, kChannels}, 3, 0.5);
  norm.forward(Attrs().set("epsilon", 0.0), true);
  for (size_t c = 0; c < kChannels; ++c) {
    const auto [mean, variance] = norm.mean_and_variance(norm.y, c);
    EXPECT_NEAR(mean, 0, 1e-5);
    EXPECT_NEAR(variance, 1, 1e-4);
  }
}

TEST(BatchNorm, VarianceSurvivesALargeMean) {
  BatchNorm norm({32, 20, 10, kChannels}, 10000, 0.1);
  norm.forward(Attrs().set("momentum", 0.0), true);
  for (size_t c = 0; c < kChannels; ++c) {
    const auto [mean, variance] = norm.mean_and_variance(norm.x, c);
    EXPECT_NEAR(norm.running_mean[c], mean, mean * 1e-6);
    EXPECT_NEAR(norm.running_var[c], variance, variance * 1e-3);
  }
}

TEST(BatchNorm, RunningStatisticsMoveByMomentumAndServeInference) {
  BatchNorm norm({8, 4, 4, kChannels}, 1, 2);
  const Attrs attrs = Attrs().set("momentum", 0.75);
  norm.forward(attrs, true);
  for (size_t c = 0; c < kChannels; ++c) {
    const auto [mean, variance] = norm.mean_and_variance(norm.x, c);
    EXPECT_NEAR(norm.running_mean[c], 0.25 * mean, 1e-5);
    EXPECT_NEAR(norm.running_var[c], 0.75 + 0.25 * variance, 1e-5);
  }
  const std::vector<float> mean = norm.running_mean, variance = norm.running_var;
  norm.forward(attrs, false);
  EXPECT_EQ(norm.running_mean, mean);
  EXPECT_EQ(norm.running_var, variance);
  for (size_t i = 0; i < norm.x.size(); ++i) {
    const size_t c = i % kChannels;
    ASSERT_NEAR(norm.y[i], (norm.x[i] - mean[c]) / std::sqrt(variance[c] + 1e-3f), 1e-5);
  }
}

}  // namespace
}  // namespace thimble::test
