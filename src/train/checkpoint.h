// Where a training stands after an epoch, as a file: enough to go on as if nothing had happened.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/train.h"

namespace thimble {

struct TrainState {
  int epoch = 0;         // epochs done
  double best_loss = 0;  // of the validation split, at best_epoch
  int best_epoch = 0;    // 0 = none yet
  std::vector<EpochLog> log;
  std::vector<float> weights;       // all constants of the graph
  std::vector<float> best_weights;  // empty when there is no best epoch
  std::vector<float> optimizer;
};

// fingerprint: names graph, options and data; a checkpoint of another training is not taken for this one.
Outcome save_checkpoint(const TrainState& state, const std::string& fingerprint, const Path& path);

// Nothing when there is no file, or one of another training. Errors: bad_data for a damaged file.
Result<std::optional<TrainState>> load_checkpoint(const std::string& fingerprint, const Path& path);

}  // namespace thimble
