// One-hot vectors: output[outer, k, inner] = on where indices[outer, inner] is k, else off.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// element_bytes: of on, off and an element of the output.
THIMBLE_PARAMS(OneHotParams, outer, depth, inner, element_bytes);

template <class Index>
inline void one_hot(const OneHotParams& p, const Index* indices, const void* on, const void* off, void* output) {
  const auto bytes = static_cast<uint32_t>(p.element_bytes);
  uint8_t* to = static_cast<uint8_t*>(output);
  for (int32_t outer = 0; outer < p.outer; ++outer, indices += p.inner)
    for (int32_t k = 0; k < p.depth; ++k)
      for (int32_t inner = 0; inner < p.inner; ++inner, to += bytes)
        __builtin_memcpy(to, indices[inner] == k ? on : off, bytes);
}

// on, off: one element each, of any type.
inline void one_hot_i32(const OneHotParams& p, const int32_t* indices, const void* on, const void* off, void* output) {
  one_hot(p, indices, on, off, output);
}
inline void one_hot_i64(const OneHotParams& p, const int64_t* indices, const void* on, const void* off, void* output) {
  one_hot(p, indices, on, off, output);
}

}  // namespace device
}  // namespace thimble
