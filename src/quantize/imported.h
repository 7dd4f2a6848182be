// Post-training int8 quantisation of a model that came from elsewhere, calibrated on samples of its own inputs.
#pragma once
#include "core/progress.h"
#include "graph/samples.h"
#include "quantize/quantize.h"

namespace thimble {

struct QuantizedGraph {
  Graph float_graph;                      // folded for inference
  Graph graph;                            // int8, and float32 where a layer has no int8 form
  std::vector<std::string> float_layers;  // of graph: those that stay float32
};

// samples: real numbers (or what the inputs hold); the first options.calibration_samples of them are used. State moves
// on from sample to sample. Errors: usage (options), unsupported (a model that is not float32), diverged, cancelled.
Result<QuantizedGraph> quantize_graph(const Graph& graph, const Samples& samples, const QuantizeOptions& options,
                                      Progress& progress);

}  // namespace thimble
