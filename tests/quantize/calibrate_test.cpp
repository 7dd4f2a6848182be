// Calibration sees what flows, evenly over classes, and chooses the range its method promises.
#include "quantize/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "train/support.h"

using namespace thimble;

namespace {

// Counts of a value over 2048 bins of [min, max].
Observation observed(float min, float max, const std::vector<float>& values) {
  Observation observation{.min = min, .max = max, .bins = std::vector<double>(2048, 0)};
  for (float value : values) {
    if (value == 0)
      ++observation.zeros;
    else
      ++observation.bins[std::min<size_t>(2047, static_cast<size_t>((value - min) / (max - min) * 2048))];
  }
  return observation;
}

std::vector<float> normal_values(size_t count) {
  Rng rng{9};
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(rng.normal()));
  return values;
}

double squared_error(const std::vector<float>& values, RealRange range) {
  const double step = (range.max - range.min) / 255;
  double sum = 0;
  for (float value : values) {
    const double code =
        std::clamp(std::round(value / step), std::round(range.min / step), std::round(range.max / step));
    sum += (value - code * step) * (value - code * step);
  }
  return sum;
}

}  // namespace

TEST(Calibrate, SamplesAreStratifiedFromTheTrainingSplitAndSeeded) {
  const Features features = stripe_features();
  const auto samples = calibration_samples(features, 60, 1);
  ASSERT_EQ(samples.size(), 60u);
  std::map<int, int> of_label;
  for (size_t sample : samples) {
    EXPECT_EQ(features.splits[sample], Split::train);
    ++of_label[features.labels[sample]];
  }
  for (const auto& [label, count] : of_label) EXPECT_EQ(count, 20) << label;
  EXPECT_EQ(samples, calibration_samples(features, 60, 1));
  EXPECT_NE(samples, calibration_samples(features, 60, 2));
  EXPECT_EQ(calibration_samples(features, 100000, 1).size(), of_split(features, Split::train).size());
}

TEST(Calibrate, MinmaxKeepsEverythingAndMarginWidensIt) {
  const Observation observation = observed(-1, 3, {-1, 3, 0.5f});
  EXPECT_EQ(choose_range(observation, {.method = "minmax"}).max, 3);
  EXPECT_EQ(choose_range(observation, {.method = "minmax", .margin = 0.5}).max, 4.5);
  EXPECT_EQ(choose_range(observation, {.method = "minmax", .margin = 0.5}).min, -1.5);
}

TEST(Calibrate, PercentileDropsTheTails) {
  std::vector<float> values = normal_values(100000);
  values.push_back(100);
  const RealRange range = choose_range(observed(-10, 100, values), {.method = "percentile", .percentile = 99.9});
  EXPECT_NEAR(range.max, 3.1, 0.2);
  EXPECT_NEAR(range.min, -3.1, 0.2);
}

TEST(Calibrate, LeastSquaresClipsAnOutlierAndBeatsMinmax) {
  std::vector<float> values = normal_values(500000);
  values.push_back(10);
  const Observation observation = observed(-6, 10, values);
  const RealRange range = choose_range(observation, {.method = "mse"});
  EXPECT_LT(range.max, 7);
  EXPECT_LT(squared_error(values, range), 0.8 * squared_error(values, choose_range(observation, {.method = "minmax"})));
}

TEST(Calibrate, LeastSquaresKeepsAUniformRange) {
  std::vector<float> values;
  for (int i = 1; i <= 20000; ++i) values.push_back(static_cast<float>(i) / 20000);
  const RealRange range = choose_range(observed(0, 1, values), {.method = "mse"});
  EXPECT_EQ(range.min, 0);
  EXPECT_GT(range.max, 0.97);
}

TEST(Calibrate, ValueThatIsAlwaysZeroHasAnEmptyRange) {
  const RealRange range = choose_range(Observation{.zeros = 100}, {.method = "mse"});
  EXPECT_EQ(range.min, 0);
  EXPECT_EQ(range.max, 0);
}

TEST(Calibrate, ObservesTheNormalisedInputAndNamesALayerThatGivesNaN) {
  const Features features = sine_features();
  TrainedModel model{
      .graph = sine_network(), .feature_mean = features.feature_mean, .feature_std = features.feature_std};
  const auto samples = calibration_samples(features, 100, 1);
  const auto observations = must(observe(model.graph, {model, features, samples}, silent_progress()));
  float low = 0, high = 0;
  for (size_t sample : samples) {
    low = std::min(low, features.normalized(features.sample(sample)[0]));
    high = std::max(high, features.normalized(features.sample(sample)[0]));
  }
  const Observation& input = observations[static_cast<size_t>(model.graph.inputs[0])];
  EXPECT_EQ(input.min, low);
  EXPECT_EQ(input.max, high);
  double seen = input.zeros;
  for (double n : input.bins) seen += n;
  EXPECT_EQ(seen, 100);

  for (Value& value : model.graph.values)
    if (value.constant) value.constant->as<float>()[0] = NAN;
  const auto diverged = observe(model.graph, {model, features, samples}, silent_progress());
  ASSERT_FALSE(diverged);
  EXPECT_EQ(diverged.error().code, ErrorCode::diverged);
  EXPECT_FALSE(diverged.error().where.empty());
}
