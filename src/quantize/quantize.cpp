#include "quantize/quantize.h"

#include <algorithm>
#include <cmath>

#include "core/files.h"
#include "device/base/fixed_point.h"
#include "graph/passes/fold_batch_norm.h"
#include "graph/passes/fuse_activation.h"
#include "graph/passes/remove_identity.h"
#include "ops/lowering.h"
#include "quantize/bias_correction.h"
#include "quantize/calibrate.h"
#include "quantize/int8_graph.h"

namespace thimble {

namespace {

std::string hash_of(const TrainedModel& model, const Features& features, const QuantizeOptions& options) {
  return content_hash(fmt::format("{} {} {} {} {} {} {} {}", model.hash, features.hash, options.calibration_samples,
                                  options.method, options.percentile, options.margin, options.correct_bias,
                                  options.seed));
}

std::vector<TensorRange> covered_ranges(const Graph& graph) {
  std::vector<TensorRange> ranges;
  for (const Value& value : graph.values) {
    if (value.constant || value.quantization.empty()) continue;
    const float scale = value.quantization.scale[0];
    const auto zero = static_cast<float>(value.quantization.zero_point[0]);
    ranges.push_back({value.name, scale * (-128 - zero), scale * (127 - zero)});
  }
  return ranges;
}

}  // namespace

Outcome check_options(const QuantizeOptions& options) {
  const auto usage = [](std::string_view key, std::string message) {
    return fail(ErrorCode::usage, std::move(message), fmt::format("[quantize] {}", key));
  };
  if (options.method != "minmax" && options.method != "percentile" && options.method != "mse")
    return usage("method", fmt::format("\"{}\" is none of minmax, percentile, mse", options.method));
  if (options.calibration_samples < 1)
    return usage("calibration_samples", fmt::format("{} is not at least 1", options.calibration_samples));
  if (!(options.percentile > 50 && options.percentile <= 100))
    return usage("percentile", fmt::format("{} is not in (50, 100]", options.percentile));
  if (!(options.margin >= 0 && options.margin <= 1))
    return usage("margin", fmt::format("{} is not in [0, 1]", options.margin));
  return {};
}

std::vector<RealRange> ranges_of(const Graph& graph, std::span<const Observation> observations,
                                 const QuantizeOptions& options) {
  std::vector<RealRange> ranges;
  for (const Observation& observation : observations) ranges.push_back(choose_range(observation, options));
  QuantizeOptions whole = options;
  whole.method = "minmax";
  for (ValueId output : graph.outputs)
    ranges[static_cast<size_t>(output)] = choose_range(observations[static_cast<size_t>(output)], whole);
  return ranges;
}

Result<Graph> fold_for_inference(const Graph& graph) {
  return remove_identity(deep_copy(graph)).and_then(fold_batch_norm).and_then(fuse_activation);
}

Result<QuantizedModel> quantize_model(const TrainedModel& model, const Features& features,
                                      const QuantizeOptions& options, Progress& progress) {
  THIMBLE_TRY(check_options(options));
  QuantizedModel result{.task = model.task,
                        .classes = model.classes,
                        .signal = model.signal,
                        .signal_fingerprint = features.signal.fingerprint};
  THIMBLE_LET(result.float_graph, fold_for_inference(model.graph));
  std::vector<size_t> samples = calibration_samples(features, options.calibration_samples, options.seed);
  if (samples.empty())
    return fail(ErrorCode::bad_data, "the training split has no samples to calibrate with", model.graph.name,
                "split the data again: `thimble data split`");
  const CalibrationInputs inputs(model, features, std::move(samples));
  THIMBLE_LET(const std::vector<Observation> observations, observe(result.float_graph, inputs, progress));
  THIMBLE_LET(result.graph, make_int8_graph(result.float_graph, ranges_of(result.float_graph, observations, options)));
  if (options.correct_bias) THIMBLE_TRY(correct_bias(result.float_graph, result.graph, inputs, progress));
  result.input = input_quantization(features.signal.feature_scale, model.feature_mean, model.feature_std,
                                    result.graph[result.graph.inputs[0]].quantization);
  result.ranges = covered_ranges(result.graph);
  result.hash = hash_of(model, features, options);
  return result;
}

int8_t InputQuantization::apply(int16_t feature) const {
  return static_cast<int8_t>(device::clamp(device::requantize(feature, multiplier, shift) + zero_point, -128, 127));
}

InputQuantization input_quantization(double feature_scale, double feature_mean, double feature_std,
                                     const Quantization& input) {
  const double step = feature_std * static_cast<double>(input.scale.at(0));
  const ops::Multiplier m = ops::quantize_multiplier(feature_scale / step);
  return {m.multiplier, m.shift, input.zero_point.at(0) - static_cast<int32_t>(std::lround(feature_mean / step))};
}

std::vector<int8_t> quantize_features(const InputQuantization& input, std::span<const int16_t> features) {
  std::vector<int8_t> quantized(features.size());
  std::ranges::transform(features, quantized.begin(), [&](int16_t feature) { return input.apply(feature); });
  return quantized;
}

std::vector<float> dequantize(std::span<const int8_t> values, const Quantization& quantization) {
  std::vector<float> reals(values.size());
  std::ranges::transform(values, reals.begin(), [&](int8_t value) {
    return quantization.scale.at(0) * static_cast<float>(value - quantization.zero_point.at(0));
  });
  return reals;
}

}  // namespace thimble
