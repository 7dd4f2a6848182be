// Real spoken digits (Free Spoken Digit Dataset, 8 kHz, six speakers), split by speaker, and the recipe that learns
// them. The recipe was chosen on the four training speakers alone, each held out in turn; the test speakers decided
// nothing.
#pragma once
#include <algorithm>
#include <cstdlib>

#include "data/import.h"
#include "data/split.h"
#include "train/architecture.h"
#include "train/train.h"

namespace thimble::fsdd {

// Where the recordings are: below $THIMBLE_SHARED_DATA, else below ../shared/data beside the project.
inline Path recordings(const Path& project) {
  const char* shared = std::getenv("THIMBLE_SHARED_DATA");
  return (shared ? Path(shared) : project / "../shared/data") / "audio/fsdd/recordings";
}

inline const std::vector<std::string> kTestSpeakers = {"theo", "yweweler"};

// Test = the named speakers, training = all others.
inline Result<Dataset> dataset(const Path& recordings, std::vector<std::string> test_speakers) {
  ImportOptions options{.kind = SourceKind::pattern, .sample_rate_hz = 8000, .pattern = "{label}_{group}_{take}.wav"};
  THIMBLE_LET(Dataset dataset, import_dataset(recordings, options, silent_progress()));
  return split_dataset(std::move(dataset), {.validation = 0, .test_groups = std::move(test_speakers)});
}

// Log-mel, 49 frames of 32 bands over one second.
inline SignalConfig signal() {
  return {.block = "log_mel",
          .sample_rate_hz = 8000,
          .settings = Attrs().set("frame_ms", 32.0).set("hop_ms", 20.0).set("mel_bands", int64_t{32})};
}

inline Result<Features> features(const Dataset& dataset) {
  THIMBLE_LET(const Signal resolved, make_signal(signal()));
  return compute_features(dataset, resolved, {.speeds = {0.8, 0.87, 0.94, 1.07, 1.15, 1.25}}, silent_progress());
}

inline ArchitectureOptions architecture(uint64_t seed) {
  return {.name = "ds_cnn_pyramid", .input = {1, 49, 32, 1}, .outputs = 10, .seed = seed};
}

// Speakers are recorded at levels up to 20 dB apart, hence the gain. The last epoch is kept.
inline TrainOptions training(uint64_t seed) {
  return {
      .epochs = 60,
      .batch = 64,
      .learning_rate = 0.004,
      .weight_decay = 0.01,
      .keep_best = false,
      .augment = {.shift_frames = 3, .shift_bands = 1, .time_mask_frames = 6, .band_mask = 4, .gain = 8, .noise = 0.1},
      .seed = seed};
}

// Share of the test split whose largest output is its label's.
inline double test_accuracy(const Graph& graph, const Features& features) {
  std::vector<size_t> test;
  for (size_t i = 0; i < features.splits.size(); ++i)
    if (features.splits[i] == Split::test) test.push_back(i);
  const std::vector<float> outputs = predict(graph, features, test);
  const size_t classes = features.classes.size();
  size_t correct = 0;
  for (size_t i = 0; i < test.size(); ++i) {
    const float* row = &outputs[i * classes];
    correct += static_cast<size_t>(std::max_element(row, row + classes) - row) ==
               static_cast<size_t>(features.labels[test[i]]);
  }
  return static_cast<double>(correct) / static_cast<double>(test.size());
}

}  // namespace thimble::fsdd
