// 2-D convolution of int8 on cores with the DSP extension. Two output pixels at a time: their taps are extended to
// int16 into two columns of scratch, which every block of 4 filters then reads (blocks_arm_dsp.h).
//
// The taps of a pixel are `runs` runs of `run` bytes that lie side by side: the rows of the kernel, or single taps
// where it is dilated in width. Columns have the whole words of all runs first and then the bytes that are left of each
// run, so that 3x3x3 taps take 28 places.
#pragma once
#include "device/base/params.h"
#include "device/kernels/blocks_arm_dsp.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// lines: rows of the kernel; line_runs of `run` bytes in each, run_step apart. quads: groups of 4 taps in a column.
// inner_*: output rows and columns whose taps all lie inside the input begin here and are so many.
// rounding: see DspBlocks.
THIMBLE_PARAMS(Conv2DArmDspParams, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h, kernel_w,
               stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, input_zero_point, activation_min,
               activation_max, rounding, line_runs, run, quads, inner_y, inner_x, inner_rows, inner_columns);

// Words of a pixel's column: 2 of each group of 4 taps, and the other pixel's 2 between.
constexpr int32_t kQuadWords = 4;

// A tap in a column of words. The bytes that are left of runs fill halves 0, 1, 4 and 5 of each group.
using ColumnHalf __attribute__((may_alias)) = int16_t;
struct ColumnRest {
  ColumnHalf* half;
  int32_t step;  // to the next: 1 and 3 in turns
};

// One column's next groups from bytes side by side; returns where the ones after them go.
__attribute__((noinline)) inline int32_t* extend_column(int32_t* column, const int8_t* bytes, int32_t quads) {
#pragma GCC unroll 2
  for (; quads > 0; --quads, bytes += 4, column += kQuadWords) {
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof(word));
    column[0] = static_cast<int32_t>(extend_bytes(word));
    column[2] = static_cast<int32_t>(extend_rotated_bytes(word));
  }
  return column;
}

__attribute__((noinline)) inline int32_t* fill_column(int32_t* column, int32_t zero_point, int32_t quads) {
  const auto pair = static_cast<int32_t>(static_cast<uint32_t>(zero_point & 0xFFFF) * 0x10001u);
  for (; quads > 0; --quads, column += kQuadWords) column[0] = column[2] = pair;
  return column;
}

// Rows that both pixels read: groups of 4 bytes in each, rows, and bytes from one's end to the next.
struct ColumnRows {
  int32_t quads, rows, gap;
};

// Both columns from the taps of two pixels; quads and rows are 1 or more. Returns where the next groups go.
#ifdef THIMBLE_ARM_DSP
// clang-format off
#define THIMBLE_EXTEND_QUADS    \
  "ldr r4, [r1], #4\n"          \
  "ldr r5, [r2], #4\n"          \
  "sxtb16 r3, r4\n"             \
  "sxtb16 r6, r4, ror #8\n"     \
  "sxtb16 r4, r5\n"             \
  "sxtb16 r7, r5, ror #8\n"     \
  "stm r0!, {r3, r4, r6, r7}\n"
// clang-format on

THIMBLE_DSP_FUNCTION int32_t* extend_rows(int32_t*, const int8_t*, const int8_t*, const ColumnRows*) {
  __asm__(
      ".syntax unified\n"
      "push {r4-r10, lr}\n"
      "ldm r3, {r8, r9, r10}\n"
      "1:\n"
      "lsrs r12, r8, #1\n"
      "bcc 2f\n" THIMBLE_EXTEND_QUADS
      "cmp r12, #0\n"
      "beq 3f\n"
      "2:\n" THIMBLE_EXTEND_QUADS THIMBLE_EXTEND_QUADS
      "subs r12, r12, #1\n"
      "bne 2b\n"
      "3:\n"
      "add r1, r1, r10\n"
      "add r2, r2, r10\n"
      "subs r9, r9, #1\n"
      "bne 1b\n"
      "pop {r4-r10, pc}\n");
}
#undef THIMBLE_EXTEND_QUADS
#undef THIMBLE_DSP_FUNCTION
#else
inline int32_t* extend_rows(int32_t* columns, const int8_t* first, const int8_t* second, const ColumnRows* rows) {
  const int32_t step = 4 * rows->quads + rows->gap;
  for (int32_t row = rows->rows; row > 0; --row, first += step, second += step) {
    extend_column(columns + 1, second, rows->quads);
    columns = extend_column(columns, first, rows->quads);
  }
  return columns;
}
#endif

// The pixels of the output in their order.
struct ConvRaster {
  int32_t image;  // where the input of this batch begins
  int32_t y, x;
  int32_t first_tap;  // offset in the input, which may be outside
  int32_t inner;      // so many pixels from here on have all taps inside
};

__attribute__((noinline)) inline void start_row(const Conv2DArmDspParams& p, ConvRaster& at) {
  at.x = 0;
  at.first_tap = at.image + ((at.y * p.stride_h - p.padding_h) * p.input_w - p.padding_w) * p.input_c;
  const bool inner_row = static_cast<uint32_t>(at.y - p.inner_y) < static_cast<uint32_t>(p.inner_rows);
  at.inner = inner_row && p.inner_x == 0 ? p.inner_columns : 0;
}

inline void next_row(const Conv2DArmDspParams& p, ConvRaster& at) {
  if (++at.y == p.output_h) at.y = 0, at.image += p.input_h * p.input_w * p.input_c;
  start_row(p, at);
}

__attribute__((noinline)) inline void next_pixel(const Conv2DArmDspParams& p, ConvRaster& at) {
  at.first_tap += p.stride_w * p.input_c;
  if (at.inner > 0) --at.inner;
  if (++at.x == p.output_w) return next_row(p, at);
  if (at.x == p.inner_x && static_cast<uint32_t>(at.y - p.inner_y) < static_cast<uint32_t>(p.inner_rows))
    at.inner = p.inner_columns;
}

// What differs from whole words in one run a line: dilation in width, and the bytes that are left of runs.
__attribute__((noinline)) inline void gather_uneven(const Conv2DArmDspParams& p, const ColumnRows& rows,
                                                    const int8_t* first, const int8_t* second, int32_t* columns) {
  const int32_t line_step = p.dilation_h * p.input_w * p.input_c, run_step = p.dilation_w * p.input_c;
  const int32_t apart = static_cast<int32_t>(second - first), left = p.run & 3, whole = p.run - left;
  const int8_t* line_bytes = first;
  if (p.line_runs > 1 && whole > 0)
    for (int32_t line = p.kernel_h; line > 0; --line, line_bytes += line_step)
      columns = extend_rows(columns, line_bytes, line_bytes + apart, &rows);
  if (left == 0) return;
  ColumnRest rest = {reinterpret_cast<ColumnHalf*>(columns), 1};
  first += whole;
  for (int32_t line = p.kernel_h; line > 0; --line, first += line_step) {
    const int8_t* run_bytes = first;
    for (int32_t run = p.line_runs; run > 0; --run, run_bytes += run_step)
      for (const int8_t *byte = run_bytes, *end = byte + left; byte != end; ++byte) {
        rest.half[0] = byte[0], rest.half[2] = byte[apart];
        rest.half += rest.step, rest.step ^= 2;
      }
  }
}

// One run of which `inside` bytes from `lead` on lie in the input, at `bytes`; the others are padding.
inline int32_t* gather_run(const Conv2DArmDspParams& p, const int8_t* bytes, int32_t lead, int32_t inside,
                           int32_t* column) {
  const int32_t quads = p.run >> 2, zero = p.input_zero_point;
  if (inside == p.run) return extend_column(column, bytes, quads);
  if (((lead | inside | p.run) & 3) == 0) {
    if (lead > 0) column = fill_column(column, zero, lead >> 2);
    if (inside > 0) column = extend_column(column, bytes, inside >> 2);
    return fill_column(column, zero, quads - ((lead + inside) >> 2));
  }
  int32_t* end = fill_column(column, zero, quads);
  const int32_t last = lead + inside < 4 * quads ? lead + inside : 4 * quads;
  for (int32_t i = lead; i < last; ++i, ++bytes)
    reinterpret_cast<ColumnHalf*>(column + (i & ~3))[(i & 1) * 4 + ((i >> 1) & 1)] = *bytes;
  return end;
}

// One column of any pixel.
__attribute__((noinline)) inline void gather_pixel(const Conv2DArmDspParams& p, const int8_t* input,
                                                   const ConvRaster& at, int32_t* column) {
  const TapRange rows = taps_inside(at.y, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
  const TapRange columns = taps_inside(at.x, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
  const bool lines = p.line_runs == 1;
  const int32_t lead = lines ? columns.begin * p.input_c : 0, whole = p.run & ~3;
  const int32_t inside = (lines ? columns.end - columns.begin : 1) * p.input_c;
  const int32_t line_step = p.dilation_h * p.input_w * p.input_c, run_step = p.dilation_w * p.input_c;
  // Of the first tap inside; not read where there are none.
  int32_t line = at.first_tap + rows.begin * line_step + columns.begin * run_step;
  ColumnRest rest = {reinterpret_cast<ColumnHalf*>(column + p.kernel_h * p.line_runs * whole), 1};
  for (int32_t row = 0; row < p.kernel_h; ++row) {
    const bool row_inside = row >= rows.begin && row < rows.end;
    int32_t from = line;
    for (int32_t run = 0; run < p.line_runs; ++run) {
      const bool any = row_inside && (lines || (run >= columns.begin && run < columns.end));
      const int32_t bytes_inside = any ? inside : 0;
      const int8_t* bytes = input + (bytes_inside > 0 ? from : 0);
      if (whole > 0) column = gather_run(p, bytes, lead, bytes_inside, column);
      for (int32_t i = whole - lead; i < p.run - lead; ++i) {
        const bool tap = static_cast<uint32_t>(i) < static_cast<uint32_t>(bytes_inside);
        *rest.half = static_cast<int16_t>(tap ? bytes[i] : p.input_zero_point);
        rest.half += rest.step, rest.step ^= 2;
      }
      if (any) from += run_step;
    }
    if (row_inside) line += line_step;
  }
}

inline void clamp_channels(int8_t* output, int32_t channels, int32_t min, int32_t max) {
  for (; channels > 0; --channels, ++output)
    *output = static_cast<int8_t>(*output < min ? min : *output > max ? max : *output);
}

// The channels beyond the last whole block of two pixels, and their activation where it is not int8's range.
__attribute__((noinline)) inline void finish_channels(const Conv2DArmDspParams& p, const DspKernel& kernel,
                                                      const DspBlocks& whole, const int32_t* filters_end) {
  int8_t *first = whole.output[0], *second = whole.output[1];
  if (whole.filters_end != filters_end) {
    int8_t last[2][kDspFilters];
    DspBlocks blocks = whole;
    blocks.filters = whole.filters_end, blocks.filters_end = filters_end;
    blocks.output[0] = last[0], blocks.output[1] = last[1];
    kernel.run(&blocks);
    for (int32_t c = p.output_c & ~3, i = 0; c < p.output_c; ++c, ++i) first[c] = last[0][i], second[c] = last[1][i];
  }
  if (p.activation_min > -128 || p.activation_max < 127) {
    clamp_channels(first, p.output_c, p.activation_min, p.activation_max);
    clamp_channels(second, p.output_c, p.activation_min, p.activation_max);
  }
}

__attribute__((noinline)) inline void conv2d_in_pairs(const Conv2DArmDspParams& p, const DspKernel& kernel,
                                                      const int8_t* input, const int32_t* filters, int32_t* columns,
                                                      int8_t* output) {
  const int32_t block_words = kDspFilters + p.quads * kernel.quad_words + kernel.scaling_words, pairs = 2 * p.quads;
  const int32_t* whole_end = filters + p.output_c / kDspFilters * block_words;
  const int32_t* filters_end = p.output_c % kDspFilters ? whole_end + block_words : whole_end;
  DspBlocks blocks = {filters,
                      columns,
                      (-pairs & (kernel.unrolled - 1)) * kernel.pair_bytes + 1,
                      columns + p.quads * kQuadWords,
                      {},
                      whole_end,
                      p.rounding};
  const bool lines = p.line_runs == 1, even = lines && p.run > 3, uneven = !lines || p.run % 4 != 0;
  const int32_t row_step = (lines ? p.dilation_h * p.input_w : p.dilation_w) * p.input_c;
  const ColumnRows rows = {p.run >> 2, lines ? p.kernel_h : p.line_runs, row_step - (p.run & ~3)};
  const bool finish = whole_end != filters_end || p.activation_min > -128 || p.activation_max < 127;
  const int32_t step = p.stride_w * p.input_c, channels = p.output_c;
  const auto two_pixels = [&](int8_t* first, int8_t* second) {
    blocks.output[0] = first, blocks.output[1] = second;
    if (whole_end != filters) kernel.run(&blocks);
    if (finish) finish_channels(p, kernel, blocks, filters_end);
  };
  ConvRaster at = {};
  start_row(p, at);
  for (int32_t left = p.batches * p.output_h * p.output_w; left > 0;) {
    const int32_t inner = at.inner & ~1;
    const int8_t* first = input + (inner > 0 ? at.first_tap : 0);
    for (int32_t i = inner; i > 0; i -= 2, first += 2 * step, output += 2 * channels) {
      int32_t* end = even ? extend_rows(columns, first, first + step, &rows) : columns;
      if (uneven) gather_uneven(p, rows, first, first + step, end);
      two_pixels(output, output + channels);
    }
    left -= inner, at.inner -= inner, at.x += inner, at.first_tap += inner * step;
    if (at.x == p.output_w) next_row(p, at);
    if (left == 0 || at.inner > 1) continue;
    gather_pixel(p, input, at, columns);
    if (left > 1) next_pixel(p, at);
    gather_pixel(p, input, at, columns + 1);
    next_pixel(p, at);
    int8_t* second = left > 1 ? output + channels : output;
    two_pixels(output, second);
    output = second + channels, left -= 2;
  }
}

// filters: packed by the host, as blocks_arm_dsp.h says. columns: 4 * quads words.
inline void conv2d_s8_arm_dsp(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters,
                              int32_t* columns, int8_t* output) {
  conv2d_in_pairs(p, kDspBlocks, input, filters, columns, output);
}

inline void conv2d_s8_arm_dsp_wide(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters,
                                   int32_t* columns, int8_t* output) {
  conv2d_in_pairs(p, kDspBlocksWide, input, filters, columns, output);
}

inline void conv2d_s8_arm_dsp_compact(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters,
                                      int32_t* columns, int8_t* output) {
  conv2d_in_pairs(p, kDspBlocksCompact, input, filters, columns, output);
}

}  // namespace device
}  // namespace thimble
