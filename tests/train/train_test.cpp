// What training promises: it learns, it is reproducible, it survives a kill, and it says what went wrong.
#include "train/train.h"

#include <algorithm>

#include "train/support.h"

using namespace thimble;

namespace {

TrainOptions sine_options() { return {.epochs = 60, .batch = 32, .learning_rate = 0.02, .seed = 3}; }

double test_error(const TrainedModel& model, const Features& features) {
  const std::vector<size_t> test = of_split(features, Split::test);
  const std::vector<float> outputs = predict(model.graph, features, test);
  double error = 0;
  for (size_t i = 0; i < test.size(); ++i) error += std::pow(outputs[i] - features.targets[test[i]], 2);
  return error / static_cast<double>(test.size());
}

// Asks to stop, as Ctrl-C does, in an epoch ("epoch 4/6").
class StopsAtEpoch : public Progress {
 public:
  explicit StopsAtEpoch(std::string epoch) : epoch_(std::move(epoch)) {}
  ~StopsAtEpoch() override { stop_requested = false; }
  void begin(std::string_view, int64_t) override {}
  void update(int64_t, std::string_view detail) override {
    if (detail.starts_with(epoch_)) stop_requested = true;
  }
  void end(std::string_view) override {}
  void note(std::string_view) override {}

 private:
  std::string epoch_;
};

class Notes : public Progress {
 public:
  std::vector<std::string> lines;
  void begin(std::string_view, int64_t) override {}
  void update(int64_t, std::string_view) override {}
  void end(std::string_view) override {}
  void note(std::string_view line) override { lines.emplace_back(line); }
};

}  // namespace

TEST(Train, ASmallNetworkLearnsTheSine) {
  const Features features = sine_features();
  const TrainedModel model = must(train_model(sine_network(), features, sine_options(), silent_progress()));
  EXPECT_LT(test_error(model, features), 0.01);
  EXPECT_EQ(model.log.size(), 60u);
  EXPECT_LT(model.log.back().validation_loss, model.log.front().validation_loss);
}

TEST(Train, MomentumDescentLearnsTheSineToo) {
  const Features features = sine_features();
  TrainOptions options = sine_options();
  options.optimizer = "sgd";
  options.learning_rate = 0.05;
  const TrainedModel model = must(train_model(sine_network(2), features, options, silent_progress()));
  EXPECT_LT(test_error(model, features), 0.02);
}

TEST(Train, SameSeedSameWeightsAnotherSeedOthers) {
  const Features features = sine_features(200);
  TrainOptions options = sine_options();
  options.epochs = 3;
  const auto weights = [&] {
    return weights_of(must(train_model(sine_network(), features, options, silent_progress())).graph);
  };
  const std::vector<float> first = weights();
  EXPECT_EQ(first, weights());
  options.seed = 4;
  EXPECT_NE(first, weights());
}

TEST(Train, LeavesTheGivenGraphAlone) {
  const Graph graph = sine_network();
  const std::vector<float> before = weights_of(graph);
  TrainOptions options = sine_options();
  options.epochs = 1;
  must(train_model(graph, sine_features(100), options, silent_progress()));
  EXPECT_EQ(weights_of(graph), before);
}

TEST(Train, AResumedTrainingEndsWithTheVerySameWeights) {
  const Features features = stripe_features();
  const Graph graph = must(make_architecture({.name = "ds_cnn",
                                              .settings = Attrs().set("channels", int64_t{8}).set("blocks", int64_t{1}),
                                              .input = {1, 12, 9, 1},
                                              .outputs = 3}));
  TrainOptions options{.epochs = 6, .batch = 32, .label_smoothing = 0.1, .seed = 5};
  options.augment = {.shift_frames = 2,
                     .shift_bands = 1,
                     .time_mask_frames = 3,
                     .band_mask = 2,
                     .gain = 0.1,
                     .mixup = 0.2,
                     .noise = 0.1};
  const TrainedModel whole = must(train_model(graph, features, options, silent_progress()));

  options.checkpoint = fresh_folder("resume") / "checkpoint";
  StopsAtEpoch interrupted("epoch 4/6");
  const auto stopped = train_model(graph, features, options, interrupted);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  stop_requested = false;

  options.resume = true;
  Notes notes;
  const TrainedModel resumed = must(train_model(graph, features, options, notes));
  EXPECT_EQ(notes.lines.at(0), "going on after epoch 3 of 6");
  EXPECT_EQ(weights_of(resumed.graph), weights_of(whole.graph));
  EXPECT_EQ(resumed.hash, whole.hash);
  ASSERT_EQ(resumed.log.size(), whole.log.size());
  for (size_t i = 0; i < whole.log.size(); ++i) {
    EXPECT_EQ(resumed.log[i].train_loss, whole.log[i].train_loss);
    EXPECT_EQ(resumed.log[i].validation_loss, whole.log[i].validation_loss);
  }
}

TEST(Train, ACheckpointOfAnotherTrainingIsNotTaken) {
  const Features features = sine_features(100);
  TrainOptions options = sine_options();
  options.epochs = 2;
  options.checkpoint = fresh_folder("other") / "checkpoint";
  must(train_model(sine_network(), features, options, silent_progress()));
  options.learning_rate *= 2;
  options.resume = true;
  Notes notes;
  must(train_model(sine_network(), features, options, notes));
  EXPECT_NE(notes.lines.at(0).find("starting from the first epoch"), std::string::npos);
}

TEST(Train, ADamagedCheckpointIsRefused) {
  TrainOptions options = sine_options();
  options.checkpoint = fresh_folder("damaged") / "checkpoint";
  options.resume = true;
  ASSERT_TRUE(write_text(options.checkpoint, "thimble\nnot really"));
  const auto outcome = train_model(sine_network(), sine_features(100), options, silent_progress());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::bad_data);
  EXPECT_EQ(outcome.error().where, options.checkpoint.string());
}

TEST(Train, DivergenceSaysWhereAndWhatToTry) {
  TrainOptions options = sine_options();
  options.optimizer = "sgd";
  options.learning_rate = 1e6;
  const auto outcome = train_model(sine_network(), sine_features(200), options, silent_progress());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::diverged);
  EXPECT_NE(outcome.error().message.find("epoch 1, step"), std::string::npos) << outcome.error().message;
  EXPECT_NE(outcome.error().hint.find("lower the learning rate"), std::string::npos);
}

TEST(Train, StopsEarlyAndKeepsTheBestEpoch) {
  const Features features = sine_features(100);
  TrainOptions options = sine_options();
  options.epochs = 200;
  options.patience = 3;
  options.learning_rate = 0.1;
  const TrainedModel model = must(train_model(sine_network(), features, options, silent_progress()));
  ASSERT_LT(model.log.size(), 200u);
  const auto best = std::ranges::min_element(model.log, {}, &EpochLog::validation_loss);
  EXPECT_EQ(model.log.end() - best, 4);
  const std::vector<size_t> validation = of_split(features, Split::validation);
  const std::vector<float> outputs = predict(model.graph, features, validation);
  double error = 0;
  for (size_t i = 0; i < validation.size(); ++i) error += std::pow(outputs[i] - features.targets[validation[i]], 2);
  EXPECT_NEAR(error / static_cast<double>(validation.size()), best->validation_loss, 1e-6);
}

TEST(Train, UnknownOptimizerSuggestsTheNearest) {
  TrainOptions options = sine_options();
  options.optimizer = "adm";
  const auto outcome = train_model(sine_network(), sine_features(100), options, silent_progress());
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().hint.find("adam"), std::string::npos);
}

TEST(Train, AModelForOtherFeaturesIsRefused) {
  const Graph graph = must(make_architecture({.name = "mlp", .input = {1, 5}, .outputs = 1, .classification = false}));
  const auto outcome = train_model(graph, sine_features(100), sine_options(), silent_progress());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::bad_data);
}

TEST(Train, ADsCnnTellsStripesApart) {
  const Features features = stripe_features();
  const Graph graph = must(make_architecture({.name = "ds_cnn",
                                              .settings = Attrs().set("channels", int64_t{8}).set("blocks", int64_t{1}),
                                              .input = {1, 12, 9, 1},
                                              .outputs = 3}));
  const TrainedModel model =
      must(train_model(graph, features, {.epochs = 8, .batch = 16, .learning_rate = 0.01}, silent_progress()));
  const std::vector<size_t> test = of_split(features, Split::test);
  const std::vector<float> outputs = predict(model.graph, features, test);
  int correct = 0;
  for (size_t i = 0; i < test.size(); ++i)
    correct += std::max_element(&outputs[3 * i], &outputs[3 * i] + 3) - &outputs[3 * i] == features.labels[test[i]];
  EXPECT_GE(correct, static_cast<int>(test.size()) - 1);
}
