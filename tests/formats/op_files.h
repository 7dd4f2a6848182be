// Every case of every operator as a one-node graph in float32, int8 and int16, where a file can hold it and the host
// can run it.
#pragma once
#include <algorithm>
#include <vector>

#include "ops/op_harness.h"
#include "plan/session.h"

namespace thimble::test {

struct OpFile {
  std::string name;
  Graph graph;
  std::vector<uint8_t> inputs;  // of one sample
};

// State as a file has it at first.
inline void reset_states(Graph& graph) {
  for (Value& value : graph.values) {
    if (!value.initial) continue;
    const bool int8 = value.type.dtype == DType::i8 && !value.quantization.empty();
    value.initial = std::make_shared<Tensor>(Tensor::zeros(value.type.dtype, value.type.shape));
    std::ranges::fill(value.initial->bytes, static_cast<std::byte>(int8 ? value.quantization.zero_point[0] : 0));
  }
}

inline std::vector<OpFile> op_files() {
  std::vector<OpFile> files;
  for (const Subject& subject : all_subjects()) {
    if (!subject.op->tflite || subject.test.training) continue;
    const Values values = draw_inputs(subject.test, 7);
    for (DType dtype : {DType::f32, DType::i8, DType::i16}) {
      if (dtype != DType::f32 && !subject.op->quantize) continue;
      OpFile file{subject.name() + "/" + std::string(name_of(dtype)),
                  dtype == DType::f32 ? float_graph(subject, values) : quantized_graph(subject, values, dtype),
                  {}};
      if (file.graph.inputs.empty() || file.graph.outputs.empty() || !make_plan(file.graph, {})) continue;
      // A file has handles for state only.
      if (subject.op->name == "read_variable" && !file.graph[file.graph.nodes[0].inputs[0]].initial) continue;
      reset_states(file.graph);
      for (const std::vector<std::byte>& bytes : input_bytes(file.graph, values)) {
        const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
        file.inputs.insert(file.inputs.end(), from, from + bytes.size());
      }
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace thimble::test
