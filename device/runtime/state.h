// State that outlives an inference: the first bytes of a model's arena.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

// What the state holds before the first inference; initial: bytes bytes, or null for zeros.
inline void reset_state(void* arena, const void* initial, uint32_t bytes) {
  if (initial)
    __builtin_memcpy(arena, initial, bytes);
  else
    __builtin_memset(arena, 0, bytes);
}

}  // namespace device
}  // namespace thimble
