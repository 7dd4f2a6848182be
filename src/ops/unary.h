// What operators of one input and no weights share: the shape rule, empty TFLite options, and the int8 table form.
#pragma once
#include "device/base/fixed_point.h"
#include "device/kernels/activation.h"
#include "graph/op_spec.h"

namespace thimble::ops {

inline Result<std::vector<ValueType>> same_as_input(const InferArgs& args) { return std::vector{args.inputs[0]}; }

// The TFLite mapping of an op without options.
inline Outcome reads_nothing(const AttrReader&, Attrs&) { return {}; }
inline void writes_nothing(const Attrs&, AttrWriter&) {}

// 256 bytes: function(x) for x = -128 ... 127, which gives a value in int8.
template <class Function>
Tensor lookup_table(Function&& function) {
  std::vector<int8_t> table;
  for (int32_t x = -128; x <= 127; ++x) table.push_back(static_cast<int8_t>(function(x)));
  return Tensor::from<int8_t>({256}, table);
}

inline std::vector<KernelCall> lookup_call(const LowerArgs& args, Tensor table) {
  const int64_t size = element_count(args.graph[args.node.outputs[0]].type.shape);
  auto call = KernelCall::make("lookup_s8", device::LookupS8Params{static_cast<int32_t>(size)});
  call.operand(args.node.inputs[0]).operand(std::move(table)).operand(args.node.outputs[0]);
  return {std::move(call)};
}

}  // namespace thimble::ops
