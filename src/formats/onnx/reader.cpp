#include "formats/onnx/onnx.h"

namespace thimble {

Result<Graph> read_onnx(std::span<const uint8_t>, const OnnxOptions&) {
  return fail(ErrorCode::unsupported, ".onnx models are not read yet", {}, "convert the model to .tflite");
}

}  // namespace thimble
