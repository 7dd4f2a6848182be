#include "quantize/calibrate.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"

namespace thimble {

namespace {

constexpr size_t kBins = 2048;
constexpr size_t kBatch = 32;

bool flows(const Graph& graph, ValueId id) { return !graph[id].constant; }

// The values an inference computes, in order: inputs, then what each node gives.
std::vector<ValueId> flowing_values(const Graph& graph) {
  std::vector<ValueId> ids = graph.inputs;
  for (const Node& node : graph.nodes)
    for (ValueId output : node.outputs)
      if (flows(graph, output)) ids.push_back(output);
  return ids;
}

void widen(Observation& observation, std::span<const float> values) {
  const auto [low, high] = std::ranges::minmax(values);
  observation.min = std::min(observation.min, low);
  observation.max = std::max(observation.max, high);
}

void count(Observation& observation, std::span<const float> values) {
  observation.bins.resize(kBins, 0);
  const double width = (static_cast<double>(observation.max) - observation.min) / kBins;
  for (float value : values) {
    if (value == 0)
      ++observation.zeros;
    else
      ++observation.bins[std::min(kBins - 1, static_cast<size_t>((value - observation.min) / width))];
  }
}

Outcome check_finite(const Graph& graph, ValueId id, std::span<const float> values) {
  if (std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) return {};
  return fail(ErrorCode::diverged, "gives NaN or infinity on a calibration sample", graph[id].name,
              "train again with a lower learning rate; of an imported model, check the calibration data");
}

// Sums that make the error of any clipping range cheap: of counts, values and squares up to each bin.
struct Moments {
  std::vector<double> count{0}, value{0}, square{0};

  explicit Moments(const Observation& observation) {
    const double width = (static_cast<double>(observation.max) - observation.min) / kBins;
    for (size_t bin = 0; bin < observation.bins.size(); ++bin) {
      const double center = observation.min + (static_cast<double>(bin) + 0.5) * width;
      const double n = observation.bins[bin];
      count.push_back(count.back() + n);
      value.push_back(value.back() + n * center);
      square.push_back(square.back() + n * center * center);
    }
  }
  // Sum of (x - bound)^2 over bins [begin, end).
  double distance(size_t begin, size_t end, double bound) const {
    return square[end] - square[begin] - 2 * bound * (value[end] - value[begin]) +
           bound * bound * (count[end] - count[begin]);
  }
};

RealRange least_squares_range(const Observation& observation) {
  constexpr int kSteps = 64, kFewest = 8;
  const Moments moments(observation);
  const double width = (static_cast<double>(observation.max) - observation.min) / kBins;
  const auto bin_of = [&](double bound) {
    return std::min(kBins, static_cast<size_t>(std::lround((bound - observation.min) / width)));
  };
  RealRange best{observation.min, observation.max};
  double least = std::numeric_limits<double>::infinity();
  for (int low = kSteps; low >= kFewest; --low) {
    for (int high = kSteps; high >= kFewest; --high) {
      const RealRange range{observation.min * static_cast<double>(low) / kSteps,
                            observation.max * static_cast<double>(high) / kSteps};
      const size_t begin = bin_of(range.min), end = bin_of(range.max);
      const double step = (range.max - range.min) / 255;
      const double rounding = (moments.count[end] - moments.count[begin]) * step * step / 12;
      const double error = rounding + moments.distance(0, begin, range.min) + moments.distance(end, kBins, range.max);
      if (error < least) {
        least = error;
        best = range;
      }
      if (observation.max == 0) break;
    }
    if (observation.min == 0) break;
  }
  return best;
}

RealRange percentile_range(const Observation& observation, double percentile) {
  double total = observation.zeros;
  for (double n : observation.bins) total += n;
  const double tail = total * (1 - percentile / 100);
  const double width = (static_cast<double>(observation.max) - observation.min) / kBins;
  size_t begin = 0, end = kBins;
  for (double cut = observation.bins[0]; begin < end && cut <= tail; cut += observation.bins[begin]) ++begin;
  for (double cut = observation.bins[end - 1]; end > begin && cut <= tail; cut += observation.bins[end - 1]) --end;
  return {std::min(0.0, observation.min + static_cast<double>(begin) * width),
          std::max(0.0, observation.min + static_cast<double>(end) * width)};
}

}  // namespace

std::vector<size_t> calibration_samples(const Features& features, int count, uint64_t seed) {
  std::vector<std::vector<size_t>> of_class(std::max<size_t>(1, features.classes.size()));
  for (size_t i = 0; i < features.splits.size(); ++i) {
    if (features.splits[i] != Split::train) continue;
    const bool labelled = features.task == Task::classification && features.labels[i] >= 0;
    of_class[labelled ? static_cast<size_t>(features.labels[i]) : 0].push_back(i);
  }
  Rng rng{seed, 0xCA11B};
  size_t largest = 0;
  for (auto& samples : of_class) {
    rng.shuffle(samples);
    largest = std::max(largest, samples.size());
  }
  std::vector<size_t> chosen;
  for (size_t round = 0; round < largest; ++round)
    for (const auto& samples : of_class)
      if (round < samples.size() && chosen.size() < static_cast<size_t>(count)) chosen.push_back(samples[round]);
  return chosen;
}

Outcome CalibrationInputs::run(Graph& graph, std::string_view title, Progress& progress,
                               const std::function<Outcome(Executor&, size_t rows)>& visit) const {
  if (graph.inputs.size() != 1 || element_count(graph[graph.inputs[0]].type.shape) != features_.feature_count())
    return fail(ErrorCode::bad_data,
                fmt::format("the features are {}, which is not the model's input", to_string(features_.sample_shape)),
                graph.name, "compute the features with the signal settings the model was trained with");
  const size_t batch = std::min(kBatch, samples_.size());
  THIMBLE_LET(Executor executor, Executor::make(graph, static_cast<int64_t>(batch)));
  const auto scale = static_cast<float>(features_.signal.feature_scale);
  progress.begin(title, static_cast<int64_t>(samples_.size()));
  for (size_t begin = 0; begin < samples_.size(); begin += batch) {
    THIMBLE_TRY(check_stop());
    const size_t rows = std::min(batch, samples_.size() - begin);
    float* input = executor.value(graph.inputs[0]).data();
    for (size_t row = begin; row < begin + rows; ++row)
      for (int16_t feature : features_.sample(samples_[row]))
        *input++ = (scale * static_cast<float>(feature) - model_.feature_mean) / model_.feature_std;
    executor.forward(false, 0);
    THIMBLE_TRY(visit(executor, rows));
    progress.update(static_cast<int64_t>(begin + rows), "");
  }
  progress.end(fmt::format("{} samples", samples_.size()));
  return {};
}

Result<std::vector<Observation>> observe(const Graph& graph, const SampleRun& run) {
  std::vector<Observation> observations(graph.values.size());
  THIMBLE_TRY(run("calibrate: ranges", [&](ValueId id, std::span<const float> values) {
    widen(observations[static_cast<size_t>(id)], values);
    return check_finite(graph, id, values);
  }));
  THIMBLE_TRY(run("calibrate: histograms", [&](ValueId id, std::span<const float> values) {
    count(observations[static_cast<size_t>(id)], values);
    return Outcome{};
  }));
  return observations;
}

Result<std::vector<Observation>> observe(Graph& graph, const CalibrationInputs& inputs, Progress& progress) {
  const std::vector<ValueId> ids = flowing_values(graph);
  return observe(graph, [&](std::string_view title, const ValueVisitor& visit) {
    return inputs.run(graph, title, progress, [&](Executor& executor, size_t rows) -> Outcome {
      for (ValueId id : ids) {
        const auto all = executor.value(id);
        THIMBLE_TRY(visit(id, all.first(all.size() / static_cast<size_t>(executor.batch()) * rows)));
      }
      return {};
    });
  });
}

RealRange choose_range(const Observation& observation, const QuantizeOptions& options) {
  if (observation.min == observation.max) return {};
  RealRange range{observation.min, observation.max};
  if (options.method == "percentile") range = percentile_range(observation, options.percentile);
  if (options.method == "mse") range = least_squares_range(observation);
  return {range.min * (1 + options.margin), range.max * (1 + options.margin)};
}

}  // namespace thimble
