// Operators that only move elements say so as a list of strided copies; the kernel calls, the training forward and the
// gradient follow from that list.
#pragma once
#include <span>
#include <vector>

#include "graph/op_spec.h"

namespace thimble::ops {

// A block of elements and where it lies in two tensors, in elements. Stride 0 repeats, a negative one goes backwards.
struct Copy {
  static constexpr int kZeros = -1;      // in place of an input: real zero, the zero point of quantised types
  static constexpr int kZeroBytes = -2;  // the same, but the number 0 in every type
  int input = 0;
  int output = 0;
  Shape extents;  // of the block, any rank, all positive
  std::vector<int64_t> from_strides, to_strides;
  int64_t from = 0, to = 0;

  // The same block with the tensors' parts exchanged.
  Copy reversed() const { return {output, input, extents, to_strides, from_strides, to, from}; }
};

// Shapes of a node that has passed its shape rule. An absent input has shape [].
struct MoveArgs {
  const Attrs& attrs;
  std::span<const Shape> inputs;
  std::span<const Shape> outputs;
};
// In order: a later copy may overwrite an earlier one's zeros.
using MoveRule = std::vector<Copy> (*)(const MoveArgs&);

// Elements between neighbours along each axis of a dense row-major tensor.
std::vector<int64_t> strides_of(const Shape& shape);

// The whole of a dense tensor to the whole of another with as many elements.
Copy whole(const Shape& shape, int input = 0, int output = 0);

// Zeros in the whole of an output.
Copy zeros(const Shape& output, int kind = Copy::kZeros);

// The same copy with as few axes as possible, the innermost contiguous where it can be.
Copy simplified(const Copy& copy);

// An axis of a tensor of that rank, counted from the end where negative. Errors: bad_data.
Result<size_t> axis_of(int64_t axis, size_t rank);

// The call for one copy of elements of this dtype between two operands. Copies of more than six axes (after
// simplification) take several.
std::vector<KernelCall> copy_calls(const Copy& copy, DType dtype, const Operand& from, const Operand& to);

// A node's input: the value, or its constant.
Operand input_operand(const LowerArgs& args, size_t input);

// One number of this dtype that stands for real zero.
Tensor zero_of(const Value& value);

// The call for a block of the shape `part` in a tensor of the shape `whole` that begins where the integers `starts` say
// while the model runs, moved so that it stays inside. into: the block is written to the tensor rather than read from
// it. Errors: unsupported for more axes than the kernel has.
Result<KernelCall> copy_call_at(const LowerArgs& args, const Shape& whole, const Shape& part, bool into, Operand from,
                                size_t starts);

// Error unless the type can count positions in a tensor: int32, int64 or, where allowed, int16.
Outcome check_indices(const ValueType& indices, bool int16 = false);

// Error unless the 8-bit inputs have the output's scale and zero point: their bytes are moved as they are.
Outcome check_one_scale(const LowerArgs& args);

LowerFn lower_moves(MoveRule rule);
ForwardFn forward_moves(MoveRule rule);
BackwardFn backward_moves(MoveRule rule);

// Errors: bad_data unless all inputs that are there have one dtype.
Outcome check_one_dtype(const InferArgs& args);

}  // namespace thimble::ops
