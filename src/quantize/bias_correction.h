// Rounding weights shifts the mean of a layer's outputs; its bias can take that back. Method: Nagel, van Baalen,
// Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2
// (empirical form).
#pragma once
#include "core/progress.h"
#include "graph/graph.h"
#include "quantize/calibrate.h"

namespace thimble {

// Adds to every int32 bias of int8_graph the mean over the samples of (weights - rounded weights) applied to the
// layer's float inputs. int8_graph was made from float_graph, node for node. Errors: cancelled.
Outcome correct_bias(Graph& float_graph, Graph& int8_graph, const CalibrationInputs& inputs, Progress& progress);

}  // namespace thimble
