#include "train/executor.h"

#include <algorithm>

#include "core/rng.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

// One node with its memory resolved.
struct Step {
  const Node* node = nullptr;
  std::vector<FloatView> inputs, outputs, grad_inputs, grad_outputs;
  std::vector<FloatView> zero_first;  // gradients this node is the first to add to
  std::vector<float> saved;
  bool backward = false;
};

// Memory blocks that are handed out and given back; the largest demand on each is what it will hold.
class Pool {
 public:
  size_t take(int64_t size) {
    const auto fits = std::ranges::min_element(free_, {}, [&](size_t block) {
      return sizes_[block] >= size ? sizes_[block] - size : (int64_t{1} << 60) - sizes_[block];
    });
    if (fits == free_.end()) {
      sizes_.push_back(size);
      return sizes_.size() - 1;
    }
    const size_t block = *fits;
    free_.erase(fits);
    sizes_[block] = std::max(sizes_[block], size);
    return block;
  }
  void give_back(size_t block) { free_.push_back(block); }
  const std::vector<int64_t>& sizes() const { return sizes_; }

 private:
  std::vector<int64_t> sizes_;
  std::vector<size_t> free_;
};

constexpr size_t kNoBlock = SIZE_MAX;

FloatView view(const std::vector<FloatView>& views, ValueId id) {
  return id == kNoValue ? FloatView{} : views[static_cast<size_t>(id)];
}

}  // namespace

struct Executor::Buffers {
  int64_t batch = 0;
  std::vector<FloatView> values, gradients;  // by ValueId; data null where there is none
  std::vector<std::vector<float>> storage;
  std::vector<Step> steps;
  std::vector<ValueId> trainable;

  Outcome place_values(Graph& graph);
  Outcome place_gradients(const Graph& graph, ValueId backward_from);
  float* allocate(int64_t size) { return storage.emplace_back(static_cast<size_t>(size)).data(); }
};

namespace {

Result<Shape> batched_shape(const Value& value, int64_t batch) {
  if (value.type.dtype != DType::f32)
    return fail(ErrorCode::bad_data, fmt::format("is {}, but only float32 can be trained", name_of(value.type.dtype)),
                value.name);
  Shape shape = value.type.shape;
  if (value.constant) return shape;
  if (shape.empty() || shape[0] != 1)
    return fail(ErrorCode::bad_data, fmt::format("shape {} does not begin with a batch extent of 1", to_string(shape)),
                value.name);
  shape[0] = batch;
  return shape;
}

// Which values lead from something trainable to the loss.
std::vector<bool> values_with_gradient(const Graph& graph, ValueId backward_from) {
  std::vector<bool> moved(graph.values.size()), wanted(graph.values.size());
  const auto any = [](const std::vector<bool>& set, const std::vector<ValueId>& ids) {
    return std::ranges::any_of(ids, [&](ValueId id) { return id != kNoValue && set[static_cast<size_t>(id)]; });
  };
  for (size_t i = 0; i < graph.values.size(); ++i) moved[i] = graph.values[i].trainable;
  for (const Node& node : graph.nodes)
    if (any(moved, node.inputs))
      for (ValueId id : node.outputs) moved[static_cast<size_t>(id)] = true;
  wanted[static_cast<size_t>(backward_from)] = true;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
    if (any(wanted, node->outputs))
      for (ValueId id : node->inputs)
        if (id != kNoValue) wanted[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = wanted[i] && moved[i];
  return wanted;
}

}  // namespace

Outcome Executor::Buffers::place_values(Graph& graph) {
  for (Value& value : graph.values) {
    THIMBLE_LET(Shape shape, batched_shape(value, batch));
    const int64_t size = element_count(shape);
    float* data = value.constant ? value.constant->as<float>().data() : allocate(size);
    values.push_back({data, shape});
    gradients.push_back({nullptr, std::move(shape)});
  }
  for (const Node& node : graph.nodes) {
    if (!node.op->forward)
      return fail(ErrorCode::unsupported,
                  fmt::format("{} does not run in float32: {}", node.op->name, node.op->forward.reason()), node.name);
    Step& step = steps.emplace_back();
    step.node = &node;
    for (ValueId id : node.inputs) step.inputs.push_back(view(values, id));
    for (ValueId id : node.outputs) step.outputs.push_back(view(values, id));
  }
  return {};
}

// Goes backward in thought to see who needs memory when, so that blocks can be shared.
Outcome Executor::Buffers::place_gradients(const Graph& graph, ValueId backward_from) {
  const std::vector<bool> wanted = values_with_gradient(graph, backward_from);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!wanted[i] || !graph.values[i].constant) continue;
    trainable.push_back(static_cast<ValueId>(i));
    gradients[i].data = allocate(values[i].size());
  }
  Pool pool;
  std::vector<size_t> block_of(graph.values.size(), kNoBlock);
  const auto block = [&](ValueId id) -> size_t& { return block_of[static_cast<size_t>(id)]; };
  std::vector<std::vector<ValueId>> first_added(graph.nodes.size());
  block(backward_from) = pool.take(view(values, backward_from).size());
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    steps[n].backward = std::ranges::any_of(node.outputs, [&](ValueId id) { return block(id) != kNoBlock; });
    if (!steps[n].backward) continue;
    if (!node.op->backward)
      return fail(ErrorCode::unsupported,
                  fmt::format("{} cannot be trained: {}", node.op->name, node.op->backward.reason()), node.name);
    for (ValueId id : node.inputs) {
      if (id == kNoValue || !wanted[static_cast<size_t>(id)] || graph[id].constant || block(id) != kNoBlock) continue;
      block(id) = pool.take(view(values, id).size());
      first_added[n].push_back(id);
    }
    // The gradient of the loss keeps its block: the caller writes it between passes.
    for (ValueId id : node.outputs)
      if (block(id) != kNoBlock && id != backward_from) pool.give_back(block(id));
  }
  std::vector<float*> memory;
  for (int64_t size : pool.sizes()) memory.push_back(allocate(size));
  for (size_t i = 0; i < block_of.size(); ++i)
    if (block_of[i] != kNoBlock) gradients[i].data = memory[block_of[i]];
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ValueId id : graph.nodes[n].inputs) steps[n].grad_inputs.push_back(view(gradients, id));
    for (ValueId id : graph.nodes[n].outputs) steps[n].grad_outputs.push_back(view(gradients, id));
    for (ValueId id : first_added[n]) steps[n].zero_first.push_back(view(gradients, id));
  }
  return {};
}

Result<Executor> Executor::make(Graph& graph, int64_t batch, ValueId backward_from) {
  Executor executor;
  executor.buffers_ = std::make_shared<Buffers>();
  executor.buffers_->batch = batch;
  THIMBLE_TRY(executor.buffers_->place_values(graph));
  if (backward_from != kNoValue) THIMBLE_TRY(executor.buffers_->place_gradients(graph, backward_from));
  return executor;
}

int64_t Executor::batch() const { return buffers_->batch; }

std::span<float> Executor::value(ValueId id) {
  const FloatView& view = buffers_->values[static_cast<size_t>(id)];
  return {view.data, static_cast<size_t>(view.size())};
}

std::span<float> Executor::gradient(ValueId id) {
  const FloatView& view = buffers_->gradients[static_cast<size_t>(id)];
  return {view.data, view.data ? static_cast<size_t>(view.size()) : 0};
}

void Executor::zero_gradients() {
  for (ValueId id : buffers_->trainable) std::ranges::fill(gradient(id), 0.0f);
}

void Executor::forward(bool training, uint64_t seed) {
  for (size_t n = 0; n < buffers_->steps.size(); ++n) {
    Step& step = buffers_->steps[n];
    (*step.node->op->forward)(
        {step.node->attrs, step.inputs, step.outputs, training, mix64(seed ^ mix64(n)), step.saved});
  }
}

void Executor::backward() {
  for (auto step = buffers_->steps.rbegin(); step != buffers_->steps.rend(); ++step) {
    if (!step->backward) continue;
    for (const FloatView& view : step->zero_first) std::fill_n(view.data, view.size(), 0.0f);
    (*step->node->op->backward)(
        {step->node->attrs, step->inputs, step->outputs, step->grad_outputs, step->grad_inputs, step->saved});
  }
}

}  // namespace thimble
