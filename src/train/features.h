// Features of a whole dataset in memory, ready for training and evaluation. They stay the int16 numbers the device
// computes; a model sees
//   x = (feature_scale * int16 - feature_mean) / feature_std
// with one mean and one deviation for all features. A single affine map, so int8 quantisation absorbs it exactly into
// the requantisation that the device does anyway: with input scale s and zero point z,
//   int8 = requantize(int16, feature_scale / (feature_std * s)) + z - round(feature_mean / (feature_std * s)).
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
  Shape sample_shape;          // without batch, e.g. [frames, features, 1]
  std::vector<int16_t> data;   // [samples, frames * features]
  std::vector<int> labels;     // [samples]
  std::vector<float> targets;  // [samples, target_count], regression
  int target_count = 0;
  std::vector<Split> splits;      // [samples]
  std::vector<size_t> sample_of;  // index into Dataset::samples (augmented copies share one)
  float feature_mean = 0;         // of the real features of the training split
  float feature_std = 1;          // their standard deviation, > 0
  std::string hash;

  int64_t feature_count() const { return element_count(sample_shape); }
  float normalized(float feature) const {
    return (static_cast<float>(signal.feature_scale) * feature - feature_mean) / feature_std;
  }
  std::span<const int16_t> sample(size_t index) const {
    return std::span(data).subspan(index * static_cast<size_t>(feature_count()), static_cast<size_t>(feature_count()));
  }
};

struct FeatureOptions {
  std::vector<double> speeds;  // extra copies of training recordings, resampled by these factors (0.9, 1.1)
};

// Sets feature_mean, feature_std and hash from the rest: the last step of making Features.
void finish_features(Features& features);

// Computes features of every sample on all cores. Errors: those of load_recording; cancelled.
Result<Features> compute_features(const Dataset& dataset, const Signal& signal, const FeatureOptions& options,
                                  Progress& progress);

}  // namespace thimble
