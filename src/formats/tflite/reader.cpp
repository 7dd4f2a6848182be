// Reads .tflite files. The flatbuffers verifier proves that no offset leaves the file; everything that the format
// itself cannot promise (indices, sizes, scales, types that thimble runs) is checked here, and the rest by verify().
// Tables, lists and names may be shared inside a file, so each has a limit: a small file must not ask for much memory.
#include <flatbuffers/util.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "formats/tflite/options.h"
#include "formats/tflite/tflite.h"
#include "graph/op_spec.h"
#include "graph/passes/fold_constants.h"
#include "ops/ops.h"

namespace thimble {

namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr int64_t kMaxTensorBytes = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxTables = 100000;
constexpr size_t kMaxPorts = 256;  // inputs or outputs of an operator or of the model
constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxNamedOperators = 20;  // in one error
constexpr std::string_view kConvertHint =
    "convert it with full integer quantisation (int8), or leave it in float32; `thimble convert` does both";

struct Source {
  const tflite::Model& model;
  const tflite::SubGraph& subgraph;
};

template <class T>
size_t length(const flatbuffers::Vector<T>* list) {
  return list ? list->size() : 0;
}

// Names go to terminals, JSON and generated source: control characters and broken UTF-8 become '?', long ones are cut.
std::string clean_text(const flatbuffers::String* stored) {
  std::string text;
  const char* at = stored ? stored->c_str() : "";
  while (*at && text.size() < kMaxNameBytes) {
    const char* next = at;
    const int code = flatbuffers::FromUTF8(&next);
    if (code < 0x20 || code == 0x7F) {
      text += '?';
      ++at;
    } else {
      text.append(at, next);
      at = next;
    }
  }
  return text;
}

std::string plain_text(const flatbuffers::Vector<uint8_t>* data) {
  return data ? std::string(data->begin(), data->end()) : std::string();
}

tl::unexpected<Error> damaged(std::string message, std::string where = {}) {
  return fail(ErrorCode::bad_data, std::move(message), std::move(where),
              "the file is damaged or was written wrongly: copy or export it again");
}

// aligned: a copy in memory of our own, because the given bytes may lie at any address.
Result<const tflite::Model*> open_model(const std::vector<uint8_t>& aligned) {
  const std::string_view text(reinterpret_cast<const char*>(aligned.data()), std::min<size_t>(aligned.size(), 64));
  if (text.starts_with("version https://git-lfs"))
    return fail(ErrorCode::bad_data, "found a Git LFS pointer, expected the model itself", {},
                "run `git lfs pull` in the repository that this file comes from");
  if (aligned.size() < 8 || !tflite::ModelBufferHasIdentifier(aligned.data()))
    return fail(ErrorCode::bad_data,
                fmt::format("not a .tflite model: {} bytes without the mark \"{}\" at byte 4", aligned.size(),
                            tflite::ModelIdentifier()),
                {}, "give a .tflite file as TensorFlow Lite or `thimble convert` writes it");
  if (aligned.size() > kMaxFileBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("the model has {} bytes; at most {} are read", aligned.size(), kMaxFileBytes));
  flatbuffers::Verifier verifier(aligned.data(), aligned.size(), /*max_depth=*/16, kMaxTables);
  if (!tflite::VerifyModelBuffer(verifier))
    return damaged(fmt::format("a .tflite model whose {} bytes do not hold together", aligned.size()));
  const tflite::Model* model = tflite::GetModel(aligned.data());
  if (model->version() != tflite::kSchemaVersion)
    return fail(ErrorCode::unsupported,
                fmt::format("schema version {}, expected {}", model->version(), tflite::kSchemaVersion));
  return model;
}

Result<Source> only_subgraph(const tflite::Model& model) {
  const size_t count = length(model.subgraphs());
  if (count == 0) return damaged("the model has no subgraph");
  if (count > 1)
    return fail(ErrorCode::unsupported,
                fmt::format("the model has {} subgraphs (control flow); one is supported", count), {},
                "export one inference function without IF, WHILE or CALL_ONCE");
  return Source{model, *model.subgraphs()->Get(0)};
}

Result<std::vector<ValueId>> read_ids(const Source& source, const flatbuffers::Vector<int32_t>* stored, bool optional,
                                      const std::string& where) {
  if (length(stored) > kMaxPorts)
    return damaged(fmt::format("names {} tensors, at most {} are possible", length(stored), kMaxPorts), where);
  std::vector<ValueId> ids;
  for (size_t i = 0; i < length(stored); ++i) {
    const int32_t id = stored->Get(static_cast<flatbuffers::uoffset_t>(i));
    const bool known = id >= 0 && static_cast<size_t>(id) < length(source.subgraph.tensors());
    if (!known && !(optional && id == kNoValue))
      return damaged(fmt::format("names tensor {} of {}", id, length(source.subgraph.tensors())), where);
    ids.push_back(id);
  }
  return ids;
}

// ---- operators

Result<const tflite::OperatorCode*> operator_code(const Source& source, size_t index) {
  const auto number = source.subgraph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index))->opcode_index();
  if (number >= length(source.model.operator_codes()))
    return damaged(fmt::format("uses operator code {} of {}", number, length(source.model.operator_codes())),
                   fmt::format("operator {}", index));
  return source.model.operator_codes()->Get(number);
}

// Codes above 127 are stored in the newer field only, older files know only the older one.
std::string operator_name(const tflite::OperatorCode& code) {
  const auto number = std::max<int32_t>(code.builtin_code(), code.deprecated_builtin_code());
  if (number == tflite::BuiltinOperator_CUSTOM) return fmt::format("CUSTOM ({})", clean_text(code.custom_code()));
  const char* name = tflite::EnumNameBuiltinOperator(static_cast<tflite::BuiltinOperator>(number));
  return *name ? name : fmt::format("number {}", number);
}

std::string describe_operator(const Source& source, size_t index) {
  const auto* stored = source.subgraph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index));
  const size_t tensor = length(stored->outputs()) ? static_cast<size_t>(stored->outputs()->Get(0)) : SIZE_MAX;
  if (tensor >= length(source.subgraph.tensors())) return fmt::format("operator {}", index);
  return fmt::format("operator {} ({})", index,
                     clean_text(source.subgraph.tensors()->Get(static_cast<flatbuffers::uoffset_t>(tensor))->name()));
}

// All operators that cannot be run, at once: a user wants to know them before changing the model, not one by one.
Outcome check_operators(const Source& source) {
  std::vector<std::string> names;
  std::string first;
  for (size_t i = 0; i < length(source.subgraph.operators()); ++i) {
    THIMBLE_LET(const tflite::OperatorCode* code, operator_code(source, i));
    const std::string name = operator_name(*code);
    if (ops::find_tflite(name) || std::ranges::find(names, name) != names.end()) continue;
    if (names.empty()) first = describe_operator(source, i);
    names.push_back(name);
    if (names.size() == kMaxNamedOperators) break;
  }
  if (names.empty()) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{} {} {} not supported", names.size() == 1 ? "operator" : "operators",
                          fmt::join(names, ", "), names.size() == 1 ? "is" : "are"),
              first,
              "`thimble ops` lists what is supported: rebuild the model from those, or leave this part out of it");
}

Result<Attrs> read_options(const tflite::Operator& stored, const TfliteMapping& mapping) {
  const tflite::OptionsType type = tflite::find_options(mapping.options);
  const tflite::BuiltinOptions found = stored.builtin_options_type();
  if (found != tflite::BuiltinOptions_NONE && type.fields && found != type.number)
    return damaged(fmt::format("carries options of kind {}, expected {} ({})", static_cast<int>(found),
                               static_cast<int>(type.number), mapping.options));
  Attrs attrs;
  if (mapping.read)
    THIMBLE_TRY(mapping.read(
        tflite::OptionsReader(type, found == tflite::BuiltinOptions_NONE ? nullptr : stored.builtin_options()), attrs));
  return attrs;
}

Result<Node> read_node(const Source& source, size_t index) {
  const auto* stored = source.subgraph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index));
  THIMBLE_LET(const tflite::OperatorCode* code, operator_code(source, index));
  Node node;
  node.op = ops::find_tflite(operator_name(*code));
  node.name = fmt::format("{}_{}", node.op->name, index);
  THIMBLE_LET(node.inputs, read_ids(source, stored->inputs(), true, node.name));
  THIMBLE_LET(node.outputs, read_ids(source, stored->outputs(), false, node.name));
  auto attrs = read_options(*stored, *node.op->tflite);
  if (!attrs) {
    Error error = std::move(attrs).error();
    error.where = node.name;
    return tl::unexpected<Error>(std::move(error));
  }
  node.attrs = std::move(*attrs);
  return node;
}

// ---- tensors

Result<ValueType> read_type(const tflite::Tensor& stored, const std::string& where) {
  ValueType type;
  const auto known = std::ranges::find(tflite::kTypes, stored.type(), &std::pair<tflite::TensorType, DType>::first);
  if (known == tflite::kTypes.end())
    return fail(ErrorCode::unsupported,
                fmt::format("element type {} is not supported", tflite::EnumNameTensorType(stored.type())), where,
                std::string(kConvertHint));
  type.dtype = known->second;
  if (length(stored.shape()) > kMaxRank)
    return damaged(fmt::format("shape with {} extents, at most {} are possible", length(stored.shape()), kMaxRank),
                   where);
  int64_t bytes = static_cast<int64_t>(size_of(type.dtype));
  for (size_t i = 0; i < length(stored.shape()); ++i) {
    const int64_t extent = stored.shape()->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (extent < 0) return damaged(fmt::format("shape with a negative extent {}", extent), where);
    if (extent > 0 && bytes > kMaxTensorBytes / extent)
      return damaged(fmt::format("shape of more than {} bytes", kMaxTensorBytes), where);
    bytes *= extent;
    type.shape.push_back(extent);
  }
  return type;
}

Result<Quantization> read_quantization(const tflite::Tensor& stored, const Shape& shape, const std::string& where) {
  Quantization result;
  const auto* q = stored.quantization();
  if (!q) return result;
  if (q->details_type() != tflite::QuantizationDetails_NONE)
    return fail(ErrorCode::unsupported, "quantisation of a kind other than scale and zero point", where,
                std::string(kConvertHint));
  if (length(q->scale()) == 0) return result;
  if (length(q->zero_point()) != length(q->scale()))
    return damaged(fmt::format("{} scales but {} zero points", length(q->scale()), length(q->zero_point())), where);
  const size_t count = q->scale()->size();
  result.axis = count > 1 ? q->quantized_dimension() : 0;
  if (count > 1 && (result.axis < 0 || result.axis >= static_cast<int>(shape.size()) ||
                    shape[static_cast<size_t>(result.axis)] != static_cast<int64_t>(count)))
    return damaged(fmt::format("{} scales for axis {} of shape {}", count, result.axis, to_string(shape)), where);
  for (flatbuffers::uoffset_t i = 0; i < count; ++i) {
    const float scale = q->scale()->Get(i);
    const int64_t zero_point = tflite::element(*q->zero_point(), i);
    if (!std::isfinite(scale) || scale <= 0)
      return damaged(fmt::format("quantisation scale {}, expected a positive number", scale), where);
    if (zero_point < std::numeric_limits<int32_t>::min() || zero_point > std::numeric_limits<int32_t>::max())
      return damaged(fmt::format("zero point {} is outside int32", zero_point), where);
    result.scale.push_back(scale);
    result.zero_point.push_back(static_cast<int32_t>(zero_point));
  }
  return result;
}

Result<std::shared_ptr<Tensor>> read_constant(const Source& source, const tflite::Tensor& stored, const ValueType& type,
                                              const std::string& where) {
  if (stored.buffer() >= length(source.model.buffers()))
    return damaged(fmt::format("names buffer {} of {}", stored.buffer(), length(source.model.buffers())), where);
  const auto* buffer = source.model.buffers()->Get(stored.buffer());
  if (buffer->offset() > 1)  // 0 and 1 stand for "none"
    return fail(ErrorCode::unsupported, "data outside the flatbuffer (the form for models above 2 GB)", where);
  const auto expected = static_cast<size_t>(element_count(type.shape)) * size_of(type.dtype);
  if (length(buffer->data()) == 0 && expected > 0) return damaged("has no data, and no operator computes it", where);
  if (stored.sparsity())
    return fail(ErrorCode::unsupported, "sparse weights are not supported", where,
                "export the model with dense weights");
  if (length(buffer->data()) != expected)
    return damaged(fmt::format("{} bytes of data, expected {} for {} {}", length(buffer->data()), expected,
                               name_of(type.dtype), to_string(type.shape)),
                   where);
  auto tensor = std::make_shared<Tensor>(Tensor::zeros(type.dtype, type.shape));
  if (expected > 0) std::memcpy(tensor->bytes.data(), buffer->data()->data(), expected);
  return tensor;
}

Outcome check_activation(const Value& value, const std::string& where) {
  if (element_count(value.type.shape) == 0)
    return damaged(fmt::format("empty shape {}", to_string(value.type.shape)), where);
  if (value.quantization.per_channel())
    return fail(ErrorCode::unsupported,
                fmt::format("{} activations with {} scales, expected one", name_of(value.type.dtype),
                            value.quantization.scale.size()),
                where, std::string(kConvertHint));
  return {};
}

// A variable tensor starts with bytes of 0, one of int8 with its code of the real 0.
Tensor first_state(const Value& value) {
  Tensor state = Tensor::zeros(value.type.dtype, value.type.shape);
  if (value.type.dtype == DType::i8 && !value.quantization.empty())
    std::ranges::fill(state.bytes, static_cast<std::byte>(value.quantization.zero_point[0]));
  return state;
}

Result<Value> read_value(const Source& source, ValueId id, bool flows) {
  const auto* stored = source.subgraph.tensors()->Get(static_cast<flatbuffers::uoffset_t>(id));
  Value value;
  value.name = clean_text(stored->name());
  const std::string where = fmt::format("tensor {} ({})", id, value.name);
  if (value.name.empty()) value.name = fmt::format("tensor_{}", id);
  THIMBLE_LET(value.type, read_type(*stored, where));
  if (value.type.dtype != DType::f32) {
    THIMBLE_LET(value.quantization, read_quantization(*stored, value.type.shape, where));
  }
  if (flows) {
    THIMBLE_TRY(check_activation(value, where));
    return value;
  }
  if (stored->is_variable()) {
    value.initial = std::make_shared<Tensor>(first_state(value));
    return value;
  }
  THIMBLE_LET(value.constant, read_constant(source, *stored, value.type, where));
  return value;
}

Outcome read_values(const Source& source, Graph& graph) {
  enum class Use { none, reads, flows };
  std::vector<Use> uses(length(source.subgraph.tensors()), Use::none);
  const auto mark = [&](const std::vector<ValueId>& ids, Use use) {
    for (ValueId id : ids)
      if (id != kNoValue) uses[static_cast<size_t>(id)] = std::max(uses[static_cast<size_t>(id)], use);
  };
  mark(graph.inputs, Use::flows);
  mark(graph.outputs, Use::reads);
  for (const Node& node : graph.nodes) {
    mark(node.inputs, Use::reads);
    mark(node.outputs, Use::flows);
  }
  size_t constant_bytes = 0;
  for (size_t i = 0; i < uses.size(); ++i) {
    Value value;
    if (uses[i] != Use::none) {
      THIMBLE_LET(value, read_value(source, static_cast<ValueId>(i), uses[i] == Use::flows));
    }
    // Tensors may share a buffer, so a small file can ask for far more memory than it has bytes.
    if (value.constant) constant_bytes += value.constant->bytes.size();
    if (value.initial) constant_bytes += value.initial->bytes.size();
    if (constant_bytes > kMaxFileBytes)
      return fail(ErrorCode::unsupported, fmt::format("more than {} bytes of constants", kMaxFileBytes));
    graph.add(std::move(value));
  }
  return {};
}

Outcome check_ports(const Graph& graph) {
  if (graph.inputs.empty() || graph.outputs.empty())
    return damaged(fmt::format("{} inputs and {} outputs; expected at least one of each", graph.inputs.size(),
                               graph.outputs.size()));
  std::set<ValueId> seen;
  for (ValueId input : graph.inputs)
    if (!seen.insert(input).second) return damaged("is listed twice among the model's inputs", graph[input].name);
  return {};
}

// Dynamic-range ("hybrid") models keep float32 activations and int8 weights; their results depend on each input's
// range.
Outcome check_hybrid(const Graph& graph) {
  for (const Node& node : graph.nodes)
    for (ValueId input : node.inputs) {
      if (input == kNoValue || node.outputs.empty()) continue;
      if (graph[input].constant && graph[input].type.dtype == DType::i8 &&
          graph[node.outputs[0]].type.dtype == DType::f32)
        return fail(ErrorCode::unsupported,
                    "float32 activations with int8 weights (a hybrid, dynamic-range model) are not supported",
                    fmt::format("{} ({})", node.name, graph[node.outputs[0]].name), std::string(kConvertHint));
    }
  return {};
}

// One scale per channel means something only where the operator looks for it.
Outcome check_scales(const Graph& graph) {
  for (const Node& node : graph.nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Value& value = graph[node.inputs[i]];
      const Quantization& q = value.quantization;
      if (!q.per_channel()) continue;
      const auto index = static_cast<int>(i);
      const auto& rule = node.op->quantize;
      const bool known =
          rule && ((index == rule->weights && q.axis == rule->weights_axis) || (index == rule->bias && q.axis == 0));
      if (!known)
        return fail(ErrorCode::unsupported,
                    fmt::format("input {} has one scale for each index of axis {}, which {} cannot use", value.name,
                                q.axis, node.op->name),
                    node.name, std::string(kConvertHint));
    }
  return {};
}

Result<std::vector<int64_t>> integer_list(const Value& value) {
  if (!value.constant || (value.type.dtype != DType::i32 && value.type.dtype != DType::i64))
    return fail(ErrorCode::unsupported,
                fmt::format("expected constant int32 numbers, found {} {}", value.constant ? "constant" : "computed",
                            name_of(value.type.dtype)),
                {}, "export the model with fixed shapes");
  if (value.constant->size() > static_cast<int64_t>(tflite::kMaxListed))
    return damaged(
        fmt::format("a list of {} numbers, at most {} are possible", value.constant->size(), tflite::kMaxListed));
  if (value.type.dtype == DType::i64) {
    const auto numbers = value.constant->as<int64_t>();
    return std::vector<int64_t>(numbers.begin(), numbers.end());
  }
  const auto numbers = value.constant->as<int32_t>();
  return std::vector<int64_t>(numbers.begin(), numbers.end());
}

// Inputs that say how an operator works (axes, paddings, shapes) become its attributes.
Outcome take_constant_inputs(const Graph& graph, Node& node) {
  const auto described = node.op->tflite->constant_inputs;
  for (auto constant = described.rbegin(); constant != described.rend(); ++constant) {
    const auto index = static_cast<size_t>(constant->input);
    if (index >= node.inputs.size()) continue;  // stored among the options
    if (node.inputs[index] != kNoValue) {
      auto numbers = integer_list(graph[node.inputs[index]]);
      const bool one = constant->columns == TfliteConstantInput::kNumber;
      if (numbers && one && numbers->size() != 1)
        numbers = damaged(fmt::format("expected one number, found {}", numbers->size()));
      if (!numbers) {
        numbers.error().where = fmt::format("{}, {}", node.name, constant->attr);
        return tl::unexpected<Error>(std::move(numbers).error());
      }
      node.attrs.set(constant->attr, one ? AttrValue(numbers->front()) : AttrValue(std::move(*numbers)));
    }
    node.inputs.erase(node.inputs.begin() + constant->input);
  }
  return {};
}

}  // namespace

Result<Graph> read_tflite(std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> aligned(bytes.begin(), bytes.end());
  THIMBLE_LET(const tflite::Model* model, open_model(aligned));
  THIMBLE_LET(const Source source, only_subgraph(*model));
  THIMBLE_TRY(check_operators(source));
  Graph graph;
  if (const std::string name = clean_text(source.subgraph.name()); !name.empty()) graph.name = name;
  THIMBLE_LET(graph.inputs, read_ids(source, source.subgraph.inputs(), false, "the model's inputs"));
  THIMBLE_LET(graph.outputs, read_ids(source, source.subgraph.outputs(), false, "the model's outputs"));
  for (size_t i = 0; i < length(source.subgraph.operators()); ++i) {
    THIMBLE_LET(Node node, read_node(source, i));
    graph.nodes.push_back(std::move(node));
  }
  THIMBLE_TRY(read_values(source, graph));
  THIMBLE_TRY(check_ports(graph));
  THIMBLE_TRY(check_hybrid(graph));
  // Together, node by node: what one operator computes from constants configures the next.
  THIMBLE_TRY(fold_constants(graph, [&](Node& node) { return take_constant_inputs(graph, node); }));
  THIMBLE_TRY(check_scales(graph));
  remove_unused_values(graph);
  THIMBLE_TRY(verify(graph));
  return graph;
}

Result<TfliteInfo> read_tflite_info(std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> aligned(bytes.begin(), bytes.end());
  THIMBLE_LET(const tflite::Model* model, open_model(aligned));
  TfliteInfo info;
  size_t total = 0;
  info.description = clean_text(model->description());
  for (size_t i = 0; i < length(model->metadata()); ++i) {
    const auto* entry = model->metadata()->Get(static_cast<flatbuffers::uoffset_t>(i));
    const std::string name = clean_text(entry->name());
    if (entry->buffer() >= length(model->buffers()))
      return damaged(fmt::format("names buffer {} of {}", entry->buffer(), length(model->buffers())),
                     "metadata " + name);
    if (name == tflite::kMinRuntimeName || name == tflite::kOfflinePlanName) continue;
    std::string content = plain_text(model->buffers()->Get(entry->buffer())->data());
    total += content.size();
    if (total > kMaxFileBytes)
      return fail(ErrorCode::unsupported, fmt::format("more than {} bytes of metadata", kMaxFileBytes));
    if (name != tflite::kLabelsName) {
      info.metadata[name] = std::move(content);
      continue;
    }
    for (size_t at = 0; at < content.size();) {
      const size_t end = std::min(content.find('\n', at), content.size());
      info.labels.push_back(content.substr(at, end - at));
      at = end + 1;
    }
  }
  return info;
}

}  // namespace thimble
