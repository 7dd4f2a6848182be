// What operators of one input and no weights share: the shape rule, empty TFLite options, the spec with one lowering
// for each type, and tables of int8 and int16 functions.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "device/base/fixed_point.h"
#include "device/base/table_s16.h"
#include "device/kernels/activation.h"
#include "graph/op_spec.h"

namespace thimble::ops {

inline Result<std::vector<ValueType>> same_as_input(const InferArgs& args) { return std::vector{args.inputs[0]}; }

// The TFLite mapping of an op without options.
inline Outcome reads_nothing(const AttrReader&, Attrs&) { return {}; }
inline void writes_nothing(const Attrs&, AttrWriter&) {}

// A node of one input and one output of one type, and the element count.
struct UnaryNode {
  const LowerArgs& args;
  const Value& input;
  const Value& output;
  int32_t size;
};

// The kernel call of a node, from its constants (operands between input and output) and parameters.
template <class Params>
std::vector<KernelCall> unary_call(const UnaryNode& node, std::string kernel, const Params& params,
                                   std::vector<Tensor> tables = {}) {
  auto call = KernelCall::make(std::move(kernel), params);
  call.operand(node.args.node.inputs[0]);
  for (Tensor& table : tables) call.operand(std::move(table));
  call.operand(node.args.node.outputs[0]);
  return {std::move(call)};
}

using UnaryLowering = std::function<Result<std::vector<KernelCall>>(const UnaryNode&)>;

// The types there are forms for: at least one.
DTypes types_of(const std::map<DType, UnaryLowering>& forms);

// Dispatches on the type; int8 and int16 numbers must have one scale. Errors: unsupported, naming the types there are.
Result<std::vector<KernelCall>> lower_unary(const LowerArgs& args, const std::map<DType, UnaryLowering>& forms);

// The spec of an operator that only imported models hold: output of the input's shape and type, input overwritten.
OpSpec imported_unary(std::string_view name, std::string_view doc, TfliteMapping tflite, Stage<QuantizeRule> quantize,
                      std::map<DType, UnaryLowering> forms);

// 256 bytes: function(x) for x = -128 ... 127, which gives a value in int8.
template <class Function>
Tensor lookup_table(Function&& function) {
  std::vector<int8_t> table;
  for (int32_t x = -128; x <= 127; ++x) table.push_back(static_cast<int8_t>(function(x)));
  return Tensor::from<int8_t>({256}, table);
}

// The table of device/base/table_s16.h for a function between reals of these scales and zero points, with TFLite's
// correction: each point is moved by half the error that the line to the next one has in its middle.
struct TableScale {
  float scale;
  int32_t zero_point;
};
template <class Function>
Tensor table_s16(TableScale input, TableScale output, Function&& function) {
  constexpr int kSteps = device::kTableS16Points - 1;
  const auto real = [](TableScale q, int32_t code) { return q.scale * static_cast<float>(code - q.zero_point); };
  const float least = real(input, -32768), most = real(input, 32767);
  const float step = (most - least) / kSteps, half_step = step / 2;
  const float per_unit = 65536.0f / (real(output, 32767) - real(output, -32768));
  const auto clamped = [](float code) { return static_cast<int16_t>(std::min(std::max(code, -32768.0f), 32767.0f)); };
  std::vector<int16_t> table;
  for (int i = 0; i < kSteps; ++i) {
    const float at = least + static_cast<float>(i) * step;
    const float here = std::round(function(at) * per_unit);
    const float middle = std::round(function(at + half_step) * per_unit);
    const float next = function(least + static_cast<float>(i + 1) * step) * per_unit;
    const float error = std::round((next + here) / 2) - middle;
    table.push_back(clamped(here - std::round(error / 2)));
  }
  table.push_back(clamped(std::round(function(most) * per_unit)));
  return Tensor::from<int16_t>({device::kTableS16Points}, table);
}

inline std::vector<KernelCall> lookup_call(const LowerArgs& args, Tensor table) {
  const int64_t size = element_count(args.graph[args.node.outputs[0]].type.shape);
  auto call = KernelCall::make("lookup_s8", device::LookupS8Params{static_cast<int32_t>(size)});
  call.operand(args.node.inputs[0]).operand(std::move(table)).operand(args.node.outputs[0]);
  return {std::move(call)};
}

// A real function as TensorFlow Lite tabulates it: in float32, for int8 with every code, for int16 with 513 points of
// straight lines.
using RealFunction = std::function<float(float)>;
std::vector<KernelCall> real_table_s8(const UnaryNode& node, const RealFunction& function);
std::vector<KernelCall> real_table_s16(const UnaryNode& node, const RealFunction& function);

// "name_f32" with the element count as its only parameter.
UnaryLowering plain_call(std::string kernel);

}  // namespace thimble::ops
