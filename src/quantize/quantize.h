// Post-training int8 quantisation: batch norm folded, ranges calibrated on real features, weights per channel.
#pragma once
#include <string>
#include <vector>

#include "core/progress.h"
#include "graph/graph.h"
#include "train/features.h"
#include "train/train.h"

namespace thimble {

struct QuantizeOptions {
  int calibration_samples = 256;      // stratified over classes, from the training split
  std::string method = "mse";         // minmax, percentile, mse (the clipping range with the least squared error)
  double percentile = 99.99;
  double margin = 0;                  // widens every observed range by this fraction
  uint64_t seed = 1;
};

struct TensorRange {
  std::string value;
  float min = 0, max = 0;
};

struct QuantizedModel {
  Graph graph;           // int8 in and out; same values' names as the float graph where they survive
  Graph float_graph;     // the folded float32 graph it was made from, for comparison
  Task task = Task::classification;
  std::vector<std::string> classes;
  SignalConfig signal;
  uint32_t signal_fingerprint = 0;
  std::vector<TensorRange> ranges;
  std::string hash;
};

// The graph passes that turn a training graph into an inference graph: dropout removed, batch norm folded, activations fused.
Result<Graph> fold_for_inference(const Graph& graph);

Result<QuantizedModel> quantize_model(const TrainedModel& model, const Features& features, const QuantizeOptions& options, Progress& progress);

// int16 features -> the int8 input of a quantised graph, with the device's own arithmetic (requantize of device/base/fixed_point.h).
struct InputQuantization {
  int32_t multiplier = 0, shift = 0, zero_point = 0;
  int8_t apply(int16_t feature) const;
};
InputQuantization input_quantization(double feature_scale, const Quantization& input);

}  // namespace thimble
