// What the values of a float graph hold on real inputs, and which range of it int8 should cover.
#pragma once
#include <span>
#include <vector>

#include "core/progress.h"
#include "graph/graph.h"
#include "quantize/int8_graph.h"
#include "quantize/quantize.h"

namespace thimble {

// Everything one value was seen to hold. Exact zeros are counted apart: int8 represents them without error.
struct Observation {
  float min = 0, max = 0;  // both 0 until something was seen; the range always includes 0
  double zeros = 0;
  std::vector<double> bins;  // counts over [min, max], equal widths
};

// `count` samples of the training split, the same number of each class as far as there are any.
std::vector<size_t> calibration_samples(const Features& features, int count, uint64_t seed);

// Runs the samples through the graph (twice: extremes, then histograms). One Observation per value of the graph;
// constants stay empty. Errors: diverged (a layer gives NaN or infinity), bad_data (features do not fit the graph's
// input), cancelled.
Result<std::vector<Observation>> observe(Graph& graph, const TrainedModel& model, const Features& features,
                                         std::span<const size_t> samples, Progress& progress);

// The range to represent: "minmax" all that was seen; "percentile" without the tails beyond it; "mse" the range whose
// rounding and clipping errors have the least sum of squares.
RealRange choose_range(const Observation& observation, const QuantizeOptions& options);

}  // namespace thimble
