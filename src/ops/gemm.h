// Float32 matrix products for training: oneDNN's sgemm, split into chunks for our own threads so that results do not
// depend on the number of cores.
#pragma once
#include <cstdint>

namespace thimble::ops {

// Row-major C[m, n] = alpha_c * C + op(A)[m, k] * op(B)[k, n]; add = false overwrites C, true adds to it.
// lda/ldb/ldc: row strides in elements of A, B, C as stored (before transposition).
struct Gemm {
  bool transpose_a = false;
  bool transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  int64_t lda = 0, ldb = 0, ldc = 0;
  bool add = false;
};
void gemm(const Gemm& shape, const float* a, const float* b, float* c);

}  // namespace thimble::ops
