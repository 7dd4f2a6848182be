// The translations, in families; each adds its ONNX operators to one table.
#pragma once
#include <span>

#include "formats/onnx/importer.h"

namespace thimble::onnx_import {

using HandlerTable = std::map<std::string, Handler, std::less<>>;

void add_elementwise(HandlerTable& table);
void add_matrix(HandlerTable& table);
void add_einsum(HandlerTable& table);  // by add_matrix
void add_window(HandlerTable& table);
void add_shape(HandlerTable& table);
void add_movement(HandlerTable& table);
void add_resize(HandlerTable& table);  // by add_movement
void add_reduce(HandlerTable& table);
void add_quantized(HandlerTable& table);
void add_recurrent(HandlerTable& table);

// op_quantized.cpp: QLinearConv and its like become DequantizeLinear, the float operator and QuantizeLinear, so that
// one mechanism serves both ways of writing quantised models. Errors: unsupported.
Outcome expand_quantized(::onnx::GraphProto& graph);

// patterns.cpp: groups of nodes that stand for one operator become that operator.
void join_patterns(::onnx::GraphProto& graph);

// All of them. com.microsoft's quantised operators are known by their bare names.
const HandlerTable& handlers();

// host_math.cpp: a node whose inputs are all constant, computed now. Empty: it is not one of those computed at import.
std::optional<Result<Items>> fold(Call& call);

// Parts that families share.

// The int8 scale of the output with which an operator can run on these operands; empty: in float.
std::optional<Quantization> int8_scale(Call& call, const OpSpec& spec, const std::vector<const Item*>& operands);

// y = scale[c] * x + offset[c] along ONNX axis 1, into the linear operator that made x, where it can take it.
bool fold_affine(Importer& in, const Item& x, const std::vector<float>& scale, const std::vector<float>& offset);
// The order in which most of the elements lie already; of equally many, images' channels last.
Order common_order(Importer& in, std::span<const Item> items);
// Of two operands that broadcast.
bool is_broadcasting(std::string_view op);
// Two items under one operator with broadcasting, in a common order. Quantised where both are and `output` says how.
Result<Item> emit_binary(Call& call, std::string_view op, const Item& a, const Item& b,
                         const Quantization& output = {});
// A scalar as an operand beside `like`. Errors: bad_data where `like` holds integers that cannot be this number.
Result<Item> scalar_like(Importer& in, const Item& like, float value);
// The same of constant input i, integers without a detour through float32.
Result<Item> scalar_input(Call& call, size_t i, const Item& like);
// Operators that move elements of x, lying in `order`, and keep type and number format.
Result<Items> emit_move(Call& call, std::string_view op, const Item& x, const Order& order, const Attrs& attrs,
                        const std::vector<ValueId>& further = {});
// begin and size of each ONNX axis.
Result<Item> emit_slice(Call& call, const Item& x, const Shape& begin, const Shape& size);
// The product of the last two axes, the others broadcast.
Result<Item> batch_matmul(Call& call, const Item& a, const Item& b);
// The item with its axes in another sequence, without a node where that can be.
Result<Item> transposed(Importer& in, const Item& x, const Order& perm);
// Each row of x along an ONNX axis times a float32 matrix [out, in].
Result<Item> emit_along_axis(Call& call, const Item& x, size_t axis, const Tensor& matrix);
// Any number of values along an axis of the graph: in groups, as a kernel takes few operands.
Result<ValueId> emit_concat(Importer& in, std::vector<ValueId> ids, int64_t axis, const Quantization& output = {});
// Constant indices along one ONNX axis.
Result<Item> emit_gather(Call& call, const Item& x, size_t axis, const std::vector<int64_t>& indices);
// A float32 item stored as int8 in just this scale.
Result<Item> requantized(Importer& in, const Item& x, const Quantization& q);
// Operators that take one input and keep order, type and number format.
Result<Item> emit_unary(Call& call, std::string_view op, const Item& x, const Attrs& attrs = {});
// A constant's quantised or float data permuted; its axis of scales follows.
std::pair<Tensor, Quantization> arranged(const Item& constant, const Order& order);
// Fully connected, convolution ...: x in the operator's order, weights in the operator's arrangement with output
// channels on weights_axis, bias per output channel (or null). int8 where x, weights and the output are.
struct Linear {
  std::string_view op;
  Item x;
  Order x_order;
  Tensor weights;
  Quantization weights_quantization;
  int weights_axis = 0;
  const Item* bias = nullptr;
  float bias_factor = 1;
  Attrs attrs;
  Order output_order;
};
Result<Item> emit_linear(Call& call, Linear linear);

}  // namespace thimble::onnx_import
