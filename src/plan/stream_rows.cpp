#include "plan/stream_rows.h"

#include <algorithm>
#include <numeric>

#include "graph/interpreter.h"
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble {

namespace {

constexpr int64_t kMostNewRows = 1 << 16;

int64_t rows_of(const ValueType& type) { return type.shape.size() >= 3 ? type.shape[1] : 0; }

// The same elements in the same rows: [1, rows, ...] under another shape.
bool keeps_rows(const Graph& graph, const Node& node) {
  if (!node.op->traits.alias) return false;
  const Shape &from = graph[node.inputs[0]].type.shape, &to = graph[node.outputs[0]].type.shape;
  return from.size() >= 3 && to.size() >= 3 && from[0] == 1 && to[0] == 1 && from[1] == to[1];
}

std::optional<RowWindow> row_window(const Graph& graph, const Node& node) {
  if (keeps_rows(graph, node)) return RowWindow{};
  if (!node.op->traits.rows || node.outputs.size() != 1) return {};
  const auto window = node.op->traits.rows(graph, node);
  return window && window->inside ? window : std::nullopt;
}

class Streamer {
 public:
  explicit Streamer(const Graph& from) : from_(from), flows_(from.values.size()) { to_.name = from.name; }

  Result<StreamedGraph> run() {
    if (from_.inputs.size() != 1 || rows_of(from_[from_.inputs[0]].type) < 2 ||
        from_[from_.inputs[0]].type.shape[0] != 1)
      return refuse("",
                    fmt::format("streaming takes a model with one input [1, rows, ...], found {}",
                                from_.inputs.size() == 1 ? to_string(from_[from_.inputs[0]].type.shape)
                                                         : fmt::format("{} inputs", from_.inputs.size())),
                    "run it without --streaming");
    THIMBLE_TRY(find_new_rows());
    THIMBLE_TRY(run_silence());
    const ValueId input = from_.inputs[0];
    flows_[at(input)] = {add(from_[input], with_rows(from_[input].type, new_rows_)), new_rows_};
    to_.inputs.push_back(flows_[at(input)].id);
    for (const Node& node : from_.nodes) THIMBLE_TRY(add_node(node));
    for (const ValueId output : from_.outputs) THIMBLE_TRY(add_output(output));
    remove_unused_values(to_);
    THIMBLE_TRY(verify(to_));
    return StreamedGraph{std::move(to_), new_rows_, rows_of(from_[input].type)};
  }

 private:
  // Where a value of the original is in the streamed graph: all of it, or only its new rows.
  struct Flow {
    ValueId id = kNoValue;
    int64_t new_rows = 0;  // 0: all of it
  };

  static size_t at(ValueId id) { return static_cast<size_t>(id); }
  static tl::unexpected<Error> refuse(const std::string& layer, std::string message, std::string hint) {
    return fail(ErrorCode::unsupported, std::move(message), layer, std::move(hint));
  }
  static ValueType with_rows(ValueType type, int64_t rows) {
    type.shape[1] = rows;
    return type;
  }

  ValueId add(const Value& like, ValueType type) {
    Value value = like;
    value.type = std::move(type);
    return to_.add(std::move(value));
  }

  // How many rows each value takes for one of its own, along the rows; as many new ones make whole strides everywhere.
  Outcome find_new_rows() {
    std::vector<int64_t> strides(from_.values.size(), 0);
    strides[at(from_.inputs[0])] = 1;
    for (const Node& node : from_.nodes) {
      int64_t stride = 0;
      for (const ValueId input : node.inputs)
        if (input != kNoValue) stride = std::max(stride, strides[at(input)]);
      const auto window = stride > 0 ? row_window(from_, node) : std::nullopt;
      if (!window) continue;
      if (window->stride > kMostNewRows / stride)
        return refuse(node.name, "the strides over rows multiply to too much", "run it without --streaming");
      strides[at(node.outputs[0])] = stride * window->stride;
      new_rows_ = std::lcm(new_rows_, stride * window->stride);
    }
    return {};
  }

  // What every value holds when the input has always been zero.
  Outcome run_silence() {
    THIMBLE_LET(Interpreter interpreter, Interpreter::make(from_));
    const Value& input = from_[from_.inputs[0]];
    const std::vector<float> zeros(static_cast<size_t>(element_count(input.type.shape)), 0.0f);
    THIMBLE_LET(const std::vector<std::byte> codes, codes_of(input, zeros));
    std::ranges::copy(codes, interpreter.value(from_.inputs[0]).begin());
    THIMBLE_TRY(interpreter.run());
    silence_.emplace(std::move(interpreter));
    return {};
  }

  // A state of the last `rows` rows of a value, to which the new ones are added.
  ValueId add_state(const std::string& reader, ValueId original, int64_t rows) {
    const Value& value = from_[original];
    Value state = value;
    state.name += "_rows";
    state.type = with_rows(value.type, rows);
    const auto bytes = std::as_const(*silence_).value(original);
    const size_t row = bytes.size() / static_cast<size_t>(rows_of(value.type));
    auto initial = std::make_shared<Tensor>(Tensor{value.type.dtype, state.type.shape, {}});
    for (int64_t r = 0; r < rows; ++r) initial->bytes.insert(initial->bytes.end(), bytes.end() - row, bytes.end());
    state.initial = std::move(initial);
    const ValueId id = to_.add(std::move(state));
    to_.nodes.push_back({.op = &ops::slide_rows(), .name = reader + "_rows", .inputs = {id, flows_[at(original)].id}});
    return id;
  }

  // An input of a node: as many of its last rows as the node needs (0: all).
  Result<ValueId> input_of(const Node& node, ValueId original, int64_t rows) {
    if (original == kNoValue) return kNoValue;
    Flow& flow = flows_[at(original)];
    if (flow.id == kNoValue) {
      if (from_[original].initial)
        return refuse(node.name, "streaming takes models without state of their own", "run it with --sequence");
      flow = {to_.add(from_[original]), 0};
    }
    if (flow.new_rows == 0 || flow.new_rows == rows) return flow.id;
    return add_state(node.name, original, rows > 0 ? rows : rows_of(from_[original].type));
  }

  Outcome add_node(const Node& node) {
    int64_t new_rows = 0;
    for (const ValueId input : node.inputs)
      if (input != kNoValue) new_rows = std::max(new_rows, flows_[at(input)].new_rows);
    const auto window = new_rows > 0 ? row_window(from_, node) : std::nullopt;
    if (new_rows > 0 && !window && pads_rows(node))
      return refuse(node.name,
                    fmt::format("{} pads rows: with each new row the padding moves on, and with it all that "
                                "was computed",
                                node.op->name),
                    "train the model with padding \"valid\" along time, or run it without --streaming");
    // A window that steps over rows needs no memory of them.
    const int64_t rows = !window                            ? 0
                         : window->span() <= window->stride ? new_rows
                                                            : window->span() - window->stride + new_rows;
    Node streamed{.op = node.op, .name = node.name, .attrs = node.attrs};
    std::vector<ValueType> types;
    std::vector<const Tensor*> constants;
    for (const ValueId input : node.inputs) {
      THIMBLE_LET(const ValueId id, input_of(node, input, rows));
      streamed.inputs.push_back(id);
      types.push_back(id == kNoValue ? ValueType{} : to_[id].type);
      constants.push_back(id == kNoValue ? nullptr : to_[id].constant.get());
    }
    const int64_t made = window ? new_rows / window->stride : 0;
    if (window && node.op->traits.alias && streamed.attrs.has("shape")) {
      Shape shape = from_[node.outputs[0]].type.shape;
      shape[1] = made;
      streamed.attrs.set("shape", shape);
    }
    THIMBLE_LET(const std::vector<ValueType> outputs, (*node.op->infer)({streamed.attrs, types, constants}));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId id = add(from_[node.outputs[i]], outputs.at(i));
      streamed.outputs.push_back(id);
      const bool all = outputs[i] == from_[node.outputs[i]].type;
      if (!all && (!window || rows_of(outputs[i]) != made))
        return refuse(node.name, "its rows cannot be computed one after the other", "run it without --streaming");
      flows_[at(node.outputs[i])] = {id, all ? 0 : made};
    }
    to_.nodes.push_back(std::move(streamed));
    return {};
  }

  // Its rows would follow one another, but for the padding.
  static bool pads_rows(const Node& node) {
    return node.op->traits.rows && node.attrs.word("padding", "valid") != "valid";
  }

  Outcome add_output(ValueId output) {
    Flow flow = flows_[at(output)];
    if (flow.new_rows > 0) {
      const ValueId state = add_state(from_[output].name, output, rows_of(from_[output].type));
      flow.id = add(from_[output], from_[output].type);
      to_.nodes.push_back(
          {.op = &ops::read_variable(), .name = from_[output].name + "_all", .inputs = {state}, .outputs = {flow.id}});
    }
    to_.outputs.push_back(flow.id);
    return {};
  }

  const Graph& from_;
  Graph to_;
  std::vector<Flow> flows_;  // by value of the original
  int64_t new_rows_ = 1;
  std::optional<Interpreter> silence_;
};

}  // namespace

Result<StreamedGraph> stream_rows(const Graph& graph) { return Streamer(graph).run(); }

}  // namespace thimble
