// How a kernel's output may lie over its input, by the order in which it reads and writes: KernelCall::overlap.
#pragma once
#include <cstdint>
#include <optional>

#include "core/tensor.h"
#include "device/kernels/linear.h"
#include "graph/kernel_call.h"

namespace thimble::ops {

// A kernel that makes the output pixels of [N, H, W, C] in order, each from its window of the input.
struct PixelLoop {
  struct Axis {
    int64_t input = 1, output = 1, taps = 1, stride = 1, dilation = 1, padding = 0;
  };
  int64_t batches = 1;
  Axis h, w;
  int64_t input_pixel = 0, output_pixel = 0;  // bytes
  // Bytes of a pixel's output that are written before its window is read for the last time. Where channel c reads
  // channel c alone and is written at once that counts as none.
  int64_t early = 0;
  // Pixels that follow each other, counted from the first, whose windows are all read before one of them is written.
  int64_t together = 1;
};

// The least distance from the output's begin up to the input's (Overlap::distance) with which no byte is overwritten
// before its last read. Nothing for loops of more than 2^24 pixels.
std::optional<int64_t> overlap_distance(const PixelLoop& loop);

// That of the portable convolutions and poolings, by their parameters.
template <class Params>
PixelLoop portable_loop(const Params& p, DType dtype) {
  const auto bytes = static_cast<int64_t>(size_of(dtype));
  PixelLoop loop{.batches = p.batches,
                 .h = {.input = p.input_h, .output = p.output_h, .stride = p.stride_h, .padding = p.padding_h},
                 .w = {.input = p.input_w, .output = p.output_w, .stride = p.stride_w, .padding = p.padding_w}};
  if constexpr (requires { p.window_h; }) {
    loop.h.taps = p.window_h, loop.w.taps = p.window_w;
    loop.input_pixel = loop.output_pixel = p.channels * bytes;
  } else {
    loop.h.taps = p.kernel_h, loop.w.taps = p.kernel_w;
    loop.h.dilation = p.dilation_h, loop.w.dilation = p.dilation_w;
    loop.input_pixel = p.input_c * bytes;
    const auto last_block = [](int64_t channels) {
      return channels % device::kChannelBlock == 0 ? int64_t{device::kChannelBlock} : 1;
    };
    int64_t early = 0, outputs = 0;  // elements
    if constexpr (requires { p.depth_multiplier; }) {
      // Output channels c * multiplier ... read channel c; 0 for a multiplier of 1.
      const int64_t multiplier = p.depth_multiplier;
      outputs = p.input_c * multiplier;
      if (multiplier > 1) early = (p.input_c - 1) * (multiplier - 1) + multiplier - last_block(multiplier);
    } else {
      // Group g of outputs reads the channels of group g.
      const int64_t groups = p.input_c / p.filter_c, group = p.output_c / groups;
      outputs = p.output_c;
      early = group - last_block(group) + std::max<int64_t>(0, (groups - 1) * (group - p.filter_c));
    }
    loop.output_pixel = outputs * bytes;
    loop.early = early * bytes;
  }
  return loop;
}

// The rule for operands `input` and `output` of a call of such a kernel.
inline std::optional<Overlap> overlap_of(const PixelLoop& loop, size_t input, size_t output) {
  const std::optional<int64_t> distance = overlap_distance(loop);
  if (!distance) return std::nullopt;
  return Overlap{.input = input, .output = output, .distance = *distance};
}

}  // namespace thimble::ops
