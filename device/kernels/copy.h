// Bytes of any type: output = input; and a memory of the last bytes that came.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(CopyBytesParams, bytes);

// input, output: bytes bytes, which do not overlap.
inline void copy_bytes(const CopyBytesParams& p, const void* input, void* output) {
  __builtin_memcpy(output, input, static_cast<uint32_t>(p.bytes));
}

// The same where they may overlap.
inline void move_bytes(const CopyBytesParams& p, const void* input, void* output) {
  __builtin_memmove(output, input, static_cast<uint32_t>(p.bytes));
}

THIMBLE_PARAMS(SlideBytesParams, kept, added);

// state [kept + added]: its last `kept` bytes move to its begin, input [added] follows them.
inline void slide_bytes(const SlideBytesParams& p, const void* input, void* state) {
  uint8_t* bytes = static_cast<uint8_t*>(state);
  __builtin_memmove(bytes, bytes + p.added, static_cast<uint32_t>(p.kept));
  __builtin_memcpy(bytes + p.kept, input, static_cast<uint32_t>(p.added));
}

}  // namespace device
}  // namespace thimble
