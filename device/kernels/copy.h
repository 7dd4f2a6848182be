// output = input, byte for byte, of any type.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(CopyBytesParams, bytes);

// input, output: bytes bytes, which do not overlap.
inline void copy_bytes(const CopyBytesParams& p, const void* input, void* output) {
  __builtin_memcpy(output, input, static_cast<uint32_t>(p.bytes));
}

}  // namespace device
}  // namespace thimble
