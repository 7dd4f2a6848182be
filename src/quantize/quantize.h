// Post-training int8 quantisation: batch norm folded, ranges calibrated on real features, weights per channel.
// Conventions are TensorFlow Lite's: activations int8 with a zero point, zero exactly representable; weights symmetric
// in [-127, 127]; bias int32 with scale input * weights.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/progress.h"
#include "graph/graph.h"
#include "train/features.h"
#include "train/train.h"

namespace thimble {

struct QuantizeOptions {
  int calibration_samples = 256;  // stratified over classes, from the training split
  std::string method = "mse";     // minmax, percentile, mse (the clipping range with the least squared error)
  double percentile = 99.99;      // of all values, for each tail
  double margin = 0;              // widens every observed range by this fraction
  bool correct_bias = true;  // shift each bias by the mean error that rounding its weights makes (Nagel et al. 2019)
  uint64_t seed = 1;
};

struct TensorRange {
  std::string value;
  float min = 0, max = 0;
};

// int16 features -> the int8 input of a quantised graph, with the device's own arithmetic (requantize of
// device/base/fixed_point.h): clamp(requantize(feature, multiplier, shift) + zero_point).
struct InputQuantization {
  int32_t multiplier = 0, shift = 0, zero_point = 0;
  int8_t apply(int16_t feature) const;
};

struct QuantizedModel {
  Graph graph;        // int8 in and out; same values' names as the float graph where they survive
  Graph float_graph;  // the folded float32 graph it was made from, for comparison
  Task task = Task::classification;
  std::vector<std::string> classes;
  SignalConfig signal;
  uint32_t signal_fingerprint = 0;
  InputQuantization input;          // of the features, with their normalisation folded in
  std::vector<TensorRange> ranges;  // what int8 covers of each calibrated value
  std::string hash;                 // of the model, the features and the options it was made from
};

// The graph passes that turn a training graph into an inference graph: dropout removed, batch norm folded, activations
// fused.
Result<Graph> fold_for_inference(const Graph& graph);

// Errors: usage (options out of range), bad_data (no training samples, features that do not fit the model), diverged
// (NaN), unsupported (a layer without an int8 form, naming it), cancelled.
Result<QuantizedModel> quantize_model(const TrainedModel& model, const Features& features,
                                      const QuantizeOptions& options, Progress& progress);

// Normalised features x = (feature_scale * feature - feature_mean) / feature_std, as the int8 input with quantisation
// `input`.
InputQuantization input_quantization(double feature_scale, double feature_mean, double feature_std,
                                     const Quantization& input);

std::vector<int8_t> quantize_features(const InputQuantization& input, std::span<const int16_t> features);
std::vector<float> dequantize(std::span<const int8_t> values, const Quantization& quantization);

}  // namespace thimble
