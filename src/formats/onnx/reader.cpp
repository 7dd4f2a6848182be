// The model around its nodes: parsing and limits, initializers, inputs, the walk over the nodes, outputs.
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"
#include "formats/onnx/wire.h"
#include "graph/passes/fuse_activation.h"

namespace thimble {

namespace onnx_import {

constexpr int64_t kOldestOpset = 1, kNewestOpset = 21;
constexpr size_t kMaxNamed = 20;  // in one error

const HandlerTable& handlers() {
  static const HandlerTable all = [] {
    HandlerTable table;
    for (auto add :
         {add_elementwise, add_matrix, add_window, add_shape, add_movement, add_reduce, add_quantized, add_recurrent})
      add(table);
    return table;
  }();
  return all;
}

namespace {

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

bool is_known(const ::onnx::NodeProto& node) {
  return (is_standard(node.domain()) || node.domain() == "com.microsoft") && handlers().contains(node.op_type());
}

// Errors: bad_data.
Outcome check_ports(const ::onnx::NodeProto& node) {
  if (node.input_size() <= kMaxPorts && node.output_size() <= kMaxPorts && node.output_size() > 0) return {};
  return fail(ErrorCode::bad_data, fmt::format("{} inputs and {} outputs", node.input_size(), node.output_size()));
}

std::string describe(const ::onnx::NodeProto& node, int index) {
  const std::string name = clean_name(!node.name().empty() ? node.name()
                                      : node.output_size() ? node.output(0)
                                                           : std::string());
  return fmt::format("{} {} ({})", clean_name(node.op_type()), index, name);
}

tl::unexpected<Error> located(Error error, const std::string& where) {
  error.where = where;
  if (error.hint.empty())
    error.hint = "change this layer of the model, or leave it out; docs/onnx.md says which forms are read";
  return tl::unexpected<Error>(std::move(error));
}

// What was made for a reader that then did without.
void remove_dead_nodes(Graph& graph) {
  std::vector<bool> read(graph.values.size(), false);
  for (ValueId id : graph.outputs) read[static_cast<size_t>(id)] = true;
  std::vector<Node> kept;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    if (node.op->traits.state_inputs.empty() &&
        std::ranges::none_of(node.outputs, [&](ValueId id) { return read[static_cast<size_t>(id)]; }))
      continue;
    for (ValueId id : node.inputs)
      if (id != kNoValue) read[static_cast<size_t>(id)] = true;
    kept.push_back(std::move(node));
  }
  std::ranges::reverse(kept);
  graph.nodes = std::move(kept);
}

}  // namespace

Outcome Importer::check_model() {
  for (const auto& set : model_.opset_import())
    if (is_standard(set.domain())) opset = std::max(opset, set.version());
  if (opset < kOldestOpset) return damaged("the model names no opset of ONNX's own operators");
  if (opset > kNewestOpset)
    return refuse(fmt::format("opset {}; {} is the newest that is read", opset, kNewestOpset),
                  "export the model with an older opset, for example 17");
  if (model_.graph().node_size() == 0) return damaged("the model has no nodes");
  if (model_.graph().node_size() > kMaxNodes)
    return refuse(fmt::format("{} nodes; at most {} are read", model_.graph().node_size(), kMaxNodes));
  if (model_.graph().sparse_initializer_size() > 0)
    return refuse("sparse initializers are not supported", "export the model with dense weights");
  return check_operators();
}

// All operators that are not read, at once: a user wants to know them before changing the model, not one by one.
Outcome Importer::check_operators() const {
  std::vector<std::string> names;
  std::string first;
  for (int i = 0; i < model_.graph().node_size() && names.size() < kMaxNamed; ++i) {
    const auto& node = model_.graph().node(i);
    if (auto checked = check_ports(node); !checked) return located(std::move(checked).error(), describe(node, i));
    const std::string name =
        clean_name(is_standard(node.domain()) ? node.op_type() : node.domain() + "." + node.op_type());
    if (is_known(node) || std::ranges::find(names, name) != names.end()) continue;
    if (names.empty()) first = describe(node, i);
    names.push_back(name);
  }
  if (names.empty()) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("ONNX {} {} {} not supported", names.size() == 1 ? "operator" : "operators",
                          fmt::join(names, ", "), names.size() == 1 ? "is" : "are"),
              first, "docs/onnx.md lists what is read: rebuild the model from those, or leave this part out of it");
}

Outcome Importer::bind(const std::string& name, Item item) {
  if (item.shape.size() > kMaxRank)
    return refuse(fmt::format("{} axes; at most {} are supported", item.shape.size(), kMaxRank));
  item.exclusive = item.exclusive && uses_of(name) <= 1;
  if (!item.constant && !item.pending() && builder[item.id].constant &&
      builder[item.id].type.shape.size() == item.rank()) {
    // Its node read only constants and was computed at once: it can be a weight or a shape.
    Order back(item.rank());
    for (size_t k = 0; k < back.size(); ++k) back[static_cast<size_t>(item.order[k])] = static_cast<int>(k);
    Tensor tensor = permuted(*builder[item.id].constant, back);
    if (tensor.shape == item.shape) {
      THIMBLE_TRY(spend(static_cast<int64_t>(tensor.bytes.size())));
      item.quantization = builder[item.id].quantization;
      item.constant = std::make_shared<const Tensor>(std::move(tensor));
      item.order = same_order(item.rank());
    }
  }
  if (!items_.emplace(name, std::move(item)).second)
    return damaged(fmt::format("{} is written twice", clean_name(name)));
  if (round_) round_->names.push_back(name);
  return {};
}

Outcome Importer::read_initializers(const ::onnx::GraphProto& graph) {
  for (const auto& proto : graph.initializer()) {
    const std::string where = "initializer " + clean_name(proto.name());
    auto tensor = read_tensor(proto);
    if (!tensor) return located(std::move(tensor).error(), where);
    THIMBLE_LET(Item item, constant_item(std::move(*tensor)));
    auto bound = bind(proto.name(), std::move(item));
    if (!bound) return located(std::move(bound).error(), where);
  }
  return {};
}

Outcome Importer::read_input(const ::onnx::ValueInfoProto& info) {
  if (const auto fixed = options_.fixed_inputs.find(info.name()); fixed != options_.fixed_inputs.end()) {
    THIMBLE_LET(Item item, constant_item(fixed->second));
    return bind(info.name(), std::move(item));
  }
  if (!info.type().has_tensor_type())
    return refuse("is no tensor (a sequence, map or optional)", "export the model with tensors only");
  const auto& type = info.type().tensor_type();
  THIMBLE_LET(const DType dtype, dtype_of_onnx(type.elem_type()));
  Item item{.type = dtype};
  if (!type.has_shape()) return refuse("has no shape", "export the model with fixed input shapes");
  if (type.shape().dim_size() > static_cast<int>(kMaxRank))
    return refuse(fmt::format("{} axes; at most {} are supported", type.shape().dim_size(), kMaxRank));
  int64_t elements = 1;
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    int64_t extent = type.shape().dim(i).dim_value();
    if (extent <= 0 && i == 0) extent = 1;  // the batch
    if (extent <= 0)
      return refuse(fmt::format("axis {} has no fixed extent", i),
                    "export the model with fixed input shapes; only the first axis, the batch, may be open");
    if (__builtin_mul_overflow(elements, extent, &elements) || elements > kMaxElements)
      return damaged(fmt::format("a shape of more than {} elements", kMaxElements));
    item.shape.push_back(extent);
  }
  item.before = item.shape;
  item.order = options_.nhwc_inputs && item.rank() == 4 ? channels_last(item.rank()) : same_order(item.rank());
  item.id = builder.input(clean_name(info.name()), {dtype, permuted(item.shape, item.order)});
  return bind(info.name(), std::move(item));
}

Outcome Importer::read_inputs() {
  for (const auto& info : model_.graph().input()) {
    if (items_.contains(info.name())) continue;  // an initializer's default
    auto read = read_input(info);
    if (!read) return located(std::move(read).error(), "input " + clean_name(info.name()));
  }
  return {};
}

Outcome Importer::translate_nodes(const ::onnx::GraphProto& graph) {
  for (int i = 0; i < graph.node_size(); ++i) {
    auto done = translate(graph.node(i), i);
    if (!done && !done.error().where.empty()) return done;
    if (!done) return located(std::move(done).error(), describe(graph.node(i), i));
  }
  return {};
}

Outcome Importer::translate(const ::onnx::NodeProto& node, int index) {
  if (++translated_ > kMaxNodes)
    return refuse(fmt::format("more than {} nodes with those in branches and loops", kMaxNodes));
  THIMBLE_TRY(check_ports(node));
  if (!is_known(node)) return refuse(fmt::format("ONNX operator {} is not supported", clean_name(node.op_type())));
  std::vector<const Item*> inputs;
  bool all_constant = true;
  for (const std::string& name : node.input()) {
    inputs.push_back(name.empty() ? nullptr : find(name));
    if (!name.empty() && !inputs.back())
      return damaged(
          fmt::format("reads {} before any node writes it (missing, out of order, or a cycle)", clean_name(name)));
    all_constant = all_constant && (name.empty() || inputs.back()->constant);
  }
  layer = clean_name(!node.name().empty() ? node.name() : fmt::format("{}_{}", node.op_type(), index));
  if (round_) layer += fmt::format("/{}", round_->number);
  Call call(*this, node, std::move(inputs));
  if (node.op_type() == "If" && all_constant) return translate_branch(call);
  if (node.op_type() == "Loop") return translate_loop(call);
  std::optional<Result<Items>> folded;
  if (all_constant || node.op_type() == "Shape" || node.op_type() == "Size") folded = fold(call);
  THIMBLE_LET(Items outputs, folded ? std::move(*folded) : handlers().find(node.op_type())->second(call));
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    if (static_cast<size_t>(i) >= outputs.size()) {
      if (uses_of(node.output(i)) > 0)
        return refuse(fmt::format("its output {} ({}) is not supported", i, clean_name(node.output(i))));
      continue;
    }
    THIMBLE_TRY(bind(node.output(i), std::move(outputs[static_cast<size_t>(i)])));
  }
  return {};
}

Outcome Importer::write_outputs() {
  if (model_.graph().output_size() == 0) return damaged("the model has no outputs");
  if (model_.graph().output_size() > kMaxPorts) return damaged("the model has too many outputs");
  for (const auto& info : model_.graph().output()) {
    layer = clean_name(info.name());
    const std::string where = "output " + layer;
    const Item* item = find(info.name());
    if (!item) return located(Error{ErrorCode::bad_data, "no node writes it", {}, {}}, where);
    auto declared = as_declared(*item);
    if (!declared) return located(std::move(declared).error(), where);
    auto id = plain(*declared);
    if (!id) return located(std::move(id).error(), where);
    builder.output(*id);
  }
  return {};
}

Result<Graph> Importer::run() {
  THIMBLE_TRY(check_model());
  count_uses(model_.graph(), nullptr);
  THIMBLE_TRY(read_initializers(model_.graph()));
  THIMBLE_TRY(read_inputs());
  THIMBLE_TRY(translate_nodes(model_.graph()));
  THIMBLE_TRY(write_outputs());
  if (const std::string name = clean_name(model_.graph().name()); !name.empty()) builder.graph().name = name;
  remove_dead_nodes(builder.graph());
  THIMBLE_LET(Graph graph, builder.finish());
  return fuse_activation(std::move(graph));
}

}  // namespace onnx_import

Result<Graph> read_onnx(std::span<const uint8_t> bytes, const OnnxOptions& options) {
  using namespace onnx_import;
  if (bytes.size() > kMaxFileBytes)
    return refuse(fmt::format("the model has {} bytes; at most {} are read", bytes.size(), kMaxFileBytes));
  if (!parts_are_bounded(bytes))
    return refuse(
        fmt::format("the model has more than {} parts, or messages {} deep in each other", kMaxParts, kMaxDepth));
  ::onnx::ModelProto model;
  google::protobuf::io::CodedInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(kMaxDepth + 1);
  if (bytes.empty() || !model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage() || !model.has_graph())
    return fail(ErrorCode::bad_data,
                fmt::format("not an ONNX model: {} bytes that are not its protocol buffer", bytes.size()), {},
                "give an .onnx file as PyTorch, tf2onnx or another exporter writes it");
  THIMBLE_TRY(take_in_side_files(*model.mutable_graph(), options));
  join_patterns(*model.mutable_graph());
  THIMBLE_TRY(expand_quantized(*model.mutable_graph()));
  return Importer(model, options).run();
}

}  // namespace thimble
