// Features of a whole dataset in memory, ready for training and evaluation.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/progress.h"
#include "data/dataset.h"
#include "signal/signal.h"

namespace thimble {

struct Features {
  Signal signal;
  Task task = Task::classification;
  std::vector<std::string> classes;
  Shape sample_shape;             // without batch, e.g. [frames, features, 1]
  std::vector<int16_t> data;      // [samples, frames * features]
  std::vector<int> labels;        // [samples]
  std::vector<float> targets;     // [samples, target_count], regression
  int target_count = 0;
  std::vector<Split> splits;      // [samples]
  std::vector<size_t> sample_of;  // index into Dataset::samples (augmented copies share one)
  std::string hash;

  int64_t feature_count() const { return element_count(sample_shape); }
  std::span<const int16_t> sample(size_t index) const {
    return std::span(data).subspan(index * static_cast<size_t>(feature_count()), static_cast<size_t>(feature_count()));
  }
};

struct FeatureOptions {
  std::vector<double> speeds;  // extra copies of training recordings, resampled by these factors (0.9, 1.1)
  uint64_t seed = 1;
};

// Computes features of every sample on all cores. Errors: those of load_recording; cancelled.
Result<Features> compute_features(const Dataset& dataset, const Signal& signal, const FeatureOptions& options, Progress& progress);

}  // namespace thimble
