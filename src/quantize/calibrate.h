// What the values of a float graph hold on real inputs, and which range of it int8 should cover.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "core/progress.h"
#include "graph/graph.h"
#include "quantize/int8_graph.h"
#include "quantize/quantize.h"
#include "train/executor.h"

namespace thimble {

// Everything one value was seen to hold. Exact zeros are counted apart: int8 represents them without error.
struct Observation {
  float min = 0, max = 0;  // both 0 until something was seen; the range always includes 0
  double zeros = 0;
  std::vector<double> bins;  // counts over [min, max], equal widths
};

// `count` samples of the training split, the same number of each class as far as there are any.
std::vector<size_t> calibration_samples(const Features& features, int count, uint64_t seed);

// Normalised features, ready to be run through a graph in batches of one size.
class CalibrationInputs {
 public:
  CalibrationInputs(const TrainedModel& model, const Features& features, std::vector<size_t> samples)
      : model_(model), features_(features), samples_(std::move(samples)) {}

  // Runs all samples through the graph and calls visit(executor, rows) after each batch, of which the first `rows` rows
  // count. Errors: bad_data (features do not fit the graph's input), cancelled, those of visit.
  Outcome run(Graph& graph, std::string_view title, Progress& progress,
              const std::function<Outcome(Executor&, size_t rows)>& visit) const;

 private:
  const TrainedModel& model_;
  const Features& features_;
  std::vector<size_t> samples_;
};

// Shows what a value holds, a batch of samples at a time.
using ValueVisitor = std::function<Outcome(ValueId, std::span<const float>)>;
// Runs all samples through a graph and shows every float32 value that flows.
using SampleRun = std::function<Outcome(std::string_view title, const ValueVisitor&)>;

// What each value of the graph holds on the samples (two runs: extremes, then histograms), by ValueId; what a run does
// not show stays empty. Errors: diverged (a layer gives NaN or infinity), those of the run.
Result<std::vector<Observation>> observe(const Graph& graph, const SampleRun& run);
Result<std::vector<Observation>> observe(Graph& graph, const CalibrationInputs& inputs, Progress& progress);

// The range to represent: "minmax" all that was seen; "percentile" without the tails beyond it; "mse" the range whose
// rounding and clipping errors have the least sum of squares.
RealRange choose_range(const Observation& observation, const QuantizeOptions& options);

// The range of every value, by ValueId. Outputs of the model keep all that was seen: clipping them would bend every
// prediction at the ends of a regression.
std::vector<RealRange> ranges_of(const Graph& graph, std::span<const Observation> observations,
                                 const QuantizeOptions& options);

// Errors: usage, naming the option that is out of range.
Outcome check_options(const QuantizeOptions& options);

}  // namespace thimble
