#include "train/features.h"

#include <atomic>
#include <cmath>
#include <mutex>

#include "core/threads.h"
#include "data/resample.h"

namespace thimble {

namespace {

struct Source {
  size_t sample = 0;  // index into Dataset::samples
  double speed = 1;
};

// Recordings of the training split come once as they are and once at each further speed.
std::vector<Source> list_sources(const Dataset& dataset, const FeatureOptions& options) {
  std::vector<Source> sources;
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    sources.push_back({i, 1});
    if (dataset.samples[i].split != Split::train || !dataset.samples[i].values.empty()) continue;
    for (double speed : options.speeds)
      if (speed != 1) sources.push_back({i, speed});
  }
  return sources;
}

Outcome check_options(const Dataset& dataset, const Signal& signal, const FeatureOptions& options) {
  if (dataset.samples.empty()) return fail(ErrorCode::bad_data, "the dataset is empty", dataset.root.string());
  if (dataset.sample_rate_hz != 0 && signal.config.sample_rate_hz != dataset.sample_rate_hz)
    return fail(ErrorCode::usage,
                fmt::format("recordings at {} Hz, but a signal for {} Hz", dataset.sample_rate_hz,
                            signal.config.sample_rate_hz),
                "signal.sample_rate_hz", fmt::format("set it to {}", dataset.sample_rate_hz));
  for (double speed : options.speeds)
    if (!(speed >= 0.5 && speed <= 2))
      return fail(ErrorCode::usage, fmt::format("speed {} is not in 0.5 ... 2", speed), "speeds");
  return {};
}

Features empty_features(const Dataset& dataset, const Signal& signal, const std::vector<Source>& sources) {
  Features features{.signal = signal, .task = dataset.task, .classes = dataset.classes};
  const Shape input = signal.input_shape();
  features.sample_shape.assign(input.begin() + 1, input.end());
  features.data.resize(sources.size() * static_cast<size_t>(features.feature_count()));
  for (const Source& source : sources) {
    const Sample& sample = dataset.samples[source.sample];
    features.labels.push_back(sample.label);
    features.targets.insert(features.targets.end(), sample.targets.begin(), sample.targets.end());
    features.splits.push_back(sample.split);
    features.sample_of.push_back(source.sample);
  }
  if (dataset.task == Task::regression) features.target_count = static_cast<int>(dataset.samples[0].targets.size());
  return features;
}

Outcome compute_one(const Dataset& dataset, const Source& source, Features& features, size_t index) {
  THIMBLE_LET(const Recording recording, load_recording(dataset, dataset.samples[source.sample]));
  std::vector<int16_t> samples = recording.samples;
  if (source.speed != 1) samples = change_speed(samples, source.speed, recording.channels);
  const std::vector<int16_t> row = compute_features(features.signal, samples);
  std::ranges::copy(row, features.data.begin() + static_cast<ptrdiff_t>(index * row.size()));
  return {};
}

std::string hash_of(const Features& features) {
  const auto bytes = [](const auto& list) {
    return std::span(reinterpret_cast<const uint8_t*>(list.data()), list.size() * sizeof(list[0]));
  };
  std::string parts = fmt::format("{} {} {}", features.signal.fingerprint, to_string(features.sample_shape),
                                  fmt::join(features.classes, ","));
  parts += content_hash(bytes(features.data)) + content_hash(bytes(features.labels));
  parts += content_hash(bytes(features.targets)) + content_hash(bytes(features.splits));
  return content_hash(parts);
}

}  // namespace

void finish_features(Features& features) {
  double sum = 0, squares = 0, count = 0;
  for (size_t i = 0; i < features.splits.size(); ++i) {
    if (features.splits[i] != Split::train) continue;
    for (int16_t value : features.sample(i)) {
      sum += value;
      squares += static_cast<double>(value) * value;
      ++count;
    }
  }
  const double mean = count > 0 ? sum / count : 0;
  const double variance = count > 0 ? squares / count - mean * mean : 0;
  features.feature_mean = static_cast<float>(mean * features.signal.feature_scale);
  features.feature_std = variance > 0 ? static_cast<float>(std::sqrt(variance) * features.signal.feature_scale) : 1.0f;
  features.hash = hash_of(features);
}

Result<Features> compute_features(const Dataset& dataset, const Signal& signal, const FeatureOptions& options,
                                  Progress& progress) {
  THIMBLE_TRY(check_options(dataset, signal, options));
  const std::vector<Source> sources = list_sources(dataset, options);
  Features features = empty_features(dataset, signal, sources);

  constexpr int64_t kPerChunk = 16;
  const auto total = static_cast<int64_t>(sources.size());
  progress.begin("features", total);
  std::atomic<int64_t> done = 0;
  std::mutex mutex;  // of progress
  std::vector<Outcome> outcomes(static_cast<size_t>((total + kPerChunk - 1) / kPerChunk));
  parallel_for(static_cast<int64_t>(outcomes.size()), [&](int64_t chunk) {
    Outcome& outcome = outcomes[static_cast<size_t>(chunk)];
    outcome = check_stop();
    const int64_t end = std::min(total, (chunk + 1) * kPerChunk);
    for (int64_t i = chunk * kPerChunk; outcome && i < end; ++i)
      outcome = compute_one(dataset, sources[static_cast<size_t>(i)], features, static_cast<size_t>(i));
    const int64_t now = done += end - chunk * kPerChunk;
    const std::lock_guard lock(mutex);
    progress.update(now, {});
  });
  for (Outcome& outcome : outcomes) THIMBLE_TRY(outcome);
  finish_features(features);
  progress.end(fmt::format("{} x {}", total, to_string(features.sample_shape)));
  return features;
}

}  // namespace thimble
