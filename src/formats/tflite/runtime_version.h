// The first TensorFlow Lite that runs an operator in a version, as its published table says.
#pragma once
#include <string>
#include <string_view>

namespace thimble::tflite {

// Major * 10000 + minor * 100 + patch; 0 for an operator or version that the table lacks.
int runtime_for(std::string_view builtin, int version);

// "2.11.0"
std::string runtime_text(int runtime);

}  // namespace thimble::tflite
