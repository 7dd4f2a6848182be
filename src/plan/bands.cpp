#include "plan/bands.h"

#include <algorithm>

#include "device/kernels/copy.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

constexpr int64_t kMostBands = 512;   // each is a call of every layer
constexpr int64_t kRowAlignment = 4;  // bytes: a row within a buffer begins where word loads may

// Rows of an input that a node needs for rows of its output.
RowRange rows_read(const RowWindow& window, const RowRange& output, int64_t height) {
  const int64_t begin = output.begin * window.stride - window.padding;
  const int64_t end = (output.end - 1) * window.stride - window.padding + (window.taps - 1) * window.dilation + 1;
  return {std::clamp<int64_t>(begin, 0, height), std::clamp<int64_t>(end, 0, height)};
}

bool is_image(const Value& value) {
  const Shape& shape = value.type.shape;
  return shape.size() == 4 && shape[0] == 1 && !value.initial;
}

// Runs the group band by band, without kernels: who makes which rows when, and where they lie.
class Scheduler {
 public:
  Scheduler(const Graph& graph, const BandGroup& group) : graph_(graph), group_(group), lines_(graph.values.size()) {}

  // False where the group cannot be made in bands.
  bool prepare() {
    for (size_t n = group_.first; n <= group_.last; ++n) {
      const Node& node = graph_.nodes[n];
      if (!node.op->traits.rows || node.outputs.size() != 1 || !is_image(graph_[node.outputs[0]])) return false;
      const auto window = node.op->traits.rows(graph_, node);
      if (!window) return false;
      windows_.push_back(*window);
      for (ValueId id : node.inputs)
        if (flows(id) && (!add_line(id) || (id != node.inputs[0] && window->taps != 1))) return false;
      if (!add_line(node.outputs[0])) return false;
      line(node.outputs[0]).inside = n != group_.last;
    }
    return line(output_of(group_.last)).height / group_.rows <= kMostBands && nobody_else_reads();
  }

  // Nothing where windows lie in the padding alone.
  std::optional<BandSchedule> run() {
    BandSchedule schedule{.group = group_};
    run_bands(nullptr);  // how many rows each buffer must hold
    if (!possible_) return std::nullopt;
    for (Line& line : lines_) line.begin = line.end = line.needed = 0;
    run_bands(&schedule.steps);
    for (size_t v = 0; v < lines_.size(); ++v)
      if (lines_[v].inside) schedule.buffer_bytes[static_cast<ValueId>(v)] = lines_[v].capacity * lines_[v].row_bytes;
    schedule.over = find_over(schedule.steps);
    return schedule;
  }

 private:
  // A value and its rows that exist.
  struct Line {
    bool used = false, inside = false;
    int64_t height = 0, row_bytes = 0;
    int64_t begin = 0, end = 0;  // rows in memory
    int64_t needed = 0;          // rows [0, needed) must have been made in this band
    int64_t capacity = 0;        // rows
  };

  bool flows(ValueId id) const { return id != kNoValue && !graph_[id].constant; }
  Line& line(ValueId id) { return lines_[static_cast<size_t>(id)]; }
  ValueId output_of(size_t n) const { return graph_.nodes[n].outputs[0]; }
  const RowWindow& window_of(size_t n) const { return windows_[n - group_.first]; }

  bool add_line(ValueId id) {
    Line& added = line(id);
    if (!is_image(graph_[id])) return false;
    const ValueType& type = graph_[id].type;
    added.used = true;
    added.height = type.shape[1];
    added.row_bytes = type.shape[2] * type.shape[3] * static_cast<int64_t>(size_of(type.dtype));
    return added.row_bytes % kRowAlignment == 0;
  }

  bool nobody_else_reads() const {
    for (ValueId id : graph_.outputs)
      if (lines_[static_cast<size_t>(id)].inside) return false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (n < group_.first || n > group_.last)
        for (ValueId id : graph_.nodes[n].inputs)
          if (id != kNoValue && lines_[static_cast<size_t>(id)].inside) return false;
    return true;
  }

  // steps: null to find out what the buffers must hold.
  void run_bands(std::vector<BandStep>* steps) {
    Line& last = line(output_of(group_.last));
    while (last.end < last.height) {
      last.needed = std::min(last.height, last.end + group_.rows);
      for (size_t n = group_.last + 1; n-- > group_.first;) ask_inputs(n);
      for (size_t n = group_.first; n <= group_.last; ++n) make_rows(n, steps);
    }
  }

  void ask_inputs(size_t n) {
    const Line& output = line(output_of(n));
    if (output.needed <= output.end) return;
    for (ValueId id : graph_.nodes[n].inputs)
      if (flows(id)) {
        const int64_t end = rows_read(window_of(n), {output.end, output.needed}, line(id).height).end;
        line(id).needed = std::max(line(id).needed, end);
      }
  }

  // The first row of a value that a later call will read.
  int64_t first_row_in_use(ValueId id) {
    int64_t first = line(id).end;
    for (size_t n = group_.first; n <= group_.last; ++n) {
      const Line& output = line(output_of(n));
      if (output.end == output.height || std::ranges::find(graph_.nodes[n].inputs, id) == graph_.nodes[n].inputs.end())
        continue;
      first = std::min(first, rows_read(window_of(n), {output.end, output.end + 1}, line(id).height).begin);
    }
    return first;
  }

  void make_rows(size_t n, std::vector<BandStep>* steps) {
    Line& output = line(output_of(n));
    if (output.needed <= output.end) return;
    if (output.inside) drop_rows(n, steps);
    BandStep step{.node = n, .output = {output.end, output.needed}, .output_at = output.end - output.begin};
    const RowWindow& window = window_of(n);
    step.padding = std::max<int64_t>(0, window.padding - output.end * window.stride);
    for (ValueId id : graph_.nodes[n].inputs) {
      step.input_at.push_back(0);
      if (!flows(id)) continue;
      step.input = rows_read(window, step.output, line(id).height);
      possible_ = possible_ && step.input.count() > 0;
      step.input_at.back() = step.input.begin - line(id).begin;
    }
    output.end = output.needed;
    output.capacity = std::max(output.capacity, output.end - output.begin);
    if (steps) steps->push_back(std::move(step));
  }

  // Makes room for the new rows: at once while the capacity is being found, afterwards when there is none.
  void drop_rows(size_t n, std::vector<BandStep>* steps) {
    Line& output = line(output_of(n));
    const int64_t first = first_row_in_use(output_of(n));
    if (first == output.begin || (steps && output.needed - output.begin <= output.capacity)) return;
    if (steps && first < output.end)
      steps->push_back(
          {.node = n, .moves = true, .output = {0, output.end - first}, .output_at = first - output.begin});
    output.begin = first;
  }

  // The largest input from outside, and how far the output must lie before it: no row may be overwritten that this or a
  // later step reads.
  std::optional<BandSchedule::Over> find_over(const std::vector<BandStep>& steps) {
    const ValueId output = output_of(group_.last);
    BandSchedule::Over over;
    for (size_t v = 0; v < lines_.size(); ++v)
      if (const auto id = static_cast<ValueId>(v); lines_[v].used && !lines_[v].inside && id != output)
        if (over.input == kNoValue || bytes_of(id) > bytes_of(over.input)) over.input = id;
    if (over.input == kNoValue) return std::nullopt;
    int64_t in_use = bytes_of(over.input);
    for (size_t s = steps.size(); s-- > 0;) {
      const BandStep& step = steps[s];
      if (step.moves) continue;
      if (std::ranges::find(graph_.nodes[step.node].inputs, over.input) != graph_.nodes[step.node].inputs.end())
        in_use = std::min(in_use, step.input.begin * line(over.input).row_bytes);
      if (step.node == group_.last && in_use < bytes_of(over.input))
        over.distance = std::max(over.distance, step.output.end * line(output).row_bytes - in_use);
    }
    return over;
  }
  int64_t bytes_of(ValueId id) { return line(id).height * line(id).row_bytes; }

  const Graph& graph_;
  const BandGroup& group_;
  std::vector<RowWindow> windows_;  // by node of the group
  std::vector<Line> lines_;         // by value
  bool possible_ = true;
};

int64_t row_bytes(const Value& value) {
  const Shape& shape = value.type.shape;
  return shape[2] * shape[3] * static_cast<int64_t>(size_of(value.type.dtype));
}

KernelCall move_call(const Graph& graph, const Node& node, const BandStep& step) {
  const ValueId id = node.outputs[0];
  const int64_t row = row_bytes(graph[id]), bytes = step.output.count() * row;
  KernelCall call = KernelCall::make("move_bytes", device::CopyBytesParams{static_cast<int32_t>(bytes)});
  call.operand(ValuePart{id, step.output_at * row, bytes}).operand(ValuePart{id, 0, bytes});
  return call;
}

// Lowers a node as if its inputs and output had the step's rows only; `part` is a copy of the graph.
Result<std::vector<KernelCall>> lower_step(const Graph& graph, Graph& part, const BandStep& step,
                                           const KernelForm& form) {
  const Node& whole = graph.nodes[step.node];
  Node node = whole;
  node.attrs.set(kBandRows, step.output.count()).set(kBandPadding, step.padding);
  std::map<ValueId, ValuePart> parts;
  const auto cut = [&](ValueId id, const RowRange& rows, int64_t at) {
    part[id].type.shape[1] = rows.count();
    parts[id] = {id, at * row_bytes(graph[id]), rows.count() * row_bytes(graph[id])};
  };
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != kNoValue && !graph[node.inputs[i]].constant)
      cut(node.inputs[i], step.input, step.input_at[i]);
  cut(node.outputs[0], step.output, step.output_at);
  auto calls = lower_node({part, node, form});
  for (const auto& [id, unused] : parts) part[id].type.shape[1] = graph[id].type.shape[1];
  if (!calls) return calls;
  for (KernelCall& call : *calls) {
    call.overlap.reset();
    for (Operand& operand : call.operands)
      if (const auto* id = std::get_if<ValueId>(&operand))
        if (const auto found = parts.find(*id); found != parts.end()) operand = found->second;
  }
  return calls;
}

}  // namespace

std::optional<BandSchedule> schedule_bands(const Graph& graph, const BandGroup& group) {
  Scheduler scheduler(graph, group);
  if (!scheduler.prepare()) return std::nullopt;
  return scheduler.run();
}

Result<BandCalls> lower_bands(const Graph& graph, const std::vector<LoweredNode>& nodes, const BandSchedule& schedule) {
  BandCalls lowered;
  Graph part = graph;
  for (const BandStep& step : schedule.steps) {
    const Node& node = graph.nodes[step.node];
    std::vector<KernelCall> calls;
    if (step.moves) {
      calls.push_back(move_call(graph, node, step));
    } else {
      THIMBLE_LET(calls, lower_step(graph, part, step, nodes[step.node].form));
    }
    for (KernelCall& call : calls) {
      call.layer = node.name;
      lowered.calls.push_back(std::move(call));
      lowered.node_of_call.push_back(step.node);
    }
  }
  return lowered;
}

}  // namespace thimble
