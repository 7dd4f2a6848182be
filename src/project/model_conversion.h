// A model file becomes something else: a .tflite file (quantised on the way, when calibration data is given), a C++
// library, a firmware.
#pragma once
#include <optional>

#include "core/progress.h"
#include "firmware/build.h"
#include "project/model_tools.h"
#include "quantize/quantize.h"
#include "report/compare.h"

namespace thimble {

struct ConvertOptions {
  Path output;                    // the .tflite
  bool header = false;            // also as a C array, beside it with the extension .h
  std::vector<Path> calibration;  // quantise a float32 model: .npy, one per input, raw bytes, or a project's folder
  Path labels;                    // .npy: the class of each calibration sample, to tell accuracies
  QuantizeOptions quantize;
};

struct ModelConversion {
  Path tflite, header;  // header: empty when none was asked for
  int64_t tflite_bytes = 0, arena_bytes = 0;
  // Of a quantised model: against the float32 one, on all calibration samples.
  std::optional<Comparison> comparison;
  std::vector<std::string> float_layers;                // those without an int8 form
  std::optional<double> float_accuracy, int8_accuracy;  // in [0, 1], with labels
};

// The .tflite holds this plan's places in memory for TensorFlow Lite Micro. Errors: those of reading, calibrating,
// planning and writing; usage.
Result<ModelConversion> convert_model(const ModelFile& model, const ConvertOptions& options, Progress& progress);
nlohmann::json to_json(const ModelConversion& conversion);

// An emitted model with the device half it needs: everything a firmware's own build takes.
Outcome write_library(const EmittedModel& emitted, const Path& folder);

// The model as such a library.
Result<EmittedModel> compile_model(const ModelFile& model, const Path& folder);

// A firmware that reads input tensors and writes output tensors.
Result<FirmwareImage> build_model(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                                  const Path& folder);

}  // namespace thimble
