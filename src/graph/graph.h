// The graph of a model: values (tensors that flow or are constant) and nodes (operators) in execution order.
// One type serves training (float32), import, quantisation (int8) and planning; what differs is which values carry
// quantisation and which are trainable.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "graph/attrs.h"

namespace thimble {

struct OpSpec;  // graph/op_spec.h

// real = scale * (quantised - zero_point). One entry per tensor, or one per index of `axis`.
struct Quantization {
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  int axis = 0;
  bool empty() const { return scale.empty(); }
  bool per_channel() const { return scale.size() > 1; }
  bool operator==(const Quantization&) const = default;
};

struct ValueType {
  DType dtype = DType::f32;
  Shape shape;  // batch is the first extent, 1 in stored graphs
  bool operator==(const ValueType&) const = default;
};

using ValueId = int;
constexpr ValueId kNoValue = -1;  // an optional input that is absent

struct Value {
  std::string name;
  ValueType type;
  Quantization quantization;
  std::shared_ptr<Tensor> constant;  // weights and tables; null for what flows
  bool trainable = false;            // constant, and moved by the optimiser
  // State that survives from one inference to the next (a variable): what it holds before the first one; null for all
  // other values. Nodes read it as an input, and those whose op says so in OpTraits::state_inputs also write it.
  std::shared_ptr<Tensor> initial;
  // 4: an int8 constant whose values lie in [-8, 7] and which files store as int4, two to a byte. Else 8.
  int stored_bits = 8;
};

struct Node {
  const OpSpec* op = nullptr;  // never null
  std::string name;            // unique; what messages call the layer
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attrs attrs;
};

struct Graph {
  std::string name = "model";
  std::vector<Value> values;
  std::vector<Node> nodes;  // in execution order
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  ValueId add(Value value) {
    values.push_back(std::move(value));
    return static_cast<ValueId>(values.size()) - 1;
  }
  Value& operator[](ValueId id) { return values[static_cast<size_t>(id)]; }
  const Value& operator[](ValueId id) const { return values[static_cast<size_t>(id)]; }
};

// Constants are shared between copies of a Graph; this copy has its own.
Graph deep_copy(const Graph& graph);

// Checks every promise of the types above: ids in range, values defined before use and once, constants of their
// declared type and shape, node input counts, shapes and dtypes equal to what the op's shape rule says, quantisation
// well formed (finite positive scales, zero points in range). Run after every pass and every import. Errors: bad_data,
// naming the layer.
Outcome verify(const Graph& graph);

// Drops values that nothing uses and renumbers the rest.
void remove_unused_values(Graph& graph);

// The nodes that read a value.
std::vector<size_t> readers_of(const Graph& graph, ValueId value);

// Multiply-accumulates of one inference.
int64_t count_macs(const Graph& graph);
int64_t count_parameters(
    const Graph& graph);  // elements of trainable constants, or of all constants when none is trainable

}  // namespace thimble
