// Makes .tflite files field by field, with what the writer never writes: float16 weights behind DEQUANTIZE, variables
// behind handles, several subgraphs, contradictions.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "formats/tflite/schema.h"

namespace thimble::test {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

struct MadeTensor {
  std::string name;
  std::vector<int32_t> shape;
  tflite::TensorType type = tflite::TensorType_FLOAT32;
  std::vector<uint8_t> data = {};  // empty: it flows
  std::vector<float> scale = {};
  std::vector<int64_t> zero_point = {};
  bool variable = false;
  int32_t axis = 0;
};

struct MadeOperator {
  tflite::BuiltinOperator code;
  std::vector<int32_t> inputs, outputs;
  tflite::BuiltinOptions kind = tflite::BuiltinOptions_NONE;
  std::function<Offset<void>(FlatBufferBuilder&)> options = {};
  std::string custom = {};
};

struct MadeSubgraph {
  std::vector<MadeTensor> tensors;
  std::vector<MadeOperator> operators;
  std::vector<int32_t> inputs, outputs;
};

struct MadeSignature {
  std::string key;
  std::vector<std::pair<std::string, uint32_t>> inputs, outputs;  // name, tensor
};

template <class T>
std::vector<uint8_t> bytes_of(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class Maker {
 public:
  std::vector<uint8_t> make(const std::vector<MadeSubgraph>& subgraphs, const std::vector<MadeSignature>& signatures) {
    buffers_.push_back(tflite::CreateBuffer(builder_));
    std::vector<Offset<tflite::SubGraph>> stored;
    for (const MadeSubgraph& subgraph : subgraphs) stored.push_back(store(subgraph));
    std::vector<Offset<tflite::SignatureDef>> defs;
    for (const MadeSignature& signature : signatures) {
      const auto inputs = builder_.CreateVector(ports(signature.inputs));
      const auto outputs = builder_.CreateVector(ports(signature.outputs));
      const auto key = builder_.CreateString(signature.key);
      defs.push_back(tflite::CreateSignatureDef(builder_, inputs, outputs, key, 0));
    }
    const auto codes = builder_.CreateVector(codes_);
    const auto graphs = builder_.CreateVector(stored);
    const auto text = builder_.CreateString("made by a test");
    const auto buffers = builder_.CreateVector(buffers_);
    const auto def_list = builder_.CreateVector(defs);
    tflite::FinishModelBuffer(
        builder_, tflite::CreateModel(builder_, tflite::kSchemaVersion, codes, graphs, text, buffers, 0, 0, def_list));
    return {builder_.GetBufferPointer(), builder_.GetBufferPointer() + builder_.GetSize()};
  }

 private:
  std::vector<Offset<tflite::TensorMap>> ports(const std::vector<std::pair<std::string, uint32_t>>& names) {
    std::vector<Offset<tflite::TensorMap>> maps;
    for (const auto& [name, tensor] : names)
      maps.push_back(tflite::CreateTensorMap(builder_, builder_.CreateString(name), tensor));
    return maps;
  }

  Offset<tflite::Tensor> store(const MadeTensor& tensor) {
    uint32_t buffer = 0;
    if (!tensor.data.empty()) {
      builder_.ForceVectorAlignment(tensor.data.size(), 1, 16);
      buffers_.push_back(tflite::CreateBuffer(builder_, builder_.CreateVector(tensor.data)));
      buffer = static_cast<uint32_t>(buffers_.size() - 1);
    }
    Offset<tflite::QuantizationParameters> quantization = 0;
    if (!tensor.scale.empty()) {
      const auto scale = builder_.CreateVector(tensor.scale);
      const auto zero = builder_.CreateVector(tensor.zero_point);
      quantization = tflite::CreateQuantizationParameters(builder_, 0, 0, scale, zero, tflite::QuantizationDetails_NONE,
                                                          0, tensor.axis);
    }
    const auto shape = builder_.CreateVector(tensor.shape);
    const auto name = builder_.CreateString(tensor.name);
    return tflite::CreateTensor(builder_, shape, tensor.type, buffer, name, quantization, tensor.variable);
  }

  Offset<tflite::Operator> store(const MadeOperator& op) {
    const auto custom = op.custom.empty() ? 0 : builder_.CreateString(op.custom);
    const auto older = std::min<int32_t>(op.code, tflite::BuiltinOperator_PLACEHOLDER_FOR_GREATER_OP_CODES);
    codes_.push_back(tflite::CreateOperatorCode(builder_, static_cast<int8_t>(older), custom, 1, op.code));
    const Offset<void> options = op.options ? op.options(builder_) : 0;
    const auto inputs = builder_.CreateVector(op.inputs);
    const auto outputs = builder_.CreateVector(op.outputs);
    return tflite::CreateOperator(builder_, static_cast<uint32_t>(codes_.size() - 1), inputs, outputs, op.kind,
                                  options);
  }

  Offset<tflite::SubGraph> store(const MadeSubgraph& subgraph) {
    std::vector<Offset<tflite::Tensor>> tensors;
    for (const MadeTensor& tensor : subgraph.tensors) tensors.push_back(store(tensor));
    std::vector<Offset<tflite::Operator>> operators;
    for (const MadeOperator& op : subgraph.operators) operators.push_back(store(op));
    const auto tensor_list = builder_.CreateVector(tensors);
    const auto inputs = builder_.CreateVector(subgraph.inputs);
    const auto outputs = builder_.CreateVector(subgraph.outputs);
    const auto operator_list = builder_.CreateVector(operators);
    return tflite::CreateSubGraph(builder_, tensor_list, inputs, outputs, operator_list, builder_.CreateString("main"));
  }

  FlatBufferBuilder builder_;
  std::vector<Offset<tflite::OperatorCode>> codes_;
  std::vector<Offset<tflite::Buffer>> buffers_;
};

inline std::vector<uint8_t> make_tflite(const std::vector<MadeSubgraph>& subgraphs,
                                        const std::vector<MadeSignature>& signatures = {}) {
  return Maker().make(subgraphs, signatures);
}

// VAR_HANDLE that names a variable, for output tensor `handle`.
inline MadeOperator var_handle(std::string name, int32_t handle) {
  return {tflite::BuiltinOperator_VAR_HANDLE,
          {},
          {handle},
          tflite::BuiltinOptions_VarHandleOptions,
          [name](FlatBufferBuilder& builder) {
            return tflite::CreateVarHandleOptions(builder, 0, builder.CreateString(name)).Union();
          }};
}

inline MadeOperator call_once(int32_t subgraph) {
  return {tflite::BuiltinOperator_CALL_ONCE,
          {},
          {},
          tflite::BuiltinOptions_CallOnceOptions,
          [subgraph](FlatBufferBuilder& builder) { return tflite::CreateCallOnceOptions(builder, subgraph).Union(); }};
}

}  // namespace thimble::test
