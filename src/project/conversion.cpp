#include "core/resources.h"
#include "firmware/emit_model.h"
#include "formats/c_array.h"
#include "formats/tflite/tflite.h"
#include "plan/offline_plan.h"
#include "project/model_conversion.h"
#include "project/steps.h"

namespace thimble {

Result<Conversion> convert(Workspace& workspace) {
  const Project& project = workspace.project();
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Plan* plan, workspace.plan());
  THIMBLE_LET(const Features* features, workspace.features());
  Conversion result;
  const std::vector<size_t> test = rows_of(*features, Split::test);
  THIMBLE_LET(result.float_test, evaluate_float(workspace, test));
  THIMBLE_LET(result.int8_test, evaluate_int8(workspace, test));

  THIMBLE_LET(const Plan apart, make_plan(model->graph, {.overlap = false}));  // other kernels read in another order
  THIMBLE_LET(const std::vector<uint8_t> tflite,
              write_tflite(model->graph, {.info = {.labels = model->classes},
                                          .arena_offsets = offline_offsets(model->graph, apart)}));
  const std::vector<uint8_t> bundle = write_bundle(*plan);
  result.tflite = project.out("model.tflite");
  result.header = project.out("model_data.h");
  result.bundle = project.out("model.bundle");
  result.tflite_bytes = static_cast<int64_t>(tflite.size());
  result.bundle_bytes = static_cast<int64_t>(bundle.size());
  THIMBLE_TRY(write_bytes(result.tflite, tflite));
  THIMBLE_TRY(write_text(result.header, write_c_array_header(tflite, c_identifier(project.name))));
  THIMBLE_TRY(write_bytes(result.bundle, bundle));
  return result;
}

Result<Path> compile_library(Workspace& workspace) {
  THIMBLE_LET(const QuantizedModel* model, workspace.quantized());
  THIMBLE_LET(const Plan* plan, workspace.plan());
  THIMBLE_LET(const Features* features, workspace.features());
  THIMBLE_LET(const EmittedModel emitted, emit_model(*plan, {.classes = model->classes, .signal = features->signal}));
  const Path folder = workspace.project().out("library");
  THIMBLE_TRY(write_library(emitted, folder));
  return folder;
}

}  // namespace thimble
