// Loops of training over long arrays: fixed chunks on all cores, and bodies compiled for the vector units at hand.
// Results do not depend on either.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/threads.h"

// On a function of plain loops: one copy per vector unit, chosen when the program starts. Sanitizers cannot follow the
// choice.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define THIMBLE_VECTORIZED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define THIMBLE_VECTORIZED
#endif

namespace thimble::ops {

constexpr int64_t kElementsPerChunk = 1 << 16;

inline int64_t chunk_count(int64_t count, int64_t per_chunk = kElementsPerChunk) {
  return (count + per_chunk - 1) / per_chunk;
}

// body(begin, end) over [0, count) in chunks.
template <class Body>
void parallel_ranges(int64_t count, int64_t per_chunk, Body&& body) {
  parallel_for(chunk_count(count, per_chunk),
               [&](int64_t chunk) { body(chunk * per_chunk, std::min(count, (chunk + 1) * per_chunk)); });
}

}  // namespace thimble::ops
