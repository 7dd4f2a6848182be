#include "ops/overlap.h"

#include <algorithm>
#include <vector>

namespace thimble::ops {

namespace {

constexpr int64_t kMostPixels = int64_t{1} << 24;
constexpr int64_t kReadsNothing = -1;

// The first input index that each output index reads.
std::vector<int64_t> first_reads(const PixelLoop::Axis& axis) {
  std::vector<int64_t> reads;
  for (int64_t out = 0; out < axis.output; ++out) {
    const int64_t origin = out * axis.stride - axis.padding;
    const int64_t outside = origin < 0 ? (-origin + axis.dilation - 1) / axis.dilation : 0;  // taps
    const int64_t first = origin + outside * axis.dilation;
    reads.push_back(outside < axis.taps && first < axis.input ? first : kReadsNothing);
  }
  return reads;
}

}  // namespace

std::optional<int64_t> overlap_distance(const PixelLoop& loop) {
  if (loop.h.output > kMostPixels || loop.w.output > kMostPixels / std::max<int64_t>(1, loop.h.output) ||
      loop.batches > kMostPixels / std::max<int64_t>(1, loop.h.output * loop.w.output))
    return std::nullopt;
  const std::vector<int64_t> rows = first_reads(loop.h), cols = first_reads(loop.w);
  int64_t distance = 0, pixel = 0;
  for (int64_t n = 0; n < loop.batches; ++n)
    for (const int64_t row : rows) {
      const int64_t begin = (n * loop.h.input + row) * loop.w.input;  // of that row of the input, in pixels
      for (const int64_t col : cols) {
        const int64_t written = pixel / loop.together * loop.together * loop.output_pixel + loop.early;
        if (row != kReadsNothing && col != kReadsNothing)
          distance = std::max(distance, written - (begin + col) * loop.input_pixel);
        ++pixel;
      }
    }
  return distance;
}

}  // namespace thimble::ops
