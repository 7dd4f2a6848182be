// From a graph to a plan: kernel calls, which values share memory, how long each block of memory lives, and where it
// lies.
#include "plan/plan.h"

#include <algorithm>
#include <map>

#include "device/runtime/plan_format.h"
#include "graph/kernel_table.h"
#include "graph/op_spec.h"
#include "plan/arena.h"
#include "plan/band_search.h"
#include "plan/forms.h"

namespace thimble {

namespace {

constexpr int64_t kMostBytes = (int64_t{1} << 31) - 1;  // an operand's offset has 31 bits
constexpr int64_t kWeightAlignment = 16;

// Size of a value, refusing what no device could hold and shapes that are not known.
Result<int64_t> bytes_of(const Value& value) {
  auto bytes = static_cast<int64_t>(size_of(value.type.dtype));
  for (int64_t extent : value.type.shape) {
    if (extent <= 0)
      return fail(ErrorCode::bad_data,
                  fmt::format("shape {} has an extent that is not positive", to_string(value.type.shape)), value.name,
                  "export the model with fixed shapes and batch 1");
    if (extent > kMostBytes / bytes)
      return fail(ErrorCode::does_not_fit, fmt::format("shape {} is beyond 2 GiB", to_string(value.type.shape)),
                  value.name);
    bytes *= extent;
  }
  return bytes;
}

// The kernel calls of a graph and which node each came from.
struct LoweredGraph {
  std::vector<KernelCall> calls;
  std::vector<size_t> node_of_call;
  std::vector<size_t> calls_of_node;  // count
  // Groups of nodes made in bands, and the calls of each.
  struct Bands {
    BandSchedule schedule;
    int first_call = 0, last_call = 0;
  };
  std::vector<Bands> bands;
  void add(std::vector<KernelCall> more, size_t node) {
    for (KernelCall& call : more) {
      calls.push_back(std::move(call));
      node_of_call.push_back(node);
    }
  }
};

Outcome check_against_kernel(const KernelCall& call) {
  const KernelInfo* kernel = find_kernel(call.kernel);
  if (!kernel) return fail(ErrorCode::internal, fmt::format("there is no kernel {}", call.kernel), call.layer);
  if (call.params.size() != static_cast<size_t>(kernel->params) || call.operands.size() != kernel->entry.operands ||
      call.operands.size() > device::kMaxOperands)
    return fail(ErrorCode::internal,
                fmt::format("{} takes {} parameters and {} operands, found {} and {}", call.kernel, kernel->params,
                            kernel->entry.operands, call.params.size(), call.operands.size()),
                call.layer);
  return {};
}

// groups: in order.
Result<LoweredGraph> lower_nodes(const Graph& graph, const std::vector<LoweredNode>& nodes,
                                 std::span<const BandSchedule> groups) {
  LoweredGraph lowered;
  auto group = groups.begin();
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (group == groups.end() || n != group->group.first) {
      lowered.calls_of_node.push_back(nodes[n].calls.size());
      lowered.add(nodes[n].calls, n);
      continue;
    }
    THIMBLE_LET(BandCalls band, lower_bands(graph, nodes, *group));
    const auto begin = static_cast<int>(lowered.calls.size());
    for (size_t c = 0; c < band.calls.size(); ++c) lowered.add({std::move(band.calls[c])}, band.node_of_call[c]);
    lowered.bands.push_back({*group, begin, static_cast<int>(lowered.calls.size()) - 1});
    lowered.calls_of_node.insert(lowered.calls_of_node.end(), group->group.last + 1 - n, band.calls.size());
    n = group++->group.last;
  }
  for (const KernelCall& call : lowered.calls) THIMBLE_TRY(check_against_kernel(call));
  return lowered;
}

// Which values share one block of memory: each value points to the one whose memory it takes.
class SharedMemory {
 public:
  SharedMemory(const Graph& graph, std::span<const size_t> calls_of_node)
      : owner_(graph.values.size()), last_use_(graph.values.size(), kNever) {
    for (size_t v = 0; v < owner_.size(); ++v) owner_[v] = static_cast<ValueId>(v);
    for (const Node& node : graph.nodes)
      if (shares_memory(graph, node)) join(node.outputs[0], node.inputs[0]);
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (ValueId input : graph.nodes[n].inputs)
        if (input != kNoValue) last_use(input) = static_cast<int64_t>(n);
    for (ValueId output : graph.outputs) last_use(output) = kForever;
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      if (calls_of_node[n] == 1 && may_run_in_place(graph, n)) {
        const Node& node = graph.nodes[n];
        const int64_t last = last_use(node.outputs[0]);
        join(node.outputs[0], node.inputs[0]);
        last_use(node.inputs[0]) = last;
      }
  }

  // The value whose memory this one takes: itself, unless it shares.
  ValueId owner(ValueId id) const {
    while (owner_[static_cast<size_t>(id)] != id) id = owner_[static_cast<size_t>(id)];
    return id;
  }

 private:
  static constexpr int64_t kNever = -1, kForever = std::numeric_limits<int64_t>::max();

  int64_t& last_use(ValueId id) { return last_use_[static_cast<size_t>(owner(id))]; }
  void join(ValueId id, ValueId with) { owner_[static_cast<size_t>(owner(id))] = owner(with); }

  // The op allows it, and nobody else will read what it overwrites.
  bool may_run_in_place(const Graph& graph, size_t n) {
    const Node& node = graph.nodes[n];
    if (!node.op->traits.in_place || node.outputs.size() != 1) return false;
    const ValueId input = owner(node.inputs[0]);
    if (graph[input].constant || graph[input].initial || last_use(input) != static_cast<int64_t>(n)) return false;
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && owner(node.inputs[i]) == input) return false;
    const ValueType &from = graph[input].type, &to = graph[node.outputs[0]].type;
    return element_count(from.shape) * static_cast<int64_t>(size_of(from.dtype)) ==
           element_count(to.shape) * static_cast<int64_t>(size_of(to.dtype));
  }

  std::vector<ValueId> owner_;
  std::vector<int64_t> last_use_;  // by owner: index of the last node that reads it
};

// Collects constants into one block, each content once.
class ConstantPool {
 public:
  explicit ConstantPool(std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  uint32_t add(const Tensor& tensor) {
    const int64_t alignment =
        tensor.shape.size() > 1 ? kWeightAlignment : std::max<int64_t>(4, static_cast<int64_t>(size_of(tensor.dtype)));
    const auto* begin = reinterpret_cast<const char*>(tensor.bytes.data());
    const auto [place, is_new] = places_.try_emplace({alignment, std::string(begin, tensor.bytes.size())}, 0);
    if (!is_new) return place->second;
    const auto unit = static_cast<size_t>(alignment);
    bytes_.resize((bytes_.size() + unit - 1) / unit * unit, 0);
    place->second = static_cast<uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), begin, begin + tensor.bytes.size());
    return place->second;
  }

 private:
  std::vector<uint8_t>& bytes_;
  std::map<std::pair<int64_t, std::string>, uint32_t> places_;
};

// The tensors that may overlap: a call allows it, its input is of no use afterwards, its output of none before, and no
// other operand lies in either. Indices are those of Plan::tensors.
std::vector<ArenaOverlap> overlaps_of(const Plan& plan) {
  std::vector<ArenaOverlap> overlaps;
  for (size_t c = 0; c < plan.calls.size(); ++c) {
    const auto& [call, refs, op, macs, weight_bytes] = plan.calls[c];
    if (!call.overlap || call.overlap->input >= refs.size() || call.overlap->output >= refs.size()) continue;
    const int input = refs[call.overlap->input].tensor, output = refs[call.overlap->output].tensor;
    if (input < 0 || output < 0 || input == output) continue;
    const ArenaTensor &from = plan.tensors[static_cast<size_t>(input)], &to = plan.tensors[static_cast<size_t>(output)];
    const auto users =
        std::ranges::count_if(refs, [&](const OperandRef& ref) { return ref.tensor == input || ref.tensor == output; });
    const auto step = static_cast<int>(c);
    if (users != 2 || from.state || to.state || from.output || from.last_call != step || to.first_call != step)
      continue;
    overlaps.push_back(
        {static_cast<size_t>(input), static_cast<size_t>(output), call.overlap->distance, call.overlap->exact});
  }
  for (const PlannedBands& bands : plan.bands) {
    if (bands.input < 0 || bands.output < 0) continue;
    const ArenaTensor &from = plan.tensors[static_cast<size_t>(bands.input)],
                      &to = plan.tensors[static_cast<size_t>(bands.output)];
    if (from.state || to.state || from.output || from.last_call > bands.last_call || to.first_call < bands.first_call)
      continue;
    overlaps.push_back({static_cast<size_t>(bands.input), static_cast<size_t>(bands.output), bands.distance});
  }
  return overlaps;
}

// Fills a Plan from a graph, step by step.
class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, const PlanOptions& options, LoweredGraph lowered)
      : graph_(graph),
        lowered_(std::move(lowered)),
        memory_(graph, lowered_.calls_of_node),
        constants_(plan_.constants),
        overlap_(options.overlap),
        counted_(graph.nodes.size(), false),
        tensor_of_(graph.values.size(), kNoTensor) {
    plan_.model = graph.name;
    plan_.isa = options.isa;
    plan_.signal_fingerprint = options.signal_fingerprint;
  }

  Result<Plan> build() {
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (graph_.values[v].initial) THIMBLE_TRY(touch(static_cast<ValueId>(v), 0));
    for (ValueId input : graph_.inputs) THIMBLE_TRY(touch(input, 0));
    for (size_t c = 0; c < lowered_.calls.size(); ++c) THIMBLE_TRY(add_call(c));
    if (overlap_) add_bands();
    const int last = std::max(0, static_cast<int>(lowered_.calls.size()) - 1);
    for (ValueId output : graph_.outputs) {
      THIMBLE_TRY(touch(output, last));
      plan_.tensors[static_cast<size_t>(tensor_of(output))].output = true;
    }
    for (ArenaTensor& tensor : plan_.tensors)
      if (tensor.state) tensor.last_call = last;
    THIMBLE_TRY(place_state());
    if (static_cast<int64_t>(plan_.constants.size()) > kMostBytes)
      return fail(ErrorCode::does_not_fit, "the constants are beyond 2 GiB", graph_.name);
    THIMBLE_TRY(place());
    THIMBLE_TRY(add_ports(graph_.inputs, plan_.inputs));
    THIMBLE_TRY(add_ports(graph_.outputs, plan_.outputs));
    THIMBLE_TRY(verify(plan_));
    return std::move(plan_);
  }

 private:
  static constexpr int kNoTensor = -1;

  int& tensor_of(ValueId id) { return tensor_of_[static_cast<size_t>(memory_.owner(id))]; }

  // Notes that a value's memory is in use at a call.
  Outcome touch(ValueId id, int call) {
    const ValueId owner = memory_.owner(id);
    if (graph_[owner].constant)
      return fail(ErrorCode::unsupported, "an input or output of the model is a constant", graph_[id].name,
                  "remove it from the model's inputs and outputs");
    int& tensor = tensor_of(id);
    if (tensor == kNoTensor) {
      THIMBLE_LET(const int64_t bytes, bytes_in_memory(owner));
      tensor = static_cast<int>(plan_.tensors.size());
      plan_.tensors.push_back({.name = graph_[owner].name,
                               .bytes = bytes,
                               .first_call = call,
                               .last_call = call,
                               .state = graph_[owner].initial != nullptr});
      plan_.tensors.back().value = owner;
    }
    ArenaTensor& touched = plan_.tensors[static_cast<size_t>(tensor)];
    touched.last_call = std::max(touched.last_call, call);
    return {};
  }

  Outcome add_call(size_t index) {
    const size_t n = lowered_.node_of_call[index];
    const Node& node = graph_.nodes[n];
    PlannedCall planned{.call = std::move(lowered_.calls[index]), .op = std::string(node.op->name)};
    if (node.op->macs && !counted_[n]) planned.macs = (*node.op->macs)(graph_, node);
    counted_[n] = true;
    plan_.macs += planned.macs;
    for (Operand& operand : planned.call.operands) {
      THIMBLE_LET(OperandRef ref, add_operand(operand, planned.call.layer, static_cast<int>(index)));
      if (ref.constant) planned.weight_bytes += ref.bytes;
      planned.refs.push_back(ref);
    }
    if (!overlap_) planned.call.overlap.reset();
    plan_.calls.push_back(std::move(planned));
    return {};
  }

  // Of values that are made in bands there are some rows only.
  Result<int64_t> bytes_in_memory(ValueId id) const {
    for (const LoweredGraph::Bands& bands : lowered_.bands)
      if (const auto found = bands.schedule.buffer_bytes.find(id); found != bands.schedule.buffer_bytes.end())
        return found->second;
    return bytes_of(graph_[id]);
  }

  void add_bands() {
    for (const auto& [schedule, first_call, last_call] : lowered_.bands) {
      const Node &first = graph_.nodes[schedule.group.first], &last = graph_.nodes[schedule.group.last];
      PlannedBands bands{.first = first.name,
                         .last = last.name,
                         .rows = schedule.group.rows,
                         .first_call = first_call,
                         .last_call = last_call};
      for (const auto& [id, bytes] : schedule.buffer_bytes) bands.buffer_bytes += bytes;
      if (schedule.over) {
        bands.input = tensor_of(schedule.over->input);
        bands.output = tensor_of(last.outputs[0]);
        bands.distance = schedule.over->distance;
      }
      plan_.bands.push_back(std::move(bands));
    }
  }

  // Arena operands get the offset of their memory in place(); until then they have that within it.
  Result<OperandRef> add_operand(Operand& operand, const std::string& layer, int call) {
    if (auto* tensor = std::get_if<Tensor>(&operand)) {
      const OperandRef ref{true, constants_.add(*tensor), tensor->dtype, static_cast<int64_t>(tensor->bytes.size())};
      tensor->bytes = {};
      return ref;
    }
    if (const auto* scratch = std::get_if<ScratchBytes>(&operand)) {
      if (scratch->bytes <= 0 || scratch->bytes > kMostBytes)
        return fail(ErrorCode::internal, fmt::format("asks for {} bytes of scratch", scratch->bytes), layer);
      plan_.tensors.push_back({layer + " scratch", scratch->bytes, 0, call, call, true});
      return OperandRef{false, 0, scratch->dtype, scratch->bytes, static_cast<int>(plan_.tensors.size()) - 1};
    }
    if (const auto* part = std::get_if<ValuePart>(&operand)) {
      THIMBLE_TRY(touch(part->value, call));
      return OperandRef{false, static_cast<uint32_t>(part->offset), graph_[part->value].type.dtype, part->bytes,
                        tensor_of(part->value)};
    }
    const ValueId id = std::get<ValueId>(operand);
    if (id < 0 || id >= static_cast<ValueId>(graph_.values.size()))
      return fail(ErrorCode::internal, fmt::format("a kernel operand names value {}", id), layer);
    THIMBLE_LET(const int64_t bytes, bytes_of(graph_[id]));
    if (const auto& constant = graph_[memory_.owner(id)].constant)
      return OperandRef{true, constants_.add(*constant), constant->dtype, bytes};
    THIMBLE_TRY(touch(id, call));
    return OperandRef{false, 0, graph_[id].type.dtype, bytes, tensor_of(id)};
  }

  // State at the start of the arena, one after the other, and what it holds at first among the constants.
  Outcome place_state() {
    Tensor initial{DType::u8, {}, {}};
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const auto& state = graph_.values[v].initial;
      if (!state) continue;
      plan_.tensors[static_cast<size_t>(tensor_of(static_cast<ValueId>(v)))].offset =
          static_cast<uint32_t>(initial.bytes.size());
      initial.bytes.insert(initial.bytes.end(), state->bytes.begin(), state->bytes.end());
      initial.bytes.resize((initial.bytes.size() + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment);
      if (static_cast<int64_t>(initial.bytes.size()) > kMostBytes)
        return fail(ErrorCode::does_not_fit, "the state is beyond 2 GiB", graph_.name);
    }
    plan_.state_bytes = static_cast<int64_t>(initial.bytes.size());
    if (std::ranges::any_of(initial.bytes, [](std::byte byte) { return byte != std::byte{0}; }))
      plan_.state_initial = constants_.add(initial);
    return {};
  }

  Outcome place() {
    std::vector<ArenaBlock> blocks;
    std::vector<size_t> block_of(plan_.tensors.size(), 0);
    int64_t sum = plan_.state_bytes;
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      const ArenaTensor& tensor = plan_.tensors[t];
      if (tensor.state) continue;
      block_of[t] = blocks.size();
      blocks.push_back({tensor.bytes, tensor.first_call, tensor.last_call});
      sum += tensor.bytes + kArenaAlignment;
    }
    if (sum > kMostBytes)
      return fail(ErrorCode::does_not_fit, fmt::format("the tensors need {} bytes together", sum), graph_.name);
    std::vector<ArenaOverlap> overlaps = overlaps_of(plan_);
    for (ArenaOverlap& overlap : overlaps) {
      overlap.input = block_of[overlap.input];
      overlap.output = block_of[overlap.output];
    }
    const ArenaLayout layout = place_in_arena(blocks, overlaps);
    plan_.arena_bytes = plan_.state_bytes + layout.bytes;
    plan_.lower_bound_bytes = plan_.state_bytes + layout.lower_bound;
    plan_.arena_is_smallest = layout.smallest;
    auto offset = layout.offsets.begin();
    for (ArenaTensor& tensor : plan_.tensors)
      if (!tensor.state) tensor.offset = static_cast<uint32_t>(plan_.state_bytes + *offset++);
    for (PlannedCall& call : plan_.calls)
      for (OperandRef& ref : call.refs)
        if (!ref.constant) ref.offset += plan_.tensors[static_cast<size_t>(ref.tensor)].offset;
    return {};
  }

  Outcome add_ports(std::span<const ValueId> ids, std::vector<PlanPort>& ports) {
    for (ValueId id : ids) {
      THIMBLE_LET(const int64_t bytes, bytes_of(graph_[id]));
      const uint32_t offset = plan_.tensors[static_cast<size_t>(tensor_of(id))].offset;
      ports.push_back({graph_[id].name, offset, bytes, graph_[id].type, graph_[id].quantization});
    }
    return {};
  }

  const Graph& graph_;
  LoweredGraph lowered_;
  SharedMemory memory_;
  Plan plan_;
  ConstantPool constants_;
  bool overlap_;
  std::vector<bool> counted_;   // by node: its multiply-accumulates
  std::vector<int> tensor_of_;  // by owner
};

// An arena operand must lie inside a tensor that lives during the call.
bool lies_in_its_tensor(const Plan& plan, const OperandRef& ref, int call) {
  if (ref.tensor < 0 || ref.tensor >= static_cast<int>(plan.tensors.size())) return false;
  const ArenaTensor& tensor = plan.tensors[static_cast<size_t>(ref.tensor)];
  return tensor.offset <= ref.offset && ref.offset + ref.bytes <= tensor.offset + tensor.bytes &&
         tensor.first_call <= call && call <= tensor.last_call;
}

}  // namespace

namespace {

// Layers that need most lose their scratch memory, where that lowers the whole arena: at any price when RAM is what is
// asked for, else for a hundredth of all instructions together; not for a kernel whose price nobody knows.
Result<Plan> spare_scratch(const Graph& graph, const PlanOptions& options, std::vector<LoweredNode>& nodes, Plan plan) {
  constexpr int64_t kPart = 100;
  int64_t allowed = 0;
  for (const LoweredNode& node : nodes) allowed += node.instructions / kPart;
  for (size_t tries = nodes.size(); tries-- > 0 && options.optimize != Optimize::speed;) {
    const std::vector<int64_t> ram = ram_over_time(plan);
    if (ram.empty()) break;
    const PlannedCall& most = plan.calls[static_cast<size_t>(std::ranges::max_element(ram) - ram.begin())];
    const auto n =
        static_cast<size_t>(std::ranges::find(graph.nodes, most.call.layer, &Node::name) - graph.nodes.begin());
    const bool has_scratch = std::ranges::any_of(most.refs, [&](const OperandRef& ref) {
      return ref.tensor >= 0 && plan.tensors[static_cast<size_t>(ref.tensor)].scratch;
    });
    if (n == nodes.size() || !nodes[n].form.scratch || !has_scratch) break;
    KernelForm form = nodes[n].form;
    form.scratch = false;
    THIMBLE_LET(LoweredNode spare, lower_in_form(graph, graph.nodes[n], form));
    const int64_t price = spare.instructions - nodes[n].instructions;
    if (options.optimize != Optimize::ram && (spare.instructions == 0 || price > allowed)) break;
    std::swap(nodes[n], spare);
    THIMBLE_LET(Plan made, make_plan(graph, options, nodes, {}));
    if (made.arena_bytes >= plan.arena_bytes) {
      std::swap(nodes[n], spare);
      break;
    }
    allowed -= price;
    plan = std::move(made);
  }
  return plan;
}

}  // namespace

Result<Plan> make_plan(const Graph& graph, const PlanOptions& options, const std::vector<LoweredNode>& nodes,
                       std::span<const BandSchedule> groups) {
  THIMBLE_LET(LoweredGraph lowered, lower_nodes(graph, nodes, groups));
  return PlanBuilder(graph, options, std::move(lowered)).build();
}

Result<Plan> make_plan(const Graph& graph, const PlanOptions& options) {
  THIMBLE_TRY(verify(graph));
  THIMBLE_LET(std::vector<LoweredNode> nodes, choose_forms(graph, options));
  const PlanWithBands make = [&](std::span<const BandSchedule> groups) {
    return make_plan(graph, options, nodes, groups);
  };
  THIMBLE_LET(Plan plan, make({}));
  THIMBLE_LET(plan, spare_scratch(graph, options, nodes, std::move(plan)));
  if (options.optimize != Optimize::ram && options.ram_budget_bytes == 0) return plan;
  return search_bands(graph, std::move(plan), options.ram_budget_bytes, make);
}

Outcome verify(const Plan& plan) {
  for (const ArenaTensor& tensor : plan.tensors)
    if (tensor.state ? tensor.offset + tensor.bytes > plan.state_bytes : tensor.offset < plan.state_bytes)
      return fail(ErrorCode::internal, fmt::format("{} lies on the wrong side of the state's end", tensor.name),
                  plan.model);
  if (plan.state_initial && (*plan.state_initial % 4 != 0 ||
                             *plan.state_initial + plan.state_bytes > static_cast<int64_t>(plan.constants.size())))
    return fail(ErrorCode::internal, "the state's first contents lie outside the constants", plan.model);
  for (size_t c = 0; c < plan.calls.size(); ++c) {
    const PlannedCall& planned = plan.calls[c];
    THIMBLE_TRY(check_against_kernel(planned.call));
    if (planned.refs.size() != planned.call.operands.size())
      return fail(ErrorCode::internal, "operands and their places differ in number", planned.call.layer);
    for (const OperandRef& ref : planned.refs) {
      const bool inside =
          ref.constant ? ref.offset % 4 == 0 && ref.offset + ref.bytes <= static_cast<int64_t>(plan.constants.size())
                       : lies_in_its_tensor(plan, ref, static_cast<int>(c));
      if (!inside)
        return fail(ErrorCode::internal, fmt::format("{} has an operand outside its memory", planned.call.kernel),
                    planned.call.layer);
    }
  }
  std::vector<ArenaBlock> blocks;
  std::vector<int64_t> offsets;
  for (const ArenaTensor& tensor : plan.tensors) {
    blocks.push_back({tensor.bytes, tensor.first_call, tensor.last_call});
    offsets.push_back(tensor.offset);
  }
  if (!is_valid_layout(blocks, overlaps_of(plan), offsets, plan.arena_bytes))
    return fail(ErrorCode::internal, "tensors overlap in the arena or lie outside it", plan.model);
  return {};
}

std::vector<int64_t> ram_over_time(const Plan& plan) {
  std::vector<int64_t> bytes(plan.calls.size(), 0);
  for (const ArenaTensor& tensor : plan.tensors)
    for (size_t c = static_cast<size_t>(tensor.first_call);
         c <= static_cast<size_t>(tensor.last_call) && c < bytes.size(); ++c)
      bytes[c] += tensor.bytes;
  for (const ArenaOverlap& overlap : overlaps_of(plan)) {
    const ArenaTensor &from = plan.tensors[overlap.input], &to = plan.tensors[overlap.output];
    const int64_t begin = std::max(from.offset, to.offset),
                  end = std::min(from.offset + from.bytes, to.offset + to.bytes);
    for (int c = to.first_call; c <= std::min(from.last_call, to.last_call); ++c)
      bytes[static_cast<size_t>(c)] -= std::max<int64_t>(0, end - begin);
  }
  return bytes;
}

}  // namespace thimble
