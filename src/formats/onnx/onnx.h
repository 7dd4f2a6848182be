// ONNX model files (.onnx, opset 7 to 21) as a Graph: float32 models, and quantised ones (QuantizeLinear and
// DequantizeLinear pairs, or the QLinear operators) as int8 graphs. docs/onnx.md says which operators and how.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace thimble {

struct OnnxOptions {
  // Inputs with four axes enter as [N, H, W, C], as cameras give images, instead of ONNX's [N, C, H, W].
  bool nhwc_inputs = false;
  // Model inputs that are known in advance, by name: they become constants.
  std::map<std::string, Tensor> fixed_inputs;
  // The content of a file beside the model that holds tensors (external data); name: one of that folder, without a way
  // there. Empty: such models are refused.
  std::function<Result<std::vector<uint8_t>>(const std::string& name)> side_file;
};

// The bytes may be hostile: everything is checked before it is used, and the graph has passed verify(). Nodes keep the
// file's names. Errors: bad_data (not a model, or one that contradicts itself), unsupported (operators, types or forms
// that thimble does not run, naming node, operator and remedy).
Result<Graph> read_onnx(std::span<const uint8_t> bytes, const OnnxOptions& options = {});

}  // namespace thimble
