// Real recordings, real speakers: one seed of the spoken-digit recipe on two speakers it has never heard.
#include <gtest/gtest.h>

#include "bench/fsdd/recipe.h"

using namespace thimble;

TEST(Fsdd, UnheardSpeakersAreUnderstood) {
  const Path recordings = fsdd::recordings(THIMBLE_SOURCE_DIR);
  if (!std::filesystem::is_directory(recordings)) GTEST_SKIP() << "no recordings at " << recordings;
  const Dataset dataset = fsdd::dataset(recordings, fsdd::kTestSpeakers).value();
  const Features features = fsdd::features(dataset).value();
  const Graph graph = make_architecture(fsdd::architecture(1)).value();
  EXPECT_LE(count_parameters(graph), 13'000);
  EXPECT_LE(count_macs(graph), 1'600'000);
  const TrainedModel model = train_model(graph, features, fsdd::training(1), silent_progress()).value();
  EXPECT_GE(fsdd::test_accuracy(model.graph, features), 0.870);
}
