// Convolution on cores with MVE: the patches of three pixels are gathered into scratch memory and multiplied with all
// filters (linear_arm_mve.h says how these are packed). Where the patches are pixels, side by side in the input, there
// is fully_connected_s8_arm_mve. Gathering costs about 10 instructions per pixel and row of taps.
#pragma once
#include "device/kernels/conv2d.h"
#include "device/kernels/linear_arm_mve.h"

namespace thimble {
namespace device {

// The taps of one row of a window at `patch`, those outside the input as its zero point.
inline void mve_gather_row(const Conv2DIntegerParams& p, const TapRange& cols, const int8_t* row, int8_t* patch) {
  const int32_t lead = cols.begin * p.input_c, inside = (cols.end - cols.begin) * p.input_c;
  if (!cols.whole) mve_fill(patch, p.input_zero_point, p.kernel_w * p.input_c);
  mve_copy(patch + lead, row + cols.origin * p.input_c + lead, inside);
}

inline void mve_gather(const Conv2DIntegerParams& p, const TapRange& rows, const TapRange& cols, const int8_t* input,
                       int8_t* patch) {
  const int32_t run = p.kernel_w * p.input_c;
  const int8_t* row = input + rows.origin * p.input_w * p.input_c;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky, row += p.input_w * p.input_c, patch += run)
    if (ky >= rows.begin && ky < rows.end)
      mve_gather_row(p, cols, row, patch);
    else
      mve_fill(patch, p.input_zero_point, run);
}

// The patch of a pixel whose taps are all inside the input: kernel_h runs of `run` bytes.
inline void mve_gather_inside(int32_t kernel_h, int32_t run, int32_t line, const int8_t* input, int8_t* patch) {
  for (int32_t ky = kernel_h; ky > 0; --ky, input += line, patch += run) mve_copy(patch, input, run);
}

// Without dilation and groups. scratch: kMveRows patches of kernel_h * kernel_w * input_c bytes.
inline void conv2d_s8_arm_mve(const Conv2DIntegerParams& p, const int8_t* input, const int8_t* weights,
                              const int32_t* constants, int8_t* scratch, int8_t* output) {
  const int32_t run = p.kernel_w * p.input_c, patch = p.kernel_h * run, line = p.input_w * p.input_c;
  MveFilters filters(p, patch, p.output_c, weights, constants);
  int32_t gathered = 0;
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * line)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, 1, p.kernel_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox) {
        const int32_t x = ox * p.stride_w - p.padding_w;
        int8_t* const to = scratch + gathered * patch;
        if (rows.whole && x >= 0 && x + p.kernel_w <= p.input_w)
          mve_gather_inside(p.kernel_h, run, line, input + rows.origin * line + x * p.input_c, to);
        else
          mve_gather(p, rows, taps_inside(ox, p.stride_w, p.padding_w, 1, p.kernel_w, p.input_w), input, to);
        if (++gathered < kMveRows) continue;
        filters.multiply(scratch, kMveRows, output);
        output += kMveRows * p.output_c;
        gathered = 0;
      }
    }
  filters.multiply(scratch, gathered, output);
}

}  // namespace device
}  // namespace thimble
