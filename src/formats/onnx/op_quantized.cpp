// QuantizeLinear and DequantizeLinear, and the operators that stand for them with a float operator between.
// A DequantizeLinear makes no node: the tensor stays int8 in the graph, and is real to ONNX. A layer whose inputs lie
// so and whose output a QuantizeLinear gives a scale becomes an int8 layer; any other reads its inputs dequantised.
#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

using ::onnx::TensorProto;

// Scales and zero points as ONNX gives them, of a tensor of this type.
struct Scales {
  Quantization q;  // zero points of int8: uint8's less 128
  DType type = DType::u8;
};

Result<Scales> read_scales(Call& call, const Item& x, DType type) {
  if (call.integer("block_size") != 0)
    return refuse("quantisation in blocks", "use one scale per tensor or per channel");
  Scales scales{.type = type};
  THIMBLE_LET(scales.q.scale, call.constant_floats(1));
  std::vector<int64_t> zeros(scales.q.scale.size(), 0);
  if (call.has_input(2)) {
    THIMBLE_LET(zeros, call.constant_integers(2));
    scales.type = call.inputs[2]->type;
  }
  if (zeros.size() != scales.q.scale.size() || zeros.empty())
    return damaged(fmt::format("{} scales and {} zero points", scales.q.scale.size(), zeros.size()));
  const int64_t shift = scales.type == DType::u8 ? 128 : 0;
  for (size_t i = 0; i < zeros.size(); ++i) {
    if (!std::isfinite(scales.q.scale[i]) || scales.q.scale[i] <= 0)
      return damaged(fmt::format("a scale {}, expected a positive number", scales.q.scale[i]));
    const int64_t zero = zeros[i] - shift;
    if (zero < INT32_MIN || zero > INT32_MAX) return damaged(fmt::format("a zero point {}", zeros[i]));
    scales.q.zero_point.push_back(static_cast<int32_t>(zero));
  }
  if (scales.q.per_channel()) {
    THIMBLE_LET(const size_t axis, axis_in(call.integer("axis", 1), x.rank()));
    if (x.shape[axis] != static_cast<int64_t>(zeros.size()))
      return damaged(fmt::format("{} scales for axis {} of {}", zeros.size(), axis, to_string(x.shape)));
    scales.q.axis = static_cast<int>(axis);
  }
  return scales;
}

// One number per index of an axis, shaped so that it goes together with x.
Result<Item> along_axis(Importer& in, const Item& x, const Quantization& q, std::vector<float> values) {
  Shape shape(x.rank(), 1);
  if (q.per_channel()) shape[static_cast<size_t>(q.axis)] = static_cast<int64_t>(values.size());
  return in.constant_item(Tensor::from(shape, values));
}

std::vector<float> zero_points(const Scales& scales) {
  std::vector<float> zeros;
  for (int32_t zero : scales.q.zero_point)
    zeros.push_back(static_cast<float>(zero) + (scales.type == DType::u8 ? 128.0f : 0.0f));
  return zeros;
}

Result<Item> cast_to(Call& call, const Item& x, DType to) {
  THIMBLE_LET(const Item declared, call.in.as_declared(x));
  const Order order = call.in.order_of(declared);
  THIMBLE_LET(const ValueId id, call.in.in_order(declared, order));
  Attrs attrs;
  attrs.set("dtype", std::string(name_of(to)));
  THIMBLE_LET(const Items out, call.in.emit("cast", {id}, attrs, order));
  return out[0];
}

// (x - zero) * scale in float, for what TensorFlow Lite's dequantize does not take.
Result<Item> dequantize_in_float(Call& call, const Item& x, const Scales& scales) {
  THIMBLE_LET(const Item real, cast_to(call, x, DType::f32));
  THIMBLE_LET(const Item zero, along_axis(call.in, x, scales.q, zero_points(scales)));
  THIMBLE_LET(const Item scale, along_axis(call.in, x, scales.q, scales.q.scale));
  THIMBLE_LET(const Item centred, emit_binary(call, "sub", real, zero));
  return emit_binary(call, "mul", centred, scale);
}

Result<Items> dequantize(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Scales scales, read_scales(call, *x, x->type));
  if (x->type != DType::i8 && x->type != DType::u8 && x->type != DType::i32)
    return refuse(fmt::format("DequantizeLinear of {}", name_of(x->type)), "quantise to int8 or uint8");
  Item result = *x;
  result.type = DType::f32;
  if (x->constant) {
    std::vector<int64_t> values = integers_of(*x->constant);
    if (x->type == DType::u8)
      for (int64_t& value : values) value -= 128;
    result.quantization = scales.q;
    THIMBLE_TRY(call.in.spend(static_cast<int64_t>(values.size()) * 8));
    result.constant = std::make_shared<const Tensor>(
        integer_tensor(x->type == DType::i32 ? DType::i32 : DType::i8, x->shape, values));
    return Items{result};
  }
  Value& value = call.in.builder.graph()[x->id];
  if (x->type == DType::i32 || scales.q.per_channel()) return only(dequantize_in_float(call, *x, scales));
  for (int32_t zero : scales.q.zero_point)
    if (zero < -128 || zero > 127) return damaged(fmt::format("a zero point {} beyond {}", zero, name_of(x->type)));
  if (value.type.dtype == DType::u8) {  // a model's input: int8 of the same scale from here on
    Quantization as_given = scales.q;
    for (int32_t& zero : as_given.zero_point) zero += 128;
    if (!value.quantization.empty() && value.quantization != as_given)
      return refuse("a tensor that is dequantised with two scales", "use one scale per tensor");
    value.quantization = as_given;
    Attrs attrs;
    attrs.set("dtype", std::string(name_of(DType::i8)));
    const Shape shape = value.type.shape;
    THIMBLE_LET(const Items out, call.in.emit("quantize", {x->id}, attrs, same_order(shape.size()), scales.q));
    result.id = out[0].id;
    return Items{result};
  }
  if (value.quantization.empty()) value.quantization = scales.q;
  if (value.quantization != scales.q)
    return refuse("a tensor that is dequantised with two scales", "use one scale per tensor");
  return Items{result};
}

// round(x / scale) + zero in float, for scales per channel.
Result<Item> quantize_in_float(Call& call, const Item& x, const Scales& scales) {
  THIMBLE_LET(const Item zero, along_axis(call.in, x, scales.q, zero_points(scales)));
  THIMBLE_LET(const Item scale, along_axis(call.in, x, scales.q, scales.q.scale));
  THIMBLE_LET(Item y, emit_binary(call, "div", x, scale));
  THIMBLE_LET(y, emit_unary(call, "round", y));
  THIMBLE_LET(y, emit_binary(call, "add", y, zero));
  THIMBLE_LET(const Item low, scalar_like(call.in, y, scales.type == DType::u8 ? 0 : -128));
  THIMBLE_LET(const Item high, scalar_like(call.in, y, scales.type == DType::u8 ? 255 : 127));
  THIMBLE_LET(y, emit_binary(call, "maximum", y, low));
  THIMBLE_LET(y, emit_binary(call, "minimum", y, high));
  return cast_to(call, y, scales.type);
}

Result<Items> quantize(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  DType type = DType::u8;
  if (call.integer("output_dtype") != 0) {
    THIMBLE_LET(type, dtype_of_onnx(static_cast<int>(call.integer("output_dtype"))));
  }
  THIMBLE_LET(const Scales scales, read_scales(call, *x, type));
  if (x->type != DType::f32 || (scales.type != DType::i8 && scales.type != DType::u8))
    return refuse(fmt::format("QuantizeLinear from {} to {}", name_of(x->type), name_of(scales.type)),
                  "quantise float32 to int8 or uint8");
  if (scales.q.per_channel()) return only(quantize_in_float(call, *x, scales));
  if (scales.q.zero_point[0] < -128 || scales.q.zero_point[0] > 127)
    return damaged(fmt::format("a zero point beyond {}", name_of(scales.type)));
  THIMBLE_LET(Item result, requantized(call.in, *x, scales.q));
  result.type = scales.type;
  if (result.constant && scales.type == DType::u8) {
    std::vector<int64_t> values = integers_of(*result.constant);
    for (int64_t& value : values) value += 128;
    THIMBLE_LET(result, call.in.constant_item(integer_tensor(DType::u8, result.shape, values)));
  }
  return Items{result};
}

// ---- operators that hold both

class Expander {
 public:
  explicit Expander(::onnx::GraphProto& graph) : graph_(graph) {}

  Outcome run() {
    google::protobuf::RepeatedPtrField<::onnx::NodeProto> nodes;
    nodes.Swap(graph_.mutable_node());
    if (nodes.size() > kMaxNodes) return refuse(fmt::format("{} nodes; at most {} are read", nodes.size(), kMaxNodes));
    for (index_ = 0; index_ < nodes.size(); ++index_)
      if (!expand(nodes[index_])) graph_.add_node()->Swap(&nodes[index_]);
    return {};
  }

 private:
  bool expand(const ::onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    const auto inputs = [&](int least) { return node.input_size() >= least && node.output_size() >= 1; };
    if (op == "QLinearConv" && inputs(8)) {
      auto& made = begin(node, "Conv");
      real(node, made, 0, 0), real(node, made, 3, 0);
      if (node.input_size() > 8) made.add_input(node.input(8));
      return finish(node, made, 6);
    }
    if (op == "QLinearMatMul" && inputs(8)) {
      auto& made = begin(node, "MatMul");
      real(node, made, 0, 0), real(node, made, 3, 1);
      return finish(node, made, 6);
    }
    if (op == "QGemm" && inputs(6)) {
      auto& made = begin(node, "Gemm");
      real(node, made, 0, 0), real(node, made, 3, 0);
      if (node.input_size() > 6) made.add_input(node.input(6));
      return finish(node, made, 7);
    }
    if ((op == "QLinearAdd" || op == "QLinearMul") && inputs(8)) {
      auto& made = begin(node, op.substr(7));
      real(node, made, 0, 0), real(node, made, 3, 0);
      return finish(node, made, 6);
    }
    if (op == "QLinearConcat" && inputs(5)) {
      auto& made = begin(node, "Concat");
      for (int i = 2; i + 2 < node.input_size(); i += 3) real(node, made, i, 0);
      return finish(node, made, 0);
    }
    for (const char* unary : {"AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax"})
      if (op == std::string("QLinear") + unary && inputs(5)) {
        auto& made = begin(node, unary);
        real(node, made, 0, 0);
        return finish(node, made, 3);
      }
    if ((op == "ConvInteger" || op == "MatMulInteger") && inputs(2)) {
      auto& made = begin(node, op == "ConvInteger" ? "Conv" : "MatMul");
      counted(node, made, 0, 2), counted(node, made, 1, 3);
      const std::string sum = fresh("sum");
      made.add_output(sum);
      graph_.add_node()->Swap(&made);
      auto* cast = graph_.add_node();
      cast->set_op_type("Cast");
      cast->set_name(node.name() + ".integer");
      cast->add_input(sum);
      cast->add_output(node.output(0));
      auto* to = cast->add_attribute();
      to->set_name("to");
      to->set_i(TensorProto::INT32);
      return true;
    }
    return false;
  }

  std::string fresh(const std::string& what) { return fmt::format("{}/{}/{}", what, index_, made_++); }

  // The float operator with the node's attributes. It is added to the graph by its inputs and outputs only when they
  // are there, so it is kept apart until then.
  ::onnx::NodeProto& begin(const ::onnx::NodeProto& node, const std::string& op) {
    float_node_ = node;
    float_node_.set_op_type(op);
    float_node_.clear_domain();
    float_node_.clear_input();
    float_node_.clear_output();
    return float_node_;
  }

  ::onnx::NodeProto& add(const std::string& op, const ::onnx::NodeProto& node,
                         std::initializer_list<std::string> inputs) {
    auto& made = *graph_.add_node();
    made.set_op_type(op);
    made.set_name((node.name().empty() ? node.op_type() : node.name()) +
                  (op == "QuantizeLinear" ? ".quantize" : ".real"));
    for (const std::string& input : inputs) made.add_input(input);
    return made;
  }

  // Inputs i, i + 1 (scale) and i + 2 (zero point) as one real input.
  void real(const ::onnx::NodeProto& node, ::onnx::NodeProto& made, int i, int axis) {
    auto& dequantize = add("DequantizeLinear", node, {node.input(i), node.input(i + 1), node.input(i + 2)});
    auto* attribute = dequantize.add_attribute();
    attribute->set_name("axis");
    attribute->set_i(axis);
    dequantize.add_output(fresh("real"));
    made.add_input(dequantize.output(0));
  }

  // Input i less its zero point, in steps of 1.
  void counted(const ::onnx::NodeProto& node, ::onnx::NodeProto& made, int i, int zero) {
    if (one_.empty()) {
      one_ = fresh("one");
      auto* tensor = graph_.add_initializer();
      tensor->set_name(one_);
      tensor->set_data_type(TensorProto::FLOAT);
      tensor->add_float_data(1);
    }
    auto& dequantize = add("DequantizeLinear", node, {node.input(i), one_});
    if (node.input_size() > zero) dequantize.add_input(node.input(zero));
    dequantize.add_output(fresh("counted"));
    made.add_input(dequantize.output(0));
  }

  // Adds the float node, and quantises its output with inputs i and i + 1 where they are there.
  bool finish(const ::onnx::NodeProto& node, ::onnx::NodeProto& made, int i) {
    if (node.input_size() < i + 2 || node.input(i).empty()) {
      made.add_output(node.output(0));
      graph_.add_node()->Swap(&made);
      return true;
    }
    const std::string output = fresh("output");
    made.add_output(output);
    graph_.add_node()->Swap(&made);
    add("QuantizeLinear", node, {output, node.input(i), node.input(i + 1)}).add_output(node.output(0));
    return true;
  }

  ::onnx::GraphProto& graph_;
  ::onnx::NodeProto float_node_;
  std::string one_;
  int index_ = 0, made_ = 0;
};

}  // namespace

Outcome expand_quantized(::onnx::GraphProto& graph) { return Expander(graph).run(); }

Result<Item> requantized(Importer& in, const Item& x, const Quantization& q) {
  if (in.stored_int8(x) && in.quantization_of(x) == q) return x;
  if (x.constant) {
    THIMBLE_LET(const Item real, in.as_float(x));
    std::vector<int8_t> values;
    for (float value : floats_of(*real.constant)) {
      const double scaled = std::nearbyint(static_cast<double>(value / q.scale[0])) + q.zero_point[0];
      values.push_back(static_cast<int8_t>(std::isnan(scaled) ? q.zero_point[0] : std::clamp(scaled, -128.0, 127.0)));
    }
    THIMBLE_LET(Item item, in.constant_item(Tensor::from(x.shape, values), q));
    item.type = DType::f32;
    return item;
  }
  const Shape& shape = in.builder[x.id].type.shape;
  Attrs attrs;
  attrs.set("dtype", std::string(name_of(DType::i8)));
  THIMBLE_LET(const Items out, in.emit("quantize", {x.id}, attrs, same_order(shape.size()), q));
  Item result = x;
  result.id = out[0].id;
  result.exclusive = true;
  return result;
}

void add_quantized(HandlerTable& table) {
  table.insert({{"QuantizeLinear", quantize}, {"DequantizeLinear", dequantize}});
}

}  // namespace thimble::onnx_import
