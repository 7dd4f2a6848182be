// Rows of a tensor picked by indices that are computed while the model runs.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// The input is [batches, outer, extent_0 ... extent_5, row], the indices [batches, count, depth], the output [batches,
// outer, count, row]: depth indices name one row, the others of the six extents are 1. Sizes in bytes: row, of a row,
// and stride_*, between neighbours along an indexed axis. index_bytes: 2, 4 or 8. An index outside its axis gives a row
// of zeros: there is nothing else to say it with.
THIMBLE_PARAMS(GatherParams, batches, outer, count, depth, row, index_bytes, extent_0, extent_1, extent_2, extent_3,
               extent_4, extent_5, stride_0, stride_1, stride_2, stride_3, stride_4, stride_5);

// An index as int32; one that int64 holds and int32 does not becomes -1.
inline int32_t index_at(const void* indices, int32_t position, int32_t bytes) {
  if (bytes == 2) return static_cast<const int16_t*>(indices)[position];
  if (bytes == 4) return static_cast<const int32_t*>(indices)[position];
  const int64_t index = static_cast<const int64_t*>(indices)[position];
  return index == static_cast<int32_t>(index) ? static_cast<int32_t>(index) : -1;
}

inline void gather(const GatherParams& p, const void* input, const void* indices, void* output) {
  const int32_t extent[6] = {p.extent_0, p.extent_1, p.extent_2, p.extent_3, p.extent_4, p.extent_5};
  const int32_t stride[6] = {p.stride_0, p.stride_1, p.stride_2, p.stride_3, p.stride_4, p.stride_5};
  const int32_t block = extent[0] * stride[0];
  const auto* from = static_cast<const uint8_t*>(input);
  auto* to = static_cast<uint8_t*>(output);
  for (int32_t batch = 0; batch < p.batches; ++batch)
    for (int32_t outer = 0; outer < p.outer; ++outer, from += block)
      for (int32_t i = 0; i < p.count; ++i, to += p.row) {
        int32_t offset = 0;
        bool inside = true;
        for (int32_t k = 0; k < p.depth; ++k) {
          const int32_t index = index_at(indices, (batch * p.count + i) * p.depth + k, p.index_bytes);
          inside = inside && index >= 0 && index < extent[k];
          if (inside) offset += index * stride[k];
        }
        if (inside)
          __builtin_memcpy(to, from + offset, static_cast<uint32_t>(p.row));
        else
          __builtin_memset(to, 0, static_cast<uint32_t>(p.row));
      }
}

}  // namespace device
}  // namespace thimble
