// What the parts of the .tflite reader share: the opened file and its limits. Tables, lists and names may be shared
// inside a file, so each has a limit: a small file must not ask for much memory.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/tflite/options.h"
#include "graph/graph.h"
#include "graph/passes/fold_constants.h"

namespace thimble::tflite {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr size_t kMaxPorts = 256;  // inputs or outputs of an operator or of the model
inline constexpr std::string_view kConvertHint =
    "convert it with full integer quantisation (int8), or leave it in float32; `thimble convert` does both";

struct Source {
  const Model& model;
  const SubGraph& subgraph;
};

template <class T>
size_t length(const flatbuffers::Vector<T>* list) {
  return list ? list->size() : 0;
}

template <class T>
auto at(const flatbuffers::Vector<T>* list, size_t index) {
  return list->Get(static_cast<flatbuffers::uoffset_t>(index));
}

// Names go to terminals, JSON and generated source: control characters and broken UTF-8 become '?', long ones are cut.
std::string clean_text(const flatbuffers::String* stored);

tl::unexpected<Error> damaged(std::string message, std::string where = {});

// The model inside the bytes, which are aligned and outlive it. Errors: bad_data, unsupported.
Result<const Model*> open_model(const std::vector<uint8_t>& aligned);

// Tensor numbers of a list, checked; -1 only where the list is optional.
Result<std::vector<ValueId>> read_ids(const Source& source, const flatbuffers::Vector<int32_t>* stored, bool optional,
                                      const std::string& where);

std::string describe_tensor(const Source& source, ValueId id);  // "tensor 3 (name)"

// An operator of the file, its parts checked.
struct StoredOperator {
  size_t index = 0;
  const Operator* table = nullptr;
  std::string builtin;  // "CONV_2D", "CUSTOM (name)", "number 999"
  std::vector<ValueId> inputs, outputs;
};
Result<std::vector<StoredOperator>> read_operators(const Source& source);

// ---- tensors

enum class TensorUse { none, reads, flows };

// A tensor as a value of the graph. reads: it is a constant, or state that starts as zeros (int8: its zero point).
Result<Value> read_value(const Source& source, ValueId id, TensorUse use);

// What DEQUANTIZE makes of a constant: a float32 constant in the place of its output.
Result<Value> read_dequantized(const Source& source, ValueId from, ValueId to);

// Refuses state of a size that no file holds: a variable's file has its type only.
Outcome check_state(const ValueType& type, const std::string& where);

// What a variable holds that nothing was assigned to, as TensorFlow Lite Micro resets it.
std::shared_ptr<thimble::Tensor> reset_state(const ValueType& type, const Quantization& quantization);

// ---- variables behind handles

// Puts a state in the place of each VAR_HANDLE's output, with what CALL_ONCE assigns to it before the first inference,
// and makes all operators name one handle of a variable. Drops the operators VAR_HANDLE and CALL_ONCE. values: by
// tensor number.
Outcome resolve_variables(const Source& source, std::vector<StoredOperator>& operators, std::vector<Value>& values);

// ---- loops

// What the reader does with an operator: as a node of tensor numbers; then, its inputs being values, its constant
// inputs become attributes.
struct LoopCallbacks {
  std::function<Result<Node>(const Source&, const StoredOperator&)> read_node;
  std::function<Outcome(const Graph&, Node&)> prepare;
  std::function<void(const StoredOperator&, DType, Node&)> set_output_type;  // of output 0, as the file has it
  FoldBudget& budget;
};

// Writes a WHILE out round by round behind the graph's nodes; loop: its inputs are values. The values that stand for
// its outputs. Errors: unsupported when the number of rounds is not constant or too large.
Result<std::vector<ValueId>> unroll_loop(const Source& source, const StoredOperator& loop,
                                         const LoopCallbacks& callbacks, Graph& graph);

// Drops nodes whose outputs nothing reads and that change no state: what a loop carries along for nobody.
void remove_unread_nodes(Graph& graph);

}  // namespace thimble::tflite
