#include "ops/gemm.h"

#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <vector>

#include "core/threads.h"

namespace thimble::ops {

namespace {

constexpr int64_t kRowsPerChunk = 1024;
constexpr int64_t kDepthPerChunk = 4096;

void one_thread(const Gemm& g, const float* a, const float* b, float* c) {
  thread_local const bool single = (omp_set_num_threads(1), true);
  (void)single;
  dnnl_sgemm(g.transpose_a ? 'T' : 'N', g.transpose_b ? 'T' : 'N', g.m, g.n, g.k, 1.0f, a, g.lda, b, g.ldb,
             g.add ? 1.0f : 0.0f, c, g.ldc);
}

// Long sums (weight gradients): partial products over slices of k, added in order.
void split_depth(const Gemm& g, const float* a, const float* b, float* c) {
  const int64_t chunks = (g.k + kDepthPerChunk - 1) / kDepthPerChunk;
  std::vector<float> partial(static_cast<size_t>(chunks * g.m * g.n));
  parallel_for(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kDepthPerChunk;
    Gemm part = g;
    part.k = std::min(kDepthPerChunk, g.k - begin);
    part.ldc = g.n;
    part.add = false;
    one_thread(part, a + begin * (g.transpose_a ? g.lda : 1), b + begin * (g.transpose_b ? 1 : g.ldb),
               &partial[static_cast<size_t>(chunk * g.m * g.n)]);
  });
  for (int64_t row = 0; row < g.m; ++row)
    for (int64_t col = 0; col < g.n; ++col) {
      float sum = g.add ? c[row * g.ldc + col] : 0.0f;
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        sum += partial[static_cast<size_t>((chunk * g.m + row) * g.n + col)];
      c[row * g.ldc + col] = sum;
    }
}

}  // namespace

void gemm(const Gemm& g, const float* a, const float* b, float* c) {
  if (g.k >= 2 * kDepthPerChunk && g.m * g.n <= 256 * 1024) return split_depth(g, a, b, c);
  const int64_t chunks = (g.m + kRowsPerChunk - 1) / kRowsPerChunk;
  parallel_for(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kRowsPerChunk;
    Gemm part = g;
    part.m = std::min(kRowsPerChunk, g.m - begin);
    one_thread(part, a + begin * (g.transpose_a ? 1 : g.lda), b, c + begin * g.ldc);
  });
}

}  // namespace thimble::ops
