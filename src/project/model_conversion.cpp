#include "project/model_conversion.h"

#include <algorithm>

#include "core/resources.h"
#include "data/npy.h"
#include "formats/c_array.h"
#include "formats/model_file.h"
#include "formats/recurrent_steps.h"
#include "formats/tflite/biases.h"
#include "formats/tflite/tflite.h"
#include "plan/offline_plan.h"
#include "project/model_compare.h"
#include "quantize/imported.h"

namespace thimble {

namespace {

Result<std::vector<int64_t>> read_labels(const Path& file, int64_t count) {
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(file));
  THIMBLE_LET(const Tensor tensor, read_npy(bytes));
  const std::vector<float> numbers = real_values({.type = {tensor.dtype, tensor.shape}}, tensor.bytes);
  if (static_cast<int64_t>(numbers.size()) != count)
    return fail(ErrorCode::bad_data, fmt::format("{} labels for {} samples", numbers.size(), count), file.string());
  return std::vector<int64_t>(numbers.begin(), numbers.end());
}

// The share of samples whose largest output is the labelled class.
Result<double> accuracy(const Graph& graph, const Samples& samples, const std::vector<int64_t>& labels) {
  THIMBLE_LET(Interpreter interpreter, Interpreter::make(graph));
  const ValueId output = graph.outputs.at(0);
  int64_t right = 0;
  for (int64_t s = 0; s < samples.count; ++s) {
    THIMBLE_TRY(set_inputs(interpreter, samples, s));
    THIMBLE_TRY(interpreter.run());
    const std::vector<float> scores = real_values(graph[output], std::as_const(interpreter).value(output));
    right += std::ranges::max_element(scores) - scores.begin() == labels[static_cast<size_t>(s)];
  }
  return static_cast<double>(right) / static_cast<double>(samples.count);
}

// The int8 form of a float32 model, and how far it is from it.
Result<Graph> quantized(const Graph& graph, const ConvertOptions& options, Progress& progress,
                        ModelConversion& result) {
  THIMBLE_LET(const Samples samples, read_samples(graph, options.calibration, progress));
  THIMBLE_LET(QuantizedGraph model, quantize_graph(graph, samples, options.quantize, progress));
  THIMBLE_LET(result.comparison, compare_graphs(model.float_graph, model.graph, samples));
  result.float_layers = model.float_layers;
  if (!options.labels.empty()) {
    THIMBLE_LET(const std::vector<int64_t> labels, read_labels(options.labels, samples.count));
    THIMBLE_LET(result.float_accuracy, accuracy(model.float_graph, samples, labels));
    THIMBLE_LET(result.int8_accuracy, accuracy(model.graph, samples, labels));
  }
  return std::move(model.graph);
}

}  // namespace

Result<ModelConversion> convert_model(const ModelFile& model, const ConvertOptions& options, Progress& progress) {
  THIMBLE_LET(ImportedModel imported, read_model_file(model));
  ModelConversion result{.tflite = options.output};
  TfliteWriteOptions writing;
  if (imported.format == "tflite") {
    THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(model.path));
    THIMBLE_LET(writing.info, read_tflite_info(bytes));
  }
  Graph graph = std::move(imported.graph);
  if (!options.calibration.empty()) {
    THIMBLE_LET(graph, quantized(graph, options, progress, result));
  } else if (!options.labels.empty()) {
    return fail(ErrorCode::usage, "labels are for the samples of --calibrate, found none", model.path.string());
  }
  // TensorFlow Lite has no recurrent layers without state of their own.
  THIMBLE_LET(graph, write_out_recurrent(graph));
  graph = with_biases(std::move(graph));
  // Apart: other kernels read in another order.
  THIMBLE_LET(const Plan plan, make_plan(graph, {.overlap = false}));
  writing.arena_offsets = offline_offsets(graph, plan);
  THIMBLE_LET(const std::vector<uint8_t> written, write_tflite(graph, writing));
  THIMBLE_TRY(write_bytes(options.output, written));
  result.tflite_bytes = static_cast<int64_t>(written.size());
  result.arena_bytes = plan.arena_bytes;
  if (!options.header) return result;
  result.header = Path(options.output).replace_extension(".h");
  THIMBLE_TRY(write_text(result.header, write_c_array_header(written, c_identifier(options.output.stem().string()))));
  return result;
}

nlohmann::json to_json(const ModelConversion& c) {
  nlohmann::json json = {{"tflite", c.tflite.string()},
                         {"tflite_bytes", c.tflite_bytes},
                         {"header", c.header.string()},
                         {"arena_bytes", c.arena_bytes}};
  if (!c.comparison) return json;
  json["comparison"] = to_json(*c.comparison);
  json["float_layers"] = c.float_layers;
  if (c.float_accuracy) json["accuracy"] = {{"float", *c.float_accuracy}, {"int8", *c.int8_accuracy}};
  return json;
}

Outcome write_library(const EmittedModel& emitted, const Path& folder) {
  THIMBLE_TRY(write_text(folder / (emitted.name + ".h"), emitted.header));
  THIMBLE_TRY(write_text(folder / (emitted.name + ".cpp"), emitted.source));
  for (std::string_view room : {"device/base/", "device/kernels/", "device/dsp/", "device/runtime/", "device/stats/"})
    THIMBLE_TRY(unpack_resources(room, folder));
  return {};
}

Result<EmittedModel> compile_model(const ModelFile& model, const Path& folder) {
  THIMBLE_LET(const LoadedModel loaded, load_for_device(model));
  THIMBLE_LET(EmittedModel emitted, emit_model(loaded.plan, {}));
  THIMBLE_TRY(write_library(emitted, folder));
  return emitted;
}

Result<FirmwareImage> build_model(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                                  const Path& folder) {
  THIMBLE_LET(LoadedModel loaded, load_for_device(model, plan_options(board, deploy), deploy.streaming));
  return build_firmware({.app = App::tensor, .plan = std::move(loaded.plan), .form = deploy.form}, board, folder);
}

}  // namespace thimble
