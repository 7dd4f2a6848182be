// WHILE loops whose number of rounds follows from constants (recurrent layers as TensorFlow converts them): the body is
// written out once for each round. Rounds that depend on the input stay refused.
#include <algorithm>
#include <map>
#include <set>

#include "formats/tflite/source.h"
#include "graph/op_spec.h"
#include "graph/passes/fold_constants.h"

namespace thimble::tflite {

namespace {

constexpr size_t kMaxRounds = 1024, kMaxNodes = 100'000;

tl::unexpected<Error> cannot_unroll(const std::string& where, std::string message) {
  return fail(ErrorCode::unsupported, std::move(message), where,
              "export one inference function whose loops run a fixed number of times, or none");
}

// A subgraph of the file that is written into the graph as often as it runs.
class Body {
 public:
  static Result<Body> read(const Source& main, int index, const std::string& where) {
    if (index < 1 || static_cast<size_t>(index) >= length(main.model.subgraphs()))
      return damaged(fmt::format("names subgraph {} of {}", index, length(main.model.subgraphs())), where);
    Body body(Source{main.model, *at(main.model.subgraphs(), static_cast<size_t>(index))});
    THIMBLE_LET(body.operators_, read_operators(body.source_));
    THIMBLE_LET(body.inputs_, read_ids(body.source_, body.source_.subgraph.inputs(), false, where));
    THIMBLE_LET(body.outputs_, read_ids(body.source_, body.source_.subgraph.outputs(), false, where));
    return body;
  }
  size_t inputs() const { return inputs_.size(); }
  size_t outputs() const { return outputs_.size(); }
  size_t operators() const { return operators_.size(); }

  // The values of the outputs when the inputs are `arguments`; adds the nodes that do not fold.
  Result<std::vector<ValueId>> write(std::span<const ValueId> arguments, const LoopCallbacks& callbacks, size_t round,
                                     Graph& graph) {
    std::map<ValueId, ValueId> values = shared_;  // tensor number -> value
    for (size_t i = 0; i < inputs_.size(); ++i) values[inputs_[i]] = arguments[i];
    std::set<ValueId> empty;  // tensors without elements
    for (const StoredOperator& stored : operators_) {
      THIMBLE_LET(Node node, callbacks.read_node(source_, stored));
      if (stored.builtin == "CONCATENATION") std::erase_if(node.inputs, [&](ValueId id) { return empty.contains(id); });
      for (ValueId& id : node.inputs) {
        if (id == kNoValue) continue;
        if (empty.contains(id)) return cannot_unroll(node.name, "works on a tensor without elements");
        THIMBLE_LET(id, value_of(id, values, graph));
      }
      node.name = fmt::format("{}_round_{}", node.name, round);
      node.outputs.clear();  // tensors of the subgraph, no values yet
      THIMBLE_TRY(callbacks.prepare(graph, node));
      if (stored.builtin == "SLICE" && std::ranges::count(extents_of(graph, node), 0) > 0) {
        empty.insert(stored.outputs.begin(), stored.outputs.end());
        continue;
      }
      THIMBLE_TRY(add_outputs(stored, callbacks, round, node, values, graph));
      if (!fold_node(graph, node, callbacks.budget)) graph.nodes.push_back(std::move(node));
      if (graph.nodes.size() > kMaxNodes)
        return cannot_unroll({}, fmt::format("the model's loops unroll to more than {} operators", kMaxNodes));
    }
    std::vector<ValueId> results;
    for (ValueId output : outputs_) {
      THIMBLE_LET(const ValueId id, value_of(output, values, graph));
      results.push_back(id);
    }
    return results;
  }

 private:
  explicit Body(const Source& source) : source_(source) {}

  // Constants become values once for all rounds.
  Result<ValueId> value_of(ValueId tensor, std::map<ValueId, ValueId>& values, Graph& graph) {
    if (const auto known = values.find(tensor); known != values.end()) return known->second;
    THIMBLE_LET(Value value, read_value(source_, tensor, TensorUse::reads));
    const ValueId id = graph.add(std::move(value));
    values[tensor] = shared_[tensor] = id;
    return id;
  }

  // What a slice gives, -1 for "to the end" resolved: a tensor list of rows before the first round has none.
  static Shape extents_of(const Graph& graph, const Node& node) {
    if (node.inputs.empty() || node.inputs[0] == kNoValue) return {};
    Shape sizes = node.attrs.integers("size");
    const std::vector<int64_t> begin = node.attrs.integers("begin");
    const Shape& input = graph[node.inputs[0]].type.shape;
    for (size_t axis = 0; axis < sizes.size() && axis < begin.size() && axis < input.size(); ++axis)
      if (sizes[axis] == -1 && begin[axis] >= 0 && begin[axis] <= input[axis]) sizes[axis] = input[axis] - begin[axis];
    return sizes;
  }

  // Shapes are those of the operator's own rule: the file has none for what depends on the round.
  Outcome add_outputs(const StoredOperator& stored, const LoopCallbacks& callbacks, size_t round, Node& node,
                      std::map<ValueId, ValueId>& values, Graph& graph) {
    std::vector<Value> flows;
    for (ValueId output : stored.outputs) {
      THIMBLE_LET(Value value, read_value(source_, output, TensorUse::flows));
      value.name = fmt::format("{}_round_{}", value.name, round);
      flows.push_back(std::move(value));
    }
    if (!flows.empty()) callbacks.set_output_type(stored, flows[0].type.dtype, node);
    const auto count = static_cast<int>(node.inputs.size());
    if (count < node.op->traits.min_inputs || count > node.op->traits.max_inputs || count == 0 ||
        node.inputs[0] == kNoValue)
      return damaged(fmt::format("{} with {} inputs", node.op->name, count), node.name);
    std::vector<ValueType> types;
    std::vector<const thimble::Tensor*> constants;
    for (ValueId id : node.inputs) {
      types.push_back(id == kNoValue ? ValueType{} : graph[id].type);
      constants.push_back(id == kNoValue ? nullptr : graph[id].constant.get());
    }
    auto outputs = (*node.op->infer)({node.attrs, types, constants});
    if (!outputs) {
      Error error = std::move(outputs).error();
      error.where = node.name;
      return tl::unexpected<Error>(std::move(error));
    }
    if (outputs->size() != stored.outputs.size())
      return damaged(fmt::format("{} outputs, expected {}", stored.outputs.size(), outputs->size()), node.name);
    node.outputs.clear();
    for (size_t i = 0; i < outputs->size(); ++i) {
      flows[i].type = std::move((*outputs)[i]);
      node.outputs.push_back(graph.add(std::move(flows[i])));
      values[stored.outputs[i]] = node.outputs.back();
    }
    return {};
  }

  Source source_;
  std::vector<StoredOperator> operators_;
  std::vector<ValueId> inputs_, outputs_;
  std::map<ValueId, ValueId> shared_;
};

// Whether another round follows. Errors: unsupported when that depends on the model's inputs.
Result<bool> goes_on(Body& condition, std::span<const ValueId> state, const LoopCallbacks& callbacks, size_t round,
                     const std::string& where, Graph& graph) {
  const size_t nodes = graph.nodes.size();
  THIMBLE_LET(const std::vector<ValueId> results, condition.write(state, callbacks, round, graph));
  const auto& constant = graph[results.at(0)].constant;
  if (graph.nodes.size() != nodes || !constant || constant->bytes.empty())
    return cannot_unroll(where, "a loop whose number of rounds depends on the input");
  return constant->bytes[0] != std::byte{0};
}

}  // namespace

Result<std::vector<ValueId>> unroll_loop(const Source& source, const StoredOperator& loop,
                                         const LoopCallbacks& callbacks, Graph& graph) {
  const std::string where = fmt::format("operator {} (WHILE)", loop.index);
  const auto* options = loop.table->builtin_options_as_WhileOptions();
  if (!options) return damaged("carries no options", where);
  THIMBLE_LET(Body condition, Body::read(source, options->cond_subgraph_index(), where));
  THIMBLE_LET(Body body, Body::read(source, options->body_subgraph_index(), where));
  const size_t count = loop.inputs.size();
  if (condition.outputs() != 1 || condition.inputs() != count || body.inputs() != count || body.outputs() != count ||
      loop.outputs.size() != count || std::ranges::count(loop.inputs, kNoValue) > 0)
    return damaged("the loop's values differ in number from those of its subgraphs", where);
  std::vector<ValueId> state = loop.inputs;
  for (size_t round = 0;; ++round) {
    THIMBLE_LET(const bool more, goes_on(condition, state, callbacks, round, where, graph));
    if (!more) return state;
    if (round == kMaxRounds) return cannot_unroll(where, fmt::format("a loop of more than {} rounds", kMaxRounds));
    THIMBLE_LET(state, body.write(state, callbacks, round, graph));
  }
}

void remove_unread_nodes(Graph& graph) {
  std::set<ValueId> read(graph.outputs.begin(), graph.outputs.end());
  std::vector<bool> needed(graph.nodes.size(), false);
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    needed[i] = !node.op->traits.state_inputs.empty() || node.outputs.empty() ||
                std::ranges::any_of(node.outputs, [&](ValueId id) { return read.contains(id); });
    if (needed[i]) read.insert(node.inputs.begin(), node.inputs.end());
  }
  size_t i = 0;
  std::erase_if(graph.nodes, [&](const Node&) { return !needed[i++]; });
}

}  // namespace thimble::tflite
