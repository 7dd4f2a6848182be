// Reads .tflite files. The flatbuffers verifier proves that no offset leaves the file; everything that the format
// itself cannot promise (indices, sizes, scales, types that thimble runs) is checked here, and the rest by verify().
#include <algorithm>
#include <map>
#include <set>

#include "formats/tflite/source.h"
#include "formats/tflite/tflite.h"
#include "graph/op_spec.h"
#include "graph/passes/fold_constants.h"
#include "ops/ops.h"

namespace thimble {

namespace {

using tflite::at;
using tflite::damaged;
using tflite::length;
using tflite::Source;
using tflite::StoredOperator;
using tflite::TensorUse;

constexpr size_t kMaxNamedOperators = 20;  // in one error
constexpr size_t kMaxSignatures = 64;

// ---- operators

// A model on which TensorFlow Lite Micro runs something else than its one inference function, or on other data.
Result<Source> main_subgraph(const tflite::Model& model) {
  if (length(model.subgraphs()) == 0) return damaged("the model has no subgraph");
  for (size_t i = 0; i < length(model.metadata()); ++i)
    if (tflite::clean_text(at(model.metadata(), i)->name()) == tflite::kCompressionName)
      return fail(ErrorCode::unsupported, "weights compressed with look-up tables are not supported", {},
                  "take the model as it was before it was compressed");
  return Source{model, *model.subgraphs()->Get(0)};
}

// What to do about operators that cannot be run: the first that says more than "not supported".
std::string_view remedy_for(std::span<const std::string> builtins) {
  constexpr std::string_view kNoControlFlow =
      "control flow is not supported: export one inference function without branches and loops (a recurrent layer with "
      "its steps unrolled, or as UNIDIRECTIONAL_SEQUENCE_LSTM)";
  constexpr std::pair<std::string_view, std::string_view> kRemedies[] = {
      {"IF", kNoControlFlow},
      {"WHILE", kNoControlFlow},
      {"CUSTOM (Signal",
       "this computes features from sound, which thimble's own signal chain does: describe it under [signal] in a "
       "project, and import the model that follows it"},
      {"CUSTOM (Flex", "convert the model again with TensorFlow Lite's builtin operators only (without SELECT_TF_OPS)"},
      {"CUSTOM (",
       "only TensorFlow Lite's builtin operators are supported: leave this part out of the model and run it yourself"},
  };
  for (const auto& [prefix, remedy] : kRemedies)
    for (const std::string& name : builtins)
      if (prefix.starts_with("CUSTOM") ? name.starts_with(prefix) : name == prefix) return remedy;
  return "`thimble ops` lists what is supported: rebuild the model from those, or leave this part out of it";
}

std::string describe_operator(const Source& source, const StoredOperator& stored) {
  if (stored.outputs.empty()) return fmt::format("operator {}", stored.index);
  const auto* tensor = at(source.subgraph.tensors(), static_cast<size_t>(stored.outputs[0]));
  return fmt::format("operator {} ({})", stored.index, tflite::clean_text(tensor->name()));
}

// All operators that cannot be run, at once: a user wants to know them before changing the model, not one by one.
Outcome check_operators(const Source& source, std::span<const StoredOperator> operators) {
  std::vector<std::string> names;
  std::string first;
  for (const StoredOperator& stored : operators) {
    if (ops::find_tflite(stored.builtin) || stored.builtin == "VAR_HANDLE" || stored.builtin == "CALL_ONCE" ||
        stored.builtin == "WHILE" || std::ranges::find(names, stored.builtin) != names.end())
      continue;
    if (names.empty()) first = describe_operator(source, stored);
    names.push_back(stored.builtin);
    if (names.size() == kMaxNamedOperators) break;
  }
  if (names.empty()) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{} {} {} not supported", names.size() == 1 ? "operator" : "operators",
                          fmt::join(names, ", "), names.size() == 1 ? "is" : "are"),
              first, std::string(remedy_for(names)));
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

// Operators whose output type only their output tensor says; it becomes their attribute "dtype".
constexpr std::string_view kTypedByOutput[] = {"CAST", "QUANTIZE"};

// An integer LSTM says in the last of its intermediate tensors how the hidden state is scaled before it is output. No
// kernel here needs it, but TensorFlow Lite's does.
void read_hidden_scale(const Source& source, const StoredOperator& stored, Attrs& attrs) {
  const auto* intermediates = stored.table->intermediates();
  if (length(intermediates) != tflite::kLstmIntermediates || stored.outputs.empty()) return;
  const int32_t id = at(intermediates, tflite::kLstmIntermediates - 1);
  if (id < 0 || static_cast<size_t>(id) >= length(source.subgraph.tensors())) return;
  const auto* q = at(source.subgraph.tensors(), static_cast<size_t>(id))->quantization();
  if (!q || length(q->scale()) != 1 || length(q->zero_point()) != 1) return;
  attrs.set(tflite::kHiddenScale, static_cast<double>(at(q->scale(), 0)));
  attrs.set(tflite::kHiddenZeroPoint, tflite::element(*q->zero_point(), 0));
}

Result<Node> read_node(const Source& source, const StoredOperator& stored) {
  Node node;
  node.op = ops::find_tflite(stored.builtin);
  node.name = fmt::format("{}_{}", node.op->name, stored.index);
  node.inputs = stored.inputs;
  node.outputs = stored.outputs;
  auto attrs = read_options(*stored.table, *node.op->tflite);
  if (!attrs) {
    Error error = std::move(attrs).error();
    error.where = node.name;
    return tl::unexpected<Error>(std::move(error));
  }
  node.attrs = std::move(*attrs);
  read_hidden_scale(source, stored, node.attrs);
  return node;
}

// ---- values

// Weights stored in fewer bits (float16) become float32 constants here: the operator that would do so at every
// inference goes.
struct Folded {
  std::map<ValueId, ValueId> source_of;  // output of a DEQUANTIZE -> the constant before it
};

Folded fold_dequantize(const Source& source, const Graph& graph, std::vector<StoredOperator>& operators) {
  std::set<ValueId> computed(graph.inputs.begin(), graph.inputs.end());
  for (const StoredOperator& stored : operators) computed.insert(stored.outputs.begin(), stored.outputs.end());
  Folded folded;
  std::erase_if(operators, [&](const StoredOperator& stored) {
    if (stored.builtin != "DEQUANTIZE" || stored.inputs.size() != 1 || stored.outputs.size() != 1) return false;
    const ValueId from = stored.inputs[0];
    if (from == kNoValue || computed.contains(from) ||
        at(source.subgraph.tensors(), static_cast<size_t>(from))->is_variable())
      return false;
    return folded.source_of.emplace(stored.outputs[0], from).second;
  });
  return folded;
}

std::vector<TensorUse> uses_of(const Source& source, const Graph& graph, std::span<const StoredOperator> operators) {
  std::vector<TensorUse> uses(length(source.subgraph.tensors()), TensorUse::none);
  const auto mark = [&](const std::vector<ValueId>& ids, TensorUse use) {
    for (ValueId id : ids)
      if (id != kNoValue) uses[static_cast<size_t>(id)] = std::max(uses[static_cast<size_t>(id)], use);
  };
  mark(graph.inputs, TensorUse::flows);
  mark(graph.outputs, TensorUse::reads);
  for (const StoredOperator& stored : operators) {
    mark(stored.inputs, TensorUse::reads);
    mark(stored.outputs, TensorUse::flows);
  }
  return uses;
}

Result<std::vector<Value>> read_values(const Source& source, const Graph& graph, const Folded& folded,
                                       std::span<const StoredOperator> operators) {
  const std::vector<TensorUse> uses = uses_of(source, graph, operators);
  std::set<ValueId> handles;
  for (const StoredOperator& stored : operators)
    if (stored.builtin == "VAR_HANDLE") handles.insert(stored.outputs.begin(), stored.outputs.end());
  std::vector<Value> values(uses.size());
  size_t constant_bytes = 0;
  for (size_t i = 0; i < uses.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (uses[i] == TensorUse::none || handles.contains(id)) continue;
    const auto dequantized = folded.source_of.find(id);
    THIMBLE_LET(values[i], dequantized != folded.source_of.end()
                               ? tflite::read_dequantized(source, dequantized->second, id)
                               : tflite::read_value(source, id, uses[i]));
    // Tensors may share a buffer, so a small file can ask for far more memory than it has bytes.
    if (values[i].constant) constant_bytes += values[i].constant->bytes.size();
    if (values[i].initial) constant_bytes += values[i].initial->bytes.size();
    if (constant_bytes > tflite::kMaxFileBytes)
      return fail(ErrorCode::unsupported, fmt::format("more than {} bytes of constants", tflite::kMaxFileBytes));
  }
  return values;
}

// An output of the model that is a constant lies in memory like any other: as state that nothing changes.
void place_constant_outputs(Graph& graph) {
  std::map<ValueId, ValueId> placed;
  for (ValueId& output : graph.outputs) {
    if (!graph[output].constant) continue;
    const auto [known, is_new] = placed.try_emplace(output, kNoValue);
    if (is_new) {
      Value value = graph[output];
      value.initial = std::move(value.constant);
      value.constant = nullptr;
      known->second = graph.add(std::move(value));
    }
    output = known->second;
  }
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
  for (const Node& node : graph.nodes) {
    const auto has = [&](DType dtype, bool constant) {
      return std::ranges::any_of(node.inputs, [&](ValueId id) {
        return id != kNoValue && graph[id].type.dtype == dtype && (graph[id].constant != nullptr) == constant;
      });
    };
    if (node.outputs.empty() || graph[node.outputs[0]].type.dtype != DType::f32) continue;
    if (has(DType::f32, false) && has(DType::i8, true))
      return fail(ErrorCode::unsupported,
                  "float32 activations with int8 weights (a hybrid, dynamic-range model) are not supported",
                  fmt::format("{} ({})", node.name, graph[node.outputs[0]].name), std::string(tflite::kConvertHint));
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
                    node.name, std::string(tflite::kConvertHint));
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
      if (constant->may_flow && !graph[node.inputs[index]].constant) continue;
      auto numbers = integer_list(graph[node.inputs[index]]);
      // What TRANSPOSE_CONV is told at every inference its output tensor has said already.
      if (!graph[node.inputs[index]].constant && constant->attr == "output_shape" && !node.outputs.empty())
        numbers = graph[node.outputs[0]].type.shape;
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
  const std::vector<ValueId> stored = node.inputs;
  const auto& order = node.op->tflite->input_order;
  for (size_t i = 0; i < std::min(order.size(), stored.size()); ++i)
    if (static_cast<size_t>(order[i]) < stored.size()) node.inputs[i] = stored[static_cast<size_t>(order[i])];
  return {};
}

void set_output_type(const StoredOperator& stored, DType dtype, Node& node) {
  if (std::ranges::find(kTypedByOutput, stored.builtin) != std::end(kTypedByOutput))
    node.attrs.set("dtype", std::string(name_of(dtype)));
}

Outcome add_nodes(const Source& source, std::span<const StoredOperator> operators, Graph& graph) {
  for (const StoredOperator& stored : operators) {
    THIMBLE_LET(Node node, read_node(source, stored));
    if (!node.outputs.empty()) set_output_type(stored, graph[node.outputs[0]].type.dtype, node);
    graph.nodes.push_back(std::move(node));
  }
  THIMBLE_TRY(check_hybrid(graph));
  // Together, node by node: what one operator computes from constants configures the next.
  return fold_constants(graph, [&](Node& node) { return take_constant_inputs(graph, node); });
}

// The same, each node folded as it is added: a loop must know its constants when it is written out.
Outcome add_nodes_and_loops(const Source& source, std::span<StoredOperator> operators, Graph& graph) {
  std::map<ValueId, ValueId> stands_for;  // output of a loop -> the value its last round gives
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (const auto found = stands_for.find(id); found != stands_for.end()) id = found->second;
  };
  const auto read_known = [](const Source& from, const StoredOperator& stored) -> Result<Node> {
    if (ops::find_tflite(stored.builtin)) return read_node(from, stored);
    return fail(ErrorCode::unsupported, fmt::format("operator {} is not supported inside a loop", stored.builtin), {},
                std::string(remedy_for(std::span(&stored.builtin, 1))));
  };
  FoldBudget budget;
  for (StoredOperator& stored : operators) {
    rename(stored.inputs);
    if (stored.builtin == "WHILE") {
      THIMBLE_LET(
          const std::vector<ValueId> results,
          tflite::unroll_loop(source, stored, {read_known, take_constant_inputs, set_output_type, budget}, graph));
      for (size_t i = 0; i < results.size(); ++i) stands_for[stored.outputs[i]] = results[i];
      continue;
    }
    THIMBLE_LET(Node node, read_known(source, stored));
    if (!node.outputs.empty()) set_output_type(stored, graph[node.outputs[0]].type.dtype, node);
    THIMBLE_TRY(take_constant_inputs(graph, node));
    if (!fold_node(graph, node, budget)) graph.nodes.push_back(std::move(node));
  }
  rename(graph.outputs);
  tflite::remove_unread_nodes(graph);
  return check_hybrid(graph);
}

// Names of the ports of one signature, in the file's order; those that are no ports of the model are left out.
std::vector<TflitePort> read_port_names(const flatbuffers::Vector<flatbuffers::Offset<tflite::TensorMap>>* stored,
                                        const flatbuffers::Vector<int32_t>* tensors) {
  std::vector<TflitePort> ports;
  for (size_t i = 0; i < std::min(length(stored), tflite::kMaxPorts); ++i)
    for (size_t port = 0; port < std::min(length(tensors), tflite::kMaxPorts); ++port)
      if (static_cast<int64_t>(at(stored, i)->tensor_index()) == at(tensors, port)) {
        ports.push_back({tflite::clean_text(at(stored, i)->name()), port});
        break;
      }
  return ports;
}

std::vector<TfliteSignature> read_signatures(const Source& source) {
  std::vector<TfliteSignature> signatures;
  for (size_t i = 0; i < std::min(length(source.model.signature_defs()), kMaxSignatures); ++i) {
    const auto* stored = at(source.model.signature_defs(), i);
    if (stored->subgraph_index() != 0) continue;
    signatures.push_back({tflite::clean_text(stored->signature_key()),
                          read_port_names(stored->inputs(), source.subgraph.inputs()),
                          read_port_names(stored->outputs(), source.subgraph.outputs())});
  }
  return signatures;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

Outcome read_metadata(const tflite::Model& model, TfliteInfo& info) {
  size_t total = 0;
  for (size_t i = 0; i < length(model.metadata()); ++i) {
    const auto* entry = at(model.metadata(), i);
    const std::string name = tflite::clean_text(entry->name());
    if (entry->buffer() >= length(model.buffers()))
      return damaged(fmt::format("names buffer {} of {}", entry->buffer(), length(model.buffers())),
                     "metadata " + name);
    if (name == tflite::kMinRuntimeName || name == tflite::kOfflinePlanName) continue;
    const auto* data = at(model.buffers(), entry->buffer())->data();
    std::string content = data ? std::string(data->begin(), data->end()) : std::string();
    total += content.size();
    if (total > tflite::kMaxFileBytes)
      return fail(ErrorCode::unsupported, fmt::format("more than {} bytes of metadata", tflite::kMaxFileBytes));
    if (name == tflite::kLabelsName)
      info.labels = lines_of(content);
    else
      info.metadata[name] = std::move(content);
  }
  return {};
}

}  // namespace

Result<Graph> read_tflite(std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> aligned(bytes.begin(), bytes.end());
  THIMBLE_LET(const tflite::Model* model, tflite::open_model(aligned));
  THIMBLE_LET(const Source source, main_subgraph(*model));
  THIMBLE_LET(std::vector<StoredOperator> operators, tflite::read_operators(source));
  Graph graph;
  if (const std::string name = tflite::clean_text(source.subgraph.name()); !name.empty()) graph.name = name;
  THIMBLE_LET(graph.inputs, read_ids(source, source.subgraph.inputs(), false, "the model's inputs"));
  THIMBLE_LET(graph.outputs, read_ids(source, source.subgraph.outputs(), false, "the model's outputs"));
  const Folded folded = fold_dequantize(source, graph, operators);
  THIMBLE_TRY(check_operators(source, operators));
  THIMBLE_LET(graph.values, read_values(source, graph, folded, operators));
  THIMBLE_TRY(tflite::resolve_variables(source, operators, graph.values));
  THIMBLE_TRY(check_ports(graph));
  if (std::ranges::count(operators, "WHILE", &StoredOperator::builtin) > 0)
    THIMBLE_TRY(add_nodes_and_loops(source, operators, graph));
  else
    THIMBLE_TRY(add_nodes(source, operators, graph));
  THIMBLE_TRY(check_scales(graph));
  place_constant_outputs(graph);
  remove_unused_values(graph);
  THIMBLE_TRY(verify(graph));
  return graph;
}

Result<TfliteInfo> read_tflite_info(std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> aligned(bytes.begin(), bytes.end());
  THIMBLE_LET(const tflite::Model* model, tflite::open_model(aligned));
  TfliteInfo info;
  info.description = tflite::clean_text(model->description());
  THIMBLE_TRY(read_metadata(*model, info));
  if (length(model->subgraphs()) > 0) info.signatures = read_signatures({*model, *model->subgraphs()->Get(0)});
  return info;
}

}  // namespace thimble
