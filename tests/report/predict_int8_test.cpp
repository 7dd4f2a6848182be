// The int8 model on the host answers like the float model it was made from.
#include "report/predict_int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "plan/session.h"
#include "train/support.h"

using namespace thimble;

namespace {

size_t argmax(const float* row, size_t count) { return static_cast<size_t>(std::max_element(row, row + count) - row); }

}  // namespace

TEST(PredictInt8, SineNetworkStaysCloseToFloatAndBiasCorrectionBringsItCloser) {
  const Features features = sine_features();
  const TrainedModel trained =
      must(train_model(sine_network(), features, {.epochs = 60, .learning_rate = 0.01}, silent_progress()));
  const auto test = of_split(features, Split::test);
  const std::vector<float> reference = predict(trained.graph, features, test);
  const auto rms_error = [&](const QuantizeOptions& options) {
    const QuantizedModel model = must(quantize_model(trained, features, options, silent_progress()));
    const std::vector<float> answers = must(predict_int8(model, features, test));
    EXPECT_EQ(answers.size(), reference.size());
    double squares = 0;
    for (size_t i = 0; i < answers.size(); ++i) squares += std::pow(answers[i] - reference[i], 2);
    return std::sqrt(squares / static_cast<double>(answers.size()));
  };
  for (const char* method : {"minmax", "percentile", "mse"}) EXPECT_LT(rms_error({.method = method}), 0.04) << method;
  EXPECT_LT(rms_error({}), rms_error({.correct_bias = false}));
}

TEST(PredictInt8, ConvolutionNetworkDecidesLikeFloat) {
  const Features features = stripe_features(600);
  Graph graph = make_architecture({.name = "ds_cnn",
                                   .settings = Attrs().set("channels", int64_t{8}).set("blocks", int64_t{2}),
                                   .input = {1, 12, 9, 1},
                                   .outputs = 3})
                    .value();
  const TrainedModel trained = must(train_model(std::move(graph), features, {.epochs = 6}, silent_progress()));
  const auto test = of_split(features, Split::test);
  const std::vector<float> reference = predict(trained.graph, features, test);
  const QuantizedModel model = must(quantize_model(trained, features, {}, silent_progress()));
  const std::vector<float> answers = must(predict_int8(model, features, test));
  size_t agree = 0;
  double difference = 0;
  for (size_t i = 0; i < test.size(); ++i) agree += argmax(&answers[3 * i], 3) == argmax(&reference[3 * i], 3);
  for (size_t i = 0; i < answers.size(); ++i) difference += std::abs(answers[i] - reference[i]);
  EXPECT_GE(static_cast<double>(agree), 0.96 * static_cast<double>(test.size()));
  EXPECT_LT(difference / static_cast<double>(answers.size()), 0.02);
  EXPECT_EQ(must(predict_int8(model, features, std::vector<size_t>{test[5]})),
            std::vector<float>(answers.begin() + 15, answers.begin() + 18));
}

TEST(PredictInt8, NoSamplesGiveNoAnswersAndWrongFeaturesAreRefused) {
  const Features features = sine_features();
  const TrainedModel trained{.graph = sine_network(),
                             .task = Task::regression,
                             .feature_mean = features.feature_mean,
                             .feature_std = features.feature_std};
  const QuantizedModel model = must(quantize_model(trained, features, {}, silent_progress()));
  EXPECT_TRUE(must(predict_int8(model, features, {})).empty());
  const auto refused = predict_int8(model, stripe_features(), std::vector<size_t>{0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::bad_data);
}
