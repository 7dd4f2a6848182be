// Writes .tflite files that TensorFlow Lite and TensorFlow Lite Micro load: buffer 0 is empty, constant data is 16-byte
// aligned, and operator codes are stored in the older and the newer field. State that nodes name by handle
// (READ_VARIABLE, ASSIGN_VARIABLE) gets a VAR_HANDLE, and a second subgraph that CALL_ONCE runs before the first
// inference.
#include <algorithm>
#include <set>

#include "formats/tflite/options.h"
#include "formats/tflite/runtime_version.h"
#include "formats/tflite/tflite.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

using flatbuffers::Offset;
template <class T>
using Offsets = std::vector<Offset<T>>;

constexpr size_t kDataAlignment = 16;
constexpr int kOldestRuntime = 10500;
constexpr size_t kMinRuntimeBytes = 16;  // a fixed field, padded with zeros

// An operator's code in the file: which, and in which version.
struct OperatorVersion {
  std::string_view builtin;
  int version = 1;
  bool operator==(const OperatorVersion&) const = default;
};

// How a value lies in the file. Constants include state that no node changes.
enum class Role { flows, constant, variable, resource };

bool uses_handles(const Node& node) {
  return node.op->tflite &&
         (node.op->tflite->builtin == "READ_VARIABLE" || node.op->tflite->builtin == "ASSIGN_VARIABLE");
}

std::vector<Role> roles_of(const Graph& graph) {
  std::vector<Role> roles(graph.values.size(), Role::flows);
  for (size_t i = 0; i < roles.size(); ++i)
    if (graph.values[i].constant || graph.values[i].initial) roles[i] = Role::constant;
  for (const Node& node : graph.nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || !graph[id].initial) continue;
      Role& role = roles[static_cast<size_t>(id)];
      if (i == 0 && uses_handles(node))
        role = Role::resource;
      else if (std::ranges::count(node.op->traits.state_inputs, static_cast<int>(i)))
        role = std::max(role, Role::variable);
    }
  return roles;
}

// The version that first had the form of a node: by the type of what it computes on and of its weights.
int version_of(const Graph& graph, const Node& node) {
  const TfliteMapping& mapping = *node.op->tflite;
  if (node.inputs.empty() && node.outputs.empty()) return mapping.version;
  if (mapping.version_of) return mapping.version_of(graph, node);
  const ValueId first = !node.inputs.empty() && node.inputs[0] != kNoValue ? node.inputs[0] : node.outputs.at(0);
  const DType dtype = graph[first].type.dtype;
  const bool int4 =
      std::ranges::any_of(node.inputs, [&](ValueId id) { return id != kNoValue && graph[id].stored_bits == 4; });
  if (dtype == DType::f32) return mapping.version_f32;
  if (int4 && mapping.version_i4 > 0) return mapping.version_i4;
  return dtype == DType::i16 && mapping.version_i16 > 0 ? mapping.version_i16 : mapping.version;
}

std::vector<uint8_t> pack_int4(std::span<const int8_t> values) {
  std::vector<uint8_t> packed((values.size() + 1) / 2, 0);
  for (size_t i = 0; i < values.size(); ++i)
    packed[i / 2] = static_cast<uint8_t>(packed[i / 2] | ((values[i] & 0xF) << (i % 2 * 4)));
  return packed;
}

std::span<const uint8_t> bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const uint8_t*>(tensor.bytes.data()), tensor.bytes.size()};
}

class Writer {
 public:
  explicit Writer(const Graph& graph) : graph_(graph), roles_(roles_of(graph)) {
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
  Outcome check_state() const;
  void write_tensor(int32_t tensor);
  Offset<tflite::Tensor> write_handle(const std::string& name);
  int32_t write_constant_input(const Node& node, const TfliteConstantInput& constant);
  uint32_t operator_code(const OperatorVersion& code);
  Result<Offset<tflite::Operator>> write_operator(const Node& node);
  std::vector<int32_t> write_intermediates(const Node& node);
  Offset<tflite::Operator> write_plain_operator(std::string_view builtin, const std::vector<int32_t>& inputs,
                                                const std::vector<int32_t>& outputs,
                                                tflite::BuiltinOptions kind = tflite::BuiltinOptions_NONE,
                                                Offset<void> options = 0);
  Offset<tflite::Operator> write_var_handle(const std::string& name, int32_t tensor);
  void write_variables();
  Result<Offset<tflite::SubGraph>> write_main_subgraph();
  Outcome write_signatures(const TfliteInfo& info);
  Result<Offsets<tflite::TensorMap>> write_port_names(std::span<const TflitePort> ports,
                                                      const std::vector<ValueId>& values);
  std::vector<TflitePort> default_ports(const std::vector<ValueId>& values) const;
  Outcome write_metadata(const TfliteWriteOptions& options);
  void add_metadata(std::string_view name, uint32_t buffer) {
    metadata_.push_back(tflite::CreateMetadata(builder_, builder_.CreateString(name.data(), name.size()), buffer));
  }

  const Graph& graph_;
  std::vector<Role> roles_;  // by value
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<ValueId> values_;      // by tensor number
  std::vector<int32_t> tensor_of_;   // by value
  Offsets<tflite::Tensor> tensors_;  // those of values_, then operators' constant inputs
  Offsets<tflite::Buffer> buffers_;
  Offsets<tflite::Metadata> metadata_;
  Offsets<tflite::Operator> operators_;
  Offset<tflite::SubGraph> initialisation_ = 0;  // 0: there are no variables behind handles
  size_t initialisation_tensors_ = 0;
  Offsets<tflite::SignatureDef> signatures_;
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

// A file can say only that a variable starts as TensorFlow Lite resets it.
Outcome Writer::check_state() const {
  for (size_t i = 0; i < roles_.size(); ++i) {
    const Value& value = graph_.values[i];
    if (roles_[i] != Role::variable) continue;
    const bool int8 = value.type.dtype == DType::i8 && !value.quantization.empty();
    const auto reset = static_cast<std::byte>(int8 ? value.quantization.zero_point[0] : 0);
    if (std::ranges::any_of(value.initial->bytes, [&](std::byte byte) { return byte != reset; }))
      return fail(ErrorCode::unsupported, "state that starts with other values than zero cannot be stored in .tflite",
                  value.name, "start the model's state at zero");
  }
  return {};
}

Offset<tflite::Tensor> Writer::write_handle(const std::string& name) {
  const auto shape = builder_.CreateVector(std::vector<int32_t>{1});
  return tflite::CreateTensor(builder_, shape, tflite::TensorType_RESOURCE, 0, builder_.CreateString(name));
}

void Writer::write_tensor(int32_t tensor) {
  const ValueId id = values_[static_cast<size_t>(tensor)];
  const Value& value = graph_[id];
  const Role role = roles_[static_cast<size_t>(id)];
  if (role == Role::resource) {
    tensors_.push_back(write_handle(tensor_name(tensor)));
    return;
  }
  tflite::TensorType type =
      std::ranges::find(tflite::kTypes, value.type.dtype, &std::pair<tflite::TensorType, DType>::second)->first;
  uint32_t buffer = 0;
  if (role == Role::constant) {
    const Tensor& data = value.constant ? *value.constant : *value.initial;
    if (value.stored_bits == 4) type = tflite::TensorType_INT4;
    buffer = value.stored_bits == 4 ? add_buffer(pack_int4(data.as<int8_t>())) : add_buffer(bytes_of(data));
  }
  const auto shape = builder_.CreateVector(std::vector<int32_t>(value.type.shape.begin(), value.type.shape.end()));
  const auto name = builder_.CreateString(tensor_name(tensor));
  const auto quantization = write_quantization(value);
  tensors_.push_back(tflite::CreateTensor(builder_, shape, type, buffer, name, quantization, role == Role::variable));
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

uint32_t Writer::operator_code(const OperatorVersion& code) {
  const auto number = static_cast<uint32_t>(std::ranges::find(codes_, code) - codes_.begin());
  if (number == codes_.size()) codes_.push_back(code);
  return number;
}

Offset<tflite::OperatorCode> write_operator_code(flatbuffers::FlatBufferBuilder& builder, const OperatorVersion& code) {
  const auto names = std::span(tflite::EnumNamesBuiltinOperator(), tflite::BuiltinOperator_MAX + 1);
  const auto number = static_cast<int32_t>(std::ranges::find(names, code.builtin) - names.begin());
  const auto older =
      static_cast<int8_t>(std::min<int32_t>(number, tflite::BuiltinOperator_PLACEHOLDER_FOR_GREATER_OP_CODES));
  return tflite::CreateOperatorCode(builder, older, 0, code.version, static_cast<tflite::BuiltinOperator>(number));
}

// An integer LSTM's: only the last, with the hidden state's scale, says something.
std::vector<int32_t> Writer::write_intermediates(const Node& node) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < tflite::kLstmIntermediates; ++i) {
    const bool last = i + 1 == tflite::kLstmIntermediates;
    Offset<tflite::QuantizationParameters> quantization = 0;
    if (last) {
      const auto scale = builder_.CreateVector(std::vector{static_cast<float>(node.attrs.real(tflite::kHiddenScale))});
      const auto zero = builder_.CreateVector(std::vector{node.attrs.integer(tflite::kHiddenZeroPoint)});
      quantization = tflite::CreateQuantizationParameters(builder_, 0, 0, scale, zero);
    }
    const auto shape = builder_.CreateVector(std::vector<int32_t>{0});
    const auto name =
        builder_.CreateString(fmt::format("{}/intermediate_{}", tensor_name(tensor_ids(node.outputs)[0]), i));
    ids.push_back(static_cast<int32_t>(tensors_.size()));
    const auto type = last ? tflite::TensorType_INT8 : tflite::TensorType_FLOAT32;
    tensors_.push_back(tflite::CreateTensor(builder_, shape, type, 0, name, quantization));
  }
  return ids;
}

Result<Offset<tflite::Operator>> Writer::write_operator(const Node& node) {
  if (!node.op->tflite)
    return fail(ErrorCode::unsupported,
                fmt::format("{} cannot be stored in a .tflite file: {}", node.op->name, node.op->tflite.reason()),
                node.name, "run the inference passes on the graph first: they fold or remove what only training needs");
  if (uses_handles(node) && roles_[static_cast<size_t>(node.inputs[0])] != Role::resource)
    return fail(ErrorCode::unsupported, "reads what is not state, which a .tflite file cannot say", node.name,
                "read the value itself");
  const uint32_t code = operator_code({node.op->tflite->builtin, version_of(graph_, node)});
  const TfliteMapping& mapping = *node.op->tflite;
  const tflite::OptionsType type = tflite::find_options(mapping.options);
  tflite::OptionsWriter writer(type);
  if (mapping.write) mapping.write(node.attrs, writer);
  const auto options = writer.finish(builder_);
  std::vector<int32_t> input_ids = tensor_ids(node.inputs);
  for (size_t i = 0; i < std::min(mapping.input_order.size(), node.inputs.size()); ++i)
    input_ids[static_cast<size_t>(mapping.input_order[i])] = tensor_ids({node.inputs[i]})[0];
  for (const TfliteConstantInput& constant : mapping.constant_inputs)
    if (!constant.may_flow || node.attrs.has(constant.attr))
      input_ids.insert(input_ids.begin() + constant.input, write_constant_input(node, constant));
  const auto inputs = builder_.CreateVector(input_ids);
  const auto outputs = builder_.CreateVector(tensor_ids(node.outputs));
  Offset<flatbuffers::Vector<int32_t>> intermediates = 0;
  if (node.attrs.has(tflite::kHiddenScale)) intermediates = builder_.CreateVector(write_intermediates(node));
  return tflite::CreateOperator(builder_, code, inputs, outputs, type.number, options, 0, 0, 0, intermediates);
}

Offset<tflite::Operator> Writer::write_plain_operator(std::string_view builtin, const std::vector<int32_t>& inputs,
                                                      const std::vector<int32_t>& outputs, tflite::BuiltinOptions kind,
                                                      Offset<void> options) {
  const uint32_t code = operator_code({builtin, 1});
  const auto input_list = builder_.CreateVector(inputs);
  const auto output_list = builder_.CreateVector(outputs);
  return tflite::CreateOperator(builder_, code, input_list, output_list, kind, options);
}

Offset<tflite::Operator> Writer::write_var_handle(const std::string& name, int32_t tensor) {
  const auto container = builder_.CreateString("");
  const auto options = tflite::CreateVarHandleOptions(builder_, container, builder_.CreateString(name));
  return write_plain_operator("VAR_HANDLE", {}, {tensor}, tflite::BuiltinOptions_VarHandleOptions, options.Union());
}

// A handle for each variable, and a subgraph that gives each its first content.
void Writer::write_variables() {
  Offsets<tflite::Tensor> tensors;
  Offsets<tflite::Operator> operators, handles;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (roles_[static_cast<size_t>(values_[i])] != Role::resource) continue;
    const Value& value = graph_[values_[i]];
    const std::string name = tensor_name(static_cast<int32_t>(i));
    handles.push_back(write_var_handle(name, static_cast<int32_t>(i)));
    const auto handle = static_cast<int32_t>(tensors.size());
    tensors.push_back(write_handle(name));
    const auto shape = builder_.CreateVector(std::vector<int32_t>(value.type.shape.begin(), value.type.shape.end()));
    const auto type =
        std::ranges::find(tflite::kTypes, value.type.dtype, &std::pair<tflite::TensorType, DType>::second)->first;
    const auto quantization = write_quantization(value);
    const auto text = builder_.CreateString(name + "/initial");
    const uint32_t buffer = add_buffer(bytes_of(*value.initial));
    tensors.push_back(tflite::CreateTensor(builder_, shape, type, buffer, text, quantization));
    operators.push_back(write_var_handle(name, handle));
    operators.push_back(write_plain_operator("ASSIGN_VARIABLE", {handle, handle + 1}, {}));
  }
  if (handles.empty()) return;
  const auto options = tflite::CreateCallOnceOptions(builder_, /*init_subgraph_index=*/1);
  operators_.push_back(
      write_plain_operator("CALL_ONCE", {}, {}, tflite::BuiltinOptions_CallOnceOptions, options.Union()));
  operators_.insert(operators_.end(), handles.begin(), handles.end());
  initialisation_tensors_ = tensors.size();
  const auto tensor_list = builder_.CreateVector(tensors);
  const auto none = builder_.CreateVector(std::vector<int32_t>{});
  const auto operator_list = builder_.CreateVector(operators);
  initialisation_ =
      tflite::CreateSubGraph(builder_, tensor_list, none, none, operator_list, builder_.CreateString("initialisation"));
}

Result<Offset<tflite::SubGraph>> Writer::write_main_subgraph() {
  THIMBLE_TRY(check_state());
  for (size_t i = 0; i < values_.size(); ++i) write_tensor(static_cast<int32_t>(i));
  write_variables();
  for (const Node& node : graph_.nodes) {
    THIMBLE_LET(const Offset<tflite::Operator> stored, write_operator(node));
    operators_.push_back(stored);
  }
  const auto tensor_list = builder_.CreateVector(tensors_);
  const auto inputs = builder_.CreateVector(tensor_ids(graph_.inputs));
  const auto outputs = builder_.CreateVector(tensor_ids(graph_.outputs));
  const auto operator_list = builder_.CreateVector(operators_);
  const auto name = builder_.CreateString(graph_.name);
  return tflite::CreateSubGraph(builder_, tensor_list, inputs, outputs, operator_list, name);
}

// Signature names must differ; tensor names may be equal.
std::vector<TflitePort> Writer::default_ports(const std::vector<ValueId>& values) const {
  std::vector<TflitePort> ports;
  std::set<std::string> taken;
  for (int32_t tensor : tensor_ids(values)) {
    std::string name = tensor_name(tensor);
    while (!taken.insert(name).second) name += fmt::format("_{}", ports.size());
    ports.push_back({std::move(name), ports.size()});
  }
  return ports;
}

Result<Offsets<tflite::TensorMap>> Writer::write_port_names(std::span<const TflitePort> ports,
                                                            const std::vector<ValueId>& values) {
  Offsets<tflite::TensorMap> maps;
  const std::vector<int32_t> tensors = tensor_ids(values);
  for (const TflitePort& port : ports) {
    if (port.index >= tensors.size())
      return fail(ErrorCode::bad_data, fmt::format("a signature names port {} of {}", port.index, tensors.size()),
                  port.name);
    const auto name = builder_.CreateString(port.name);
    maps.push_back(tflite::CreateTensorMap(builder_, name, static_cast<uint32_t>(tensors[port.index])));
  }
  return maps;
}

Outcome Writer::write_signatures(const TfliteInfo& info) {
  const TfliteSignature usual{"serving_default", default_ports(graph_.inputs), default_ports(graph_.outputs)};
  for (const TfliteSignature& signature : info.signatures.value_or(std::vector{usual})) {
    THIMBLE_LET(const Offsets<tflite::TensorMap> ins, write_port_names(signature.inputs, graph_.inputs));
    THIMBLE_LET(const Offsets<tflite::TensorMap> outs, write_port_names(signature.outputs, graph_.outputs));
    const auto inputs = builder_.CreateVector(ins);
    const auto outputs = builder_.CreateVector(outs);
    const auto key = builder_.CreateString(signature.key);
    signatures_.push_back(tflite::CreateSignatureDef(builder_, inputs, outputs, key, 0));
  }
  return {};
}

Outcome Writer::write_metadata(const TfliteWriteOptions& options) {
  int runtime = kOldestRuntime;
  for (const OperatorVersion& code : codes_)
    runtime = std::max(runtime, tflite::runtime_for(code.builtin, code.version));
  std::string version = tflite::runtime_text(runtime);
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
  const size_t tensors = tensors_.size() + initialisation_tensors_;
  std::vector<int32_t> plan = {/*version=*/1, /*subgraph=*/0, static_cast<int32_t>(tensors)};
  for (ValueId value : values_) plan.push_back(options.arena_offsets[static_cast<size_t>(value)]);
  plan.resize(plan.size() + tensors - values_.size(), -1);
  add_metadata(tflite::kOfflinePlanName,
               add_buffer({reinterpret_cast<const uint8_t*>(plan.data()), plan.size() * sizeof(int32_t)}));
  return {};
}

Result<std::vector<uint8_t>> Writer::write(const TfliteWriteOptions& options) {
  THIMBLE_LET(const Offset<tflite::SubGraph> main, write_main_subgraph());
  Offsets<tflite::OperatorCode> codes;
  for (const OperatorVersion& code : codes_) codes.push_back(write_operator_code(builder_, code));
  THIMBLE_TRY(write_metadata(options));
  THIMBLE_TRY(write_signatures(options.info));

  Offsets<tflite::SubGraph> all_subgraphs = {main};
  if (initialisation_tensors_ > 0) all_subgraphs.push_back(initialisation_);
  const auto code_list = builder_.CreateVector(codes);
  const auto subgraphs = builder_.CreateVector(all_subgraphs);
  const auto description = builder_.CreateString(options.info.description);
  const auto buffer_list = builder_.CreateVector(buffers_);
  const auto metadata_list = builder_.CreateVector(metadata_);
  const auto signatures = builder_.CreateVector(signatures_);
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
