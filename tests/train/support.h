// Small feature sets made by hand, so that training is tested without sounds.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/rng.h"
#include "train/architecture.h"
#include "train/train.h"

namespace thimble {

// sin(x) over one period: x in [0, 2 pi] as int16 steps of 1/4096.
inline Features sine_features(size_t count = 1000) {
  Features features{.task = Task::regression, .sample_shape = {1}, .target_count = 1};
  features.signal.frames = features.signal.features = 1;
  features.signal.feature_scale = 1.0 / 4096;
  Rng rng{7};
  for (size_t i = 0; i < count; ++i) {
    const auto step = static_cast<int16_t>(rng.uniform(0, 2 * std::numbers::pi) * 4096);
    features.data.push_back(step);
    features.targets.push_back(static_cast<float>(std::sin(step / 4096.0)));
    features.labels.push_back(-1);
    features.splits.push_back(i % 5 == 0 ? Split::validation : i % 5 == 1 ? Split::test : Split::train);
    features.sample_of.push_back(i);
  }
  finish_features(features);
  return features;
}

// Three classes of [frames, bands, 1] pictures: a bright stripe in the lower, middle or upper bands, under noise.
inline Features stripe_features(size_t count = 300, int frames = 12, int bands = 9) {
  Features features{.classes = {"low", "middle", "high"}, .sample_shape = {frames, bands, 1}};
  features.signal.frames = frames;
  features.signal.features = bands;
  features.signal.feature_scale = 1.0 / 256;
  Rng rng{8};
  for (size_t i = 0; i < count; ++i) {
    const int label = static_cast<int>(i % 3);
    for (int frame = 0; frame < frames; ++frame)
      for (int band = 0; band < bands; ++band)
        features.data.push_back(static_cast<int16_t>(500 + (band * 3 / bands == label ? 150 : 0) + 120 * rng.normal()));
    features.labels.push_back(label);
    features.splits.push_back(i % 10 == 0 ? Split::validation : i % 10 == 1 ? Split::test : Split::train);
    features.sample_of.push_back(i);
  }
  finish_features(features);
  return features;
}

inline std::vector<size_t> of_split(const Features& features, Split split) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < features.splits.size(); ++i)
    if (features.splits[i] == split) indices.push_back(i);
  return indices;
}

inline Graph sine_network(uint64_t seed = 1) {
  return make_architecture({.name = "mlp", .input = {1, 1}, .outputs = 1, .classification = false, .seed = seed})
      .value();
}

inline std::vector<float> weights_of(const Graph& graph) {
  std::vector<float> numbers;
  for (const Value& value : graph.values)
    if (value.constant)
      numbers.insert(numbers.end(), value.constant->as<float>().begin(), value.constant->as<float>().end());
  return numbers;
}

// Fails the test with the error's text.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

// A place for this test's files, emptied.
inline Path fresh_folder(const std::string& name) {
  const Path folder = Path(testing::TempDir()) / "thimble_train" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace thimble
