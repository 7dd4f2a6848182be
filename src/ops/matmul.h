// The call of a batch_matmul kernel, for operators that are matrix products of two values.
#pragma once
#include "ops/lowering.h"

namespace thimble::ops {

// a [..., rows, depth] times b [..., depth, cols], each transposed where asked; extents of batches are equal or 1.
struct MatrixProduct {
  ValueId a = kNoValue, b = kNoValue;
  bool transpose_a = false, transpose_b = false;
  Shape a_shape, b_shape;  // [...] as the product sees them, 2 to 5 extents
  // [cols], the products' type: int32 for int8, int64 for int16, float32. Without a value: none.
  ValueId bias = kNoValue;
};

// One scale for each of a, b and the node's output; TFLite multiplies those of a and b in float. Errors: unsupported
// for a scale of the output that is too small for the kernel.
Result<std::vector<KernelCall>> lower_matmul(const LowerArgs& args, const MatrixProduct& product);

}  // namespace thimble::ops
