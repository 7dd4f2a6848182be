// Trains the spoken-digit recipe with three seeds and prints the accuracy on the two test speakers: each, and the mean.
//   bench_fsdd [RECORDINGS]
#include <fmt/format.h>

#include "bench/fsdd/recipe.h"

using namespace thimble;

namespace {

Result<double> run_seed(const Features& features, uint64_t seed) {
  THIMBLE_LET(Graph graph, make_architecture(fsdd::architecture(seed)));
  const int64_t parameters = count_parameters(graph), macs = count_macs(graph);
  THIMBLE_LET(const TrainedModel model,
              train_model(std::move(graph), features, fsdd::training(seed), silent_progress()));
  double seconds = 0;
  for (const EpochLog& epoch : model.log) seconds += epoch.seconds;
  const double accuracy = fsdd::test_accuracy(model.graph, features);
  fmt::print("seed {}: accuracy {:.4f}  ({} parameters, {} MACs, {:.0f} s)\n", seed, accuracy, parameters, macs,
             seconds);
  return accuracy;
}

Outcome run(const Path& recordings) {
  THIMBLE_LET(const Dataset dataset, fsdd::dataset(recordings, fsdd::kTestSpeakers));
  THIMBLE_LET(const Features features, fsdd::features(dataset));
  double sum = 0;
  for (uint64_t seed : {1, 2, 3}) {
    THIMBLE_LET(const double accuracy, run_seed(features, seed));
    sum += accuracy;
  }
  fmt::print("mean of three seeds: {:.4f}\n", sum / 3);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const Outcome outcome = run(argc > 1 ? Path(argv[1]) : fsdd::recordings("."));
  if (outcome) return 0;
  fmt::print(stderr, "{}\n", to_string(outcome.error()));
  return 1;
}
