// Writes .tflite files that TensorFlow Lite and TensorFlow Lite Micro load: buffer 0 is empty, constant data is 16-byte
// aligned, operator codes are stored in the older and the newer field, and the model has one signature,
// "serving_default".
#include <algorithm>
#include <set>

#include "formats/tflite/options.h"
#include "formats/tflite/tflite.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

using flatbuffers::Offset;
template <class T>
using Offsets = std::vector<Offset<T>>;

constexpr size_t kDataAlignment = 16;
// The first TensorFlow Lite with the int8 form of every operator written here.
constexpr std::string_view kMinRuntime = "2.1.0";
constexpr size_t kMinRuntimeBytes = 16;  // a fixed field, padded with zeros

// An operator's code in the file: which, and in which version.
struct OperatorVersion {
  const OpSpec* op = nullptr;
  int version = 1;
  bool operator==(const OperatorVersion&) const = default;
};

// The version that first had the form of a node: by the type of what it computes on.
int version_of(const Graph& graph, const Node& node) {
  const TfliteMapping& mapping = *node.op->tflite;
  const ValueId first = !node.inputs.empty() && node.inputs[0] != kNoValue ? node.inputs[0] : node.outputs.at(0);
  const DType dtype = graph[first].type.dtype;
  if (dtype == DType::f32) return mapping.version_f32;
  return dtype == DType::i16 && mapping.version_i16 > 0 ? mapping.version_i16 : mapping.version;
}

class Writer {
 public:
  explicit Writer(const Graph& graph) : graph_(graph) {
    buffers_.push_back(tflite::CreateBuffer(builder_));
    number_tensors();
  }
  Result<std::vector<uint8_t>> write(const TfliteWriteOptions& options);

 private:
  void number_tensors();
  std::vector<int32_t> tensor_ids(const std::vector<ValueId>& values) const;
  std::string tensor_name(int32_t tensor) const;
  uint32_t add_buffer(std::span<const uint8_t> bytes);
  uint32_t add_buffer(std::string_view text) {
    return add_buffer({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  Offset<tflite::QuantizationParameters> write_quantization(const Value& value);
  void write_tensor(int32_t tensor);
  int32_t write_constant_input(const Node& node, const TfliteConstantInput& constant);
  Result<uint32_t> operator_code(const Node& node);
  Result<Offset<tflite::Operator>> write_operator(const Node& node);
  Offset<tflite::SignatureDef> write_signature();
  Offsets<tflite::TensorMap> write_port_names(const std::vector<ValueId>& values);
  Outcome write_metadata(const TfliteWriteOptions& options);
  void add_metadata(std::string_view name, uint32_t buffer) {
    metadata_.push_back(tflite::CreateMetadata(builder_, builder_.CreateString(name.data(), name.size()), buffer));
  }

  const Graph& graph_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<ValueId> values_;      // by tensor number
  std::vector<int32_t> tensor_of_;   // by value
  Offsets<tflite::Tensor> tensors_;  // those of values_, then operators' constant inputs
  Offsets<tflite::Buffer> buffers_;
  Offsets<tflite::Metadata> metadata_;
  std::vector<OperatorVersion> codes_;
};

// Values that nothing uses are not written.
void Writer::number_tensors() {
  std::vector<bool> used(graph_.values.size(), false);
  const auto mark = [&](const std::vector<ValueId>& ids) {
    for (ValueId id : ids)
      if (id != kNoValue) used[static_cast<size_t>(id)] = true;
  };
  mark(graph_.inputs);
  mark(graph_.outputs);
  for (const Node& node : graph_.nodes) {
    mark(node.inputs);
    mark(node.outputs);
  }
  tensor_of_.assign(used.size(), kNoValue);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    tensor_of_[i] = static_cast<int32_t>(values_.size());
    values_.push_back(static_cast<ValueId>(i));
  }
}

std::vector<int32_t> Writer::tensor_ids(const std::vector<ValueId>& values) const {
  std::vector<int32_t> ids;
  for (ValueId value : values) ids.push_back(value == kNoValue ? kNoValue : tensor_of_[static_cast<size_t>(value)]);
  return ids;
}

std::string Writer::tensor_name(int32_t tensor) const {
  const std::string& name = graph_[values_[static_cast<size_t>(tensor)]].name;
  return name.empty() ? fmt::format("tensor_{}", tensor) : name;
}

uint32_t Writer::add_buffer(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return 0;
  builder_.ForceVectorAlignment(bytes.size(), 1, kDataAlignment);
  buffers_.push_back(tflite::CreateBuffer(builder_, builder_.CreateVector(bytes.data(), bytes.size())));
  return static_cast<uint32_t>(buffers_.size() - 1);
}

Offset<tflite::QuantizationParameters> Writer::write_quantization(const Value& value) {
  const Quantization& q = value.quantization;
  if (q.empty() || value.type.dtype == DType::f32) return 0;
  const std::vector<int64_t> zero_points(q.zero_point.begin(), q.zero_point.end());
  const auto scales = builder_.CreateVector(q.scale);
  const auto zeros = builder_.CreateVector(zero_points);
  return tflite::CreateQuantizationParameters(builder_, 0, 0, scales, zeros, tflite::QuantizationDetails_NONE, 0,
                                              q.per_channel() ? q.axis : 0);
}

void Writer::write_tensor(int32_t tensor) {
  const Value& value = graph_[values_[static_cast<size_t>(tensor)]];
  const auto type = std::ranges::find(tflite::kTypes, value.type.dtype, &std::pair<tflite::TensorType, DType>::second);
  uint32_t buffer = 0;
  if (value.constant)
    buffer = add_buffer({reinterpret_cast<const uint8_t*>(value.constant->bytes.data()), value.constant->bytes.size()});
  const auto shape = builder_.CreateVector(std::vector<int32_t>(value.type.shape.begin(), value.type.shape.end()));
  const auto name = builder_.CreateString(tensor_name(tensor));
  const auto quantization = write_quantization(value);
  tensors_.push_back(tflite::CreateTensor(builder_, shape, type->first, buffer, name, quantization));
}

// The tensor's number. Its name follows from the operator's output, because nodes have no names in a .tflite file.
int32_t Writer::write_constant_input(const Node& node, const TfliteConstantInput& constant) {
  const bool one = constant.columns == TfliteConstantInput::kNumber;
  const std::vector<int64_t> numbers =
      one ? std::vector{node.attrs.integer(constant.attr)} : node.attrs.integers(constant.attr);
  const std::vector<int32_t> data(numbers.begin(), numbers.end());
  std::vector<int32_t> extents = {static_cast<int32_t>(data.size())};
  if (one) extents.clear();
  if (constant.columns > 0) extents = {extents[0] / constant.columns, constant.columns};
  const uint32_t buffer = add_buffer({reinterpret_cast<const uint8_t*>(data.data()), data.size() * sizeof(int32_t)});
  const auto shape = builder_.CreateVector(extents);
  const auto name =
      builder_.CreateString(fmt::format("{}/{}", tensor_name(tensor_ids(node.outputs)[0]), constant.attr));
  tensors_.push_back(tflite::CreateTensor(builder_, shape, tflite::TensorType_INT32, buffer, name));
  return static_cast<int32_t>(tensors_.size() - 1);
}

Result<uint32_t> Writer::operator_code(const Node& node) {
  if (!node.op->tflite)
    return fail(ErrorCode::unsupported,
                fmt::format("{} cannot be stored in a .tflite file: {}", node.op->name, node.op->tflite.reason()),
                node.name, "run the inference passes on the graph first: they fold or remove what only training needs");
  const OperatorVersion code{node.op, version_of(graph_, node)};
  const auto number = static_cast<uint32_t>(std::ranges::find(codes_, code) - codes_.begin());
  if (number == codes_.size()) codes_.push_back(code);
  return number;
}

Offset<tflite::OperatorCode> write_operator_code(flatbuffers::FlatBufferBuilder& builder, const OperatorVersion& code) {
  const auto names = std::span(tflite::EnumNamesBuiltinOperator(), tflite::BuiltinOperator_MAX + 1);
  const auto number = static_cast<int32_t>(std::ranges::find(names, code.op->tflite->builtin) - names.begin());
  const auto older =
      static_cast<int8_t>(std::min<int32_t>(number, tflite::BuiltinOperator_PLACEHOLDER_FOR_GREATER_OP_CODES));
  return tflite::CreateOperatorCode(builder, older, 0, code.version, static_cast<tflite::BuiltinOperator>(number));
}

Result<Offset<tflite::Operator>> Writer::write_operator(const Node& node) {
  THIMBLE_LET(const uint32_t code, operator_code(node));
  const TfliteMapping& mapping = *node.op->tflite;
  const tflite::OptionsType type = tflite::find_options(mapping.options);
  tflite::OptionsWriter writer(type);
  if (mapping.write) mapping.write(node.attrs, writer);
  const auto options = writer.finish(builder_);
  std::vector<int32_t> input_ids = tensor_ids(node.inputs);
  for (const TfliteConstantInput& constant : mapping.constant_inputs)
    input_ids.insert(input_ids.begin() + constant.input, write_constant_input(node, constant));
  const auto inputs = builder_.CreateVector(input_ids);
  const auto outputs = builder_.CreateVector(tensor_ids(node.outputs));
  return tflite::CreateOperator(builder_, code, inputs, outputs, type.number, options);
}

// Signature names must differ; tensor names may be equal.
Offsets<tflite::TensorMap> Writer::write_port_names(const std::vector<ValueId>& values) {
  Offsets<tflite::TensorMap> maps;
  std::set<std::string> taken;
  for (int32_t tensor : tensor_ids(values)) {
    std::string name = tensor_name(tensor);
    while (!taken.insert(name).second) name += fmt::format("_{}", maps.size());
    maps.push_back(tflite::CreateTensorMap(builder_, builder_.CreateString(name), static_cast<uint32_t>(tensor)));
  }
  return maps;
}

Offset<tflite::SignatureDef> Writer::write_signature() {
  const auto inputs = builder_.CreateVector(write_port_names(graph_.inputs));
  const auto outputs = builder_.CreateVector(write_port_names(graph_.outputs));
  return tflite::CreateSignatureDef(builder_, inputs, outputs, builder_.CreateString("serving_default"), 0);
}

Outcome Writer::write_metadata(const TfliteWriteOptions& options) {
  std::string version(kMinRuntime);
  version.resize(kMinRuntimeBytes, '\0');
  add_metadata(tflite::kMinRuntimeName, add_buffer(version));
  if (!options.info.labels.empty()) {
    std::string lines;
    for (const std::string& label : options.info.labels) {
      if (label.find('\n') != std::string::npos)
        return fail(ErrorCode::bad_data, "a class label holds a line break", label);
      lines += label + '\n';
    }
    add_metadata(tflite::kLabelsName, add_buffer(lines));
  }
  for (const auto& [name, content] : options.info.metadata) add_metadata(name, add_buffer(content));
  if (options.arena_offsets.empty()) return {};
  if (options.arena_offsets.size() != graph_.values.size())
    return fail(ErrorCode::bad_data,
                fmt::format("{} arena offsets for {} values", options.arena_offsets.size(), graph_.values.size()));
  std::vector<int32_t> plan = {/*version=*/1, /*subgraph=*/0, static_cast<int32_t>(tensors_.size())};
  for (ValueId value : values_) plan.push_back(options.arena_offsets[static_cast<size_t>(value)]);
  plan.resize(plan.size() + tensors_.size() - values_.size(), -1);
  add_metadata(tflite::kOfflinePlanName,
               add_buffer({reinterpret_cast<const uint8_t*>(plan.data()), plan.size() * sizeof(int32_t)}));
  return {};
}

Result<std::vector<uint8_t>> Writer::write(const TfliteWriteOptions& options) {
  for (size_t i = 0; i < values_.size(); ++i) write_tensor(static_cast<int32_t>(i));
  Offsets<tflite::Operator> operators;
  for (const Node& node : graph_.nodes) {
    THIMBLE_LET(const Offset<tflite::Operator> stored, write_operator(node));
    operators.push_back(stored);
  }
  Offsets<tflite::OperatorCode> codes;
  for (const OperatorVersion& code : codes_) codes.push_back(write_operator_code(builder_, code));
  THIMBLE_TRY(write_metadata(options));
  const auto signature = write_signature();

  const auto tensor_list = builder_.CreateVector(tensors_);
  const auto inputs = builder_.CreateVector(tensor_ids(graph_.inputs));
  const auto outputs = builder_.CreateVector(tensor_ids(graph_.outputs));
  const auto operator_list = builder_.CreateVector(operators);
  const auto subgraph =
      tflite::CreateSubGraph(builder_, tensor_list, inputs, outputs, operator_list, builder_.CreateString(graph_.name));
  const auto code_list = builder_.CreateVector(codes);
  const auto subgraphs = builder_.CreateVector(&subgraph, 1);
  const auto description = builder_.CreateString(options.info.description);
  const auto buffer_list = builder_.CreateVector(buffers_);
  const auto metadata_list = builder_.CreateVector(metadata_);
  const auto signatures = builder_.CreateVector(&signature, 1);
  tflite::FinishModelBuffer(builder_, tflite::CreateModel(builder_, tflite::kSchemaVersion, code_list, subgraphs,
                                                          description, buffer_list, 0, metadata_list, signatures));
  return std::vector<uint8_t>(builder_.GetBufferPointer(), builder_.GetBufferPointer() + builder_.GetSize());
}

}  // namespace

Result<std::vector<uint8_t>> write_tflite(const Graph& graph, const TfliteWriteOptions& options) {
  THIMBLE_TRY(verify(graph));
  return Writer(graph).write(options);
}

}  // namespace thimble
