// Small ONNX models written on the spot.
#pragma once
#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

namespace thimble {

class OnnxSample {
 public:
  explicit OnnxSample(int64_t opset = 13) {
    model_.set_ir_version(7);
    model_.add_opset_import()->set_version(opset);
    model_.mutable_graph()->set_name("sample");
  }

  OnnxSample& input(const std::string& name, const std::vector<int64_t>& shape, int type = onnx::TensorProto::FLOAT) {
    describe(*model_.mutable_graph()->add_input(), name, shape, type);
    return *this;
  }
  OnnxSample& output(const std::string& name) {
    describe(*model_.mutable_graph()->add_output(), name, {}, onnx::TensorProto::FLOAT);
    return *this;
  }
  OnnxSample& floats(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
    auto& tensor = initializer(name, shape, onnx::TensorProto::FLOAT);
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
    return *this;
  }
  OnnxSample& integers(const std::string& name, const std::vector<int64_t>& shape, const std::vector<int64_t>& values) {
    auto& tensor = initializer(name, shape, onnx::TensorProto::INT64);
    for (int64_t value : values) tensor.add_int64_data(value);
    return *this;
  }
  // Of int8, uint8 or int32.
  OnnxSample& codes(const std::string& name, const std::vector<int64_t>& shape, int type,
                    const std::vector<int32_t>& values) {
    auto& tensor = initializer(name, shape, type);
    for (int32_t value : values) tensor.add_int32_data(value);
    return *this;
  }
  OnnxSample& node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs,
                   const std::vector<std::pair<std::string, std::vector<int64_t>>>& attributes = {}) {
    auto& node = *model_.mutable_graph()->add_node();
    node.set_op_type(op);
    node.set_name(op + "_" + outputs[0]);
    for (const std::string& name : inputs) node.add_input(name);
    for (const std::string& name : outputs) node.add_output(name);
    for (const auto& [name, values] : attributes) {
      auto& attribute = *node.add_attribute();
      attribute.set_name(name);
      for (int64_t value : values) attribute.add_ints(value);
      if (!values.empty()) attribute.set_i(values[0]);
    }
    return *this;
  }

  OnnxSample& drop_outputs(int node) {
    model_.mutable_graph()->mutable_node(node)->clear_output();
    return *this;
  }

  onnx::ModelProto& proto() { return model_; }
  std::vector<uint8_t> bytes() const {
    const std::string text = model_.SerializeAsString();
    return {text.begin(), text.end()};
  }

 private:
  static void describe(onnx::ValueInfoProto& info, const std::string& name, const std::vector<int64_t>& shape,
                       int type) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    for (int64_t extent : shape) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
  }
  onnx::TensorProto& initializer(const std::string& name, const std::vector<int64_t>& shape, int type) {
    auto& tensor = *model_.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (int64_t extent : shape) tensor.add_dims(extent);
    return tensor;
  }

  onnx::ModelProto model_;
};

// Convolution, batch normalisation, activation, pool, flatten and a matrix: what a small image classifier has.
inline OnnxSample sample_cnn() {
  const auto ramp = [](size_t count, float step) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = step * static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
    return values;
  };
  OnnxSample sample;
  sample.input("x", {1, 2, 6, 6})
      .floats("w", {4, 2, 3, 3}, ramp(72, 0.1f))
      .floats("gamma", {4}, {1, 2, 0.5f, 1})
      .floats("beta", {4}, {0, 1, -1, 0.5f})
      .floats("mean", {4}, {0.5f, 0, 0, -1})
      .floats("var", {4}, {1, 2, 1, 0.5f})
      .floats("dense", {3, 36}, ramp(108, 0.05f))
      .floats("bias", {3}, {0.1f, 0.2f, 0.3f})
      .node("Conv", {"x", "w"}, {"c"}, {{"kernel_shape", {3, 3}}, {"pads", {1, 1, 1, 1}}, {"strides", {1, 1}}})
      .node("BatchNormalization", {"c", "gamma", "beta", "mean", "var"}, {"n"})
      .node("Relu", {"n"}, {"r"})
      .node("MaxPool", {"r"}, {"p"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}})
      .node("Flatten", {"p"}, {"f"})
      .node("Gemm", {"f", "dense", "bias"}, {"y"}, {{"transB", {1}}})
      .output("y");
  return sample;
}

// A quantised convolution, as QuantizeLinear and DequantizeLinear pairs.
inline OnnxSample sample_qdq() {
  OnnxSample sample;
  sample.input("x", {1, 1, 4, 4})
      .floats("xs", {}, {0.05f})
      .codes("xz", {}, onnx::TensorProto::UINT8, {120})
      .floats("ws", {2}, {0.02f, 0.03f})
      .codes("wz", {2}, onnx::TensorProto::INT8, {0, 0})
      .codes("w", {2, 1, 3, 3}, onnx::TensorProto::INT8,
             {1, -20, 30, 44, -5, 60, 7, 80, -9, 9, -8, 70, -6, 50, 4, -30, 2, 100})
      .floats("ys", {}, {0.1f})
      .codes("yz", {}, onnx::TensorProto::UINT8, {128})
      .node("QuantizeLinear", {"x", "xs", "xz"}, {"xq"})
      .node("DequantizeLinear", {"xq", "xs", "xz"}, {"xr"})
      .node("DequantizeLinear", {"w", "ws", "wz"}, {"wr"}, {{"axis", {0}}})
      .node("Conv", {"xr", "wr"}, {"c"}, {{"kernel_shape", {3, 3}}})
      .node("QuantizeLinear", {"c", "ys", "yz"}, {"cq"})
      .node("DequantizeLinear", {"cq", "ys", "yz"}, {"y"})
      .output("y");
  return sample;
}

}  // namespace thimble
