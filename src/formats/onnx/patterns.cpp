// Groups of nodes that stand for one operator. x * (1 + erf(x / sqrt(2))) / 2, in the sequences in which exporters
// write it before opset 20, is Gelu.
#include <cmath>
#include <unordered_set>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

using ::onnx::NodeProto;

class GeluFinder {
 public:
  explicit GeluFinder(::onnx::GraphProto& graph) : graph_(graph) {
    for (const auto& tensor : graph.initializer()) note(tensor.name(), tensor);
    for (auto& node : *graph.mutable_node()) {
      for (const std::string& input : node.input()) readers_[input].push_back(&node);
      for (const std::string& output : node.output()) writers_.emplace(output, &node);
      if (node.op_type() == "Constant" && node.output_size() == 1)
        for (const auto& attribute : node.attribute())
          if (attribute.name() == "value" && attribute.has_t()) note(node.output(0), attribute.t());
    }
    for (const auto& output : graph.output()) outputs_.insert(output.name());
  }

  void run() {
    std::unordered_set<const NodeProto*> gone;
    for (auto& node : *graph_.mutable_node())
      if (node.op_type() == "Erf") rewrite(node, gone);
    if (gone.empty()) return;
    google::protobuf::RepeatedPtrField<NodeProto> kept;
    for (auto& node : *graph_.mutable_node())
      if (!gone.contains(&node)) kept.Add()->Swap(&node);
    graph_.mutable_node()->Swap(&kept);
  }

 private:
  void note(const std::string& name, const ::onnx::TensorProto& proto) {
    if (proto.dims_size() > 1) return;
    const auto tensor = read_tensor(proto);
    if (tensor && tensor->dtype == DType::f32 && tensor->size() == 1) constants_[name] = tensor->as<float>()[0];
  }

  bool is(const std::string& name, double value) const {
    const auto known = constants_.find(name);
    return known != constants_.end() && std::abs(static_cast<double>(known->second) / value - 1) < 1e-4;
  }
  // The other operand of a two-operand node.
  static const std::string& other(const NodeProto& node, const std::string& name) {
    return node.input(node.input(0) == name ? 1 : 0);
  }
  // The only node that reads a tensor, when it is this operator of two operands.
  NodeProto* reader(const std::string& name, std::string_view op) const {
    const auto known = readers_.find(name);
    if (known == readers_.end() || known->second.size() != 1 || outputs_.contains(name)) return nullptr;
    NodeProto* node = known->second[0];
    return node->op_type() == op && node->input_size() == 2 && node->output_size() == 1 ? node : nullptr;
  }
  const NodeProto* writer(const std::string& name, std::string_view op) const {
    const auto known = writers_.find(name);
    return known != writers_.end() && known->second->op_type() == op && known->second->input_size() == 2 ? known->second
                                                                                                         : nullptr;
  }

  // The x of x / sqrt(2); empty: something else.
  std::string scaled(const std::string& name) const {
    if (const NodeProto* node = writer(name, "Div"); node && is(node->input(1), std::sqrt(2.0))) return node->input(0);
    if (const NodeProto* node = writer(name, "Mul"))
      for (int i = 0; i < 2; ++i)
        if (is(node->input(i), std::sqrt(0.5))) return node->input(1 - i);
    return {};
  }
  bool halves(const std::string& name, const std::string& x) const {
    const NodeProto* node = writer(name, "Mul");
    return node && (node->input(0) == x || node->input(1) == x) && is(other(*node, x), 0.5);
  }

  void rewrite(const NodeProto& erf, std::unordered_set<const NodeProto*>& gone) {
    if (erf.input_size() != 1 || erf.output_size() != 1) return;
    const std::string x = scaled(erf.input(0));
    NodeProto* add = reader(erf.output(0), "Add");
    if (x.empty() || !add || !is(other(*add, erf.output(0)), 1)) return;
    NodeProto* product = reader(add->output(0), "Mul");
    if (!product) return;
    const std::string factor = other(*product, add->output(0));
    NodeProto* last = nullptr;
    if (halves(factor, x)) {
      last = product;
    } else if (factor == x || is(factor, 0.5)) {
      last = reader(product->output(0), "Mul");
      if (!last) return;
      const std::string& rest = other(*last, product->output(0));
      if (factor == x ? !is(rest, 0.5) : rest != x) return;
      gone.insert(product);
    } else {
      return;
    }
    gone.insert(&erf);
    gone.insert(add);
    last->set_op_type("Gelu");
    last->clear_input();
    last->add_input(x);
  }

  ::onnx::GraphProto& graph_;
  std::unordered_map<std::string, float> constants_;
  std::unordered_map<std::string, std::vector<NodeProto*>> readers_;
  std::unordered_map<std::string, const NodeProto*> writers_;
  std::unordered_set<std::string> outputs_;
};

}  // namespace

void join_patterns(::onnx::GraphProto& graph) { GeluFinder(graph).run(); }

}  // namespace thimble::onnx_import
