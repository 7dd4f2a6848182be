// Which taps of a sliding window lie inside the input, along one axis. Shared by convolutions and pooling.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

// Tap k of the window at output index `out` reads input index origin + k * dilation.
struct TapRange {
  int32_t origin;      // may be negative: in the padding
  int32_t begin, end;  // taps inside the input are [begin, end); empty (begin = end) when there are none
  bool whole;          // all taps are inside
};

inline TapRange taps_inside(int32_t out, int32_t stride, int32_t padding, int32_t dilation, int32_t taps,
                            int32_t size) {
  TapRange range = {out * stride - padding, 0, taps, false};
  while (range.begin < taps && range.origin + range.begin * dilation < 0) ++range.begin;
  while (range.end > range.begin && range.origin + (range.end - 1) * dilation >= size) --range.end;
  range.whole = range.end - range.begin == taps;
  return range;
}

}  // namespace device
}  // namespace thimble
