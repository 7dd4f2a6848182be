// Parameters of the quantised kernels of two inputs, from the scales of their tensors. Formulas: TensorFlow Lite's
// Prepare functions, with the floats and doubles they use.
#pragma once
#include <optional>

#include "device/kernels/binary_quantized.h"
#include "ops/broadcast.h"
#include "ops/lowering.h"

namespace thimble::ops {

// A node of two inputs and one output that all have one scale.
struct BinaryNode {
  const LowerArgs& args;
  const Value& a;
  const Value& b;
  const Value& output;
  BroadcastAxes axes;

  bool is_int16() const { return output.type.dtype == DType::i16; }
};

// Errors: unsupported, where shapes cannot be broadcast by a kernel.
Result<BinaryNode> binary_node(const LowerArgs& args);

// Error unless each of the values has one scale.
Outcome require_one_scale(const Node& node, std::initializer_list<const Value*> values);

// Kernel and parameters, no operands yet. Errors: unsupported scales.
Result<KernelCall> quantized_sum(const BinaryNode& node, bool subtract);
Result<KernelCall> quantized_product(const BinaryNode& node);
Result<KernelCall> quantized_quotient(const BinaryNode& node);
Result<KernelCall> quantized_squared_difference(const BinaryNode& node);
Result<KernelCall> quantized_prelu(const BinaryNode& node);

// From a call of add_s8 with its operands to one for inputs of one shape: add_table_s8 where the form may spend flash,
// or add_scaled_s8. Nothing where an input is repeated, or the output's scale is far from the inputs'.
std::optional<KernelCall> flat_sum(const KernelForm& form, const KernelCall& portable);

}  // namespace thimble::ops
