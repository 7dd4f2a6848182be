// Recurrent layers.
#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

void add_recurrent(HandlerTable&) {}

}  // namespace thimble::onnx_import
