// The state of one import, and what every operator's translation uses: constants, orders, number formats, emission of
// nodes. Translations are the functions of handlers.h, one per ONNX operator.
#pragma once
#include <onnx/onnx_pb.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "formats/onnx/item.h"
#include "formats/onnx/onnx.h"
#include "graph/builder.h"
#include "graph/op_spec.h"
#include "graph/passes/fold_constants.h"

namespace thimble::onnx_import {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr int64_t kMaxConstantBytes = int64_t{512} << 20;  // all that the import makes
constexpr int64_t kMaxElements = int64_t{1} << 31;
constexpr size_t kMaxRank = 8;
constexpr int kMaxNodes = 10000;
constexpr int kMaxPorts = 1024;  // inputs or outputs of a node

// One node, with typed access to its attributes. Errors of reading them are collected and reported after the handler.
class Call;
using Items = std::vector<Item>;
using Handler = Result<Items> (*)(Call&);

class Importer {
 public:
  Importer(const ::onnx::ModelProto& model, const OnnxOptions& options)
      : builder("onnx"), model_(model), options_(options) {}

  Result<Graph> run();

  // ---- constants
  // Takes the bytes from the import's budget. Errors: unsupported.
  Outcome spend(int64_t bytes);
  Result<Item> constant_item(Tensor tensor, Quantization quantization = {});

  // ---- orders and number formats
  Order order_of(const Item& item) const;  // in which the item can be read without a transpose
  // The graph's value of the item in this order (constants are permuted at once); makes a transpose where it must.
  Result<ValueId> in_order(const Item& item, const Order& order);
  Result<ValueId> plain(const Item& item) { return in_order(item, same_order(item.rank())); }
  // A float32 item that the graph stores as int8.
  bool stored_int8(const Item& item) const;
  // One that lies as int8 with a scale, be it float32, int8 or uint8 to ONNX: it can be moved and compared as it lies.
  bool carries_scale(const Item& item) const;
  Quantization quantization_of(const Item& item) const;
  // A float32 item stored as float32: dequantised where it must be.
  Result<Item> as_float(const Item& item);
  // A uint8 item stored as int8 becomes uint8; everything else stays.
  Result<Item> as_declared(const Item& item);
  // The item under another shape of as many elements.
  Result<Item> reshaped(const Item& item, const Shape& shape);

  // ---- nodes
  Result<const OpSpec*> need(std::string_view op) const;
  // One node whose outputs' axes lie in `order`.
  Result<Items> emit(std::string_view op, const std::vector<ValueId>& inputs, const Attrs& attrs, const Order& order,
                     Quantization output = {});
  // The node that writes a value; null where that is none.
  Node* writer_of(ValueId id);

  // ---- names
  const Item* find(const std::string& name) const;
  int uses_of(const std::string& name) const;
  // Empty too where the model or a branch has it as an output.
  std::vector<const ::onnx::NodeProto*> readers_of(const std::string& name) const;
  // The int8 scale that the only readers of a tensor, QuantizeLinear nodes, give it (through Relu and Clip).
  std::optional<Quantization> scale_after(const std::string& name, int depth = 0) const;

  int64_t opset = 0;
  std::string layer;  // of the node that is being translated
  GraphBuilder builder;

 private:
  Outcome check_model();
  Outcome check_operators() const;
  Outcome read_initializers(const ::onnx::GraphProto& graph);
  Outcome read_inputs();
  Outcome read_input(const ::onnx::ValueInfoProto& info);
  void count_uses(const ::onnx::GraphProto& graph, const std::set<std::string>* in_loop);
  Outcome translate_nodes(const ::onnx::GraphProto& graph);
  Outcome translate_branch(const Call& call);
  Outcome translate_loop(const Call& call);
  Result<std::vector<Item>> translate_round(const ::onnx::GraphProto& body, int64_t number,
                                            const std::vector<Item>& state);
  Outcome translate(const ::onnx::NodeProto& node, int index);
  Outcome write_outputs();
  Outcome bind(const std::string& name, Item item);

  const ::onnx::ModelProto& model_;
  const OnnxOptions& options_;
  std::unordered_map<std::string, Item> items_;
  std::unordered_map<std::string, std::vector<const ::onnx::NodeProto*>> readers_;
  std::unordered_map<std::string, int> outputs_;  // of the model and of branches
  std::unordered_map<ValueId, size_t> writers_;
  std::map<std::pair<ValueId, Shape>, ValueId> reshapes_;
  std::map<std::pair<ValueId, Order>, ValueId> transposes_;
  std::unordered_map<ValueId, ValueId> floats_;
  struct Round {
    int64_t number = 0;
    std::vector<std::string> names;  // bound in it
  };
  Round* round_ = nullptr;  // of the innermost loop
  int64_t spent_ = 0;
  int translated_ = 0;
  FoldBudget fold_budget_;
};

class Call {
 public:
  Call(Importer& importer, const ::onnx::NodeProto& proto, std::vector<const Item*> inputs)
      : in(importer), node(proto), inputs(std::move(inputs)) {}

  const std::string& op() const { return node.op_type(); }
  size_t outputs() const { return static_cast<size_t>(node.output_size()); }
  bool has_input(size_t i) const { return i < inputs.size() && inputs[i]; }
  bool wants_output(int i) const { return i < node.output_size() && in.uses_of(node.output(i)) > 0; }
  // Errors: bad_data where it is absent.
  Result<const Item*> input(size_t i) const;
  // A constant input as numbers. Errors: unsupported where it is computed.
  Result<std::vector<int64_t>> constant_integers(size_t i) const;
  Result<std::vector<float>> constant_floats(size_t i) const;
  // Integers that newer opsets give as input i and older ones as an attribute; empty where neither is there.
  Result<std::vector<int64_t>> integers_from(size_t i, std::string_view attribute) const;

  const ::onnx::AttributeProto* attribute(std::string_view name) const;
  bool has(std::string_view name) const { return attribute(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t fallback = 0) const;
  float real(std::string_view name, float fallback = 0) const;
  std::string word(std::string_view name, std::string_view fallback = "") const;
  std::vector<int64_t> integers(std::string_view name) const;

  Importer& in;
  const ::onnx::NodeProto& node;
  std::vector<const Item*> inputs;
};

// axis counted from the end where negative. Errors: bad_data.
Result<size_t> axis_in(int64_t axis, size_t rank);
Result<std::vector<size_t>> axes_in(const std::vector<int64_t>& axes, size_t rank);
// Where an ONNX axis lies under an order.
int64_t place_of(size_t axis, const Order& order);

tl::unexpected<Error> refuse(std::string message, std::string hint = {});  // unsupported
tl::unexpected<Error> damaged(std::string message);                        // bad_data

// One output.
Result<Items> only(Result<Item> item);

// Control characters and broken UTF-8 become '?', long names are cut: they go to terminals, JSON and generated source.
std::string clean_name(std::string_view name);

// external_data.cpp: tensors that lie in files beside the model get their bytes. Errors: bad_data, unsupported, those
// of reading files.
Outcome take_in_side_files(::onnx::GraphProto& graph, const OnnxOptions& options);

// tensor.cpp. Errors: bad_data, unsupported (float16, strings, external data ...).
Result<Tensor> read_tensor(const ::onnx::TensorProto& proto);
Result<DType> dtype_of_onnx(int type);

}  // namespace thimble::onnx_import
