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
// ties_away: see blocks_arm_dsp.h.
THIMBLE_PARAMS(Conv2DArmDspParams, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h, kernel_w,
               stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, input_zero_point, activation_min,
               activation_max, ties_away, line_runs, run, quads, inner_y, inner_x, inner_rows, inner_columns);

// Words of a pixel's column: 2 of each group of 4, and the other pixel's 2 between.
constexpr int32_t kQuadWords = 4;

// A tap in a column of words.
using ColumnHalf __attribute__((may_alias)) = int16_t;

// Where tap `byte` of a group of 4 lies in its 8 halfwords; 2 more for the second column.
inline int32_t half_of_tap(int32_t byte) { return (byte & 1) * 4 + (byte >> 1); }

inline uint32_t unaligned_word(const int8_t* bytes) {
  uint32_t word;
  __builtin_memcpy(&word, bytes, sizeof(word));
  return word;
}

// One column's groups from side by side bytes; returns where the next ones go.
inline int32_t* extend_column(int32_t* column, const int8_t* bytes, int32_t quads) {
  for (; quads > 0; --quads, bytes += 4, column += kQuadWords) {
    const uint32_t word = unaligned_word(bytes);
    column[0] = static_cast<int32_t>(extend_bytes(word));
    column[2] = static_cast<int32_t>(extend_bytes(rotated_by_byte(word)));
  }
  return column;
}

inline int32_t* fill_column(int32_t* column, int32_t zero_point, int32_t quads) {
  const auto pair = static_cast<int32_t>(static_cast<uint32_t>(zero_point & 0xFFFF) * 0x10001u);
  for (; quads > 0; --quads, column += kQuadWords) column[0] = column[2] = pair;
  return column;
}

// Both columns; quads is 1 or more.
inline int32_t* extend_columns(int32_t* columns, const int8_t* first, const int8_t* second, int32_t quads) {
#ifdef THIMBLE_ARM_DSP
#define THIMBLE_EXTEND_QUAD \
  "ldr r5, [%1], #4\n"      \
  "ldr r6, [%2], #4\n"      \
  "sxtb16 r3, r5\n"         \
  "sxtb16 r4, r6\n"         \
  "sxtb16 r5, r5, ror #8\n" \
  "sxtb16 r6, r6, ror #8\n" \
  "stm %0!, {r3, r4, r5, r6}\n"
  __asm__ volatile(
      "lsrs %3, %3, #1\n"
      "bcc 1f\n" THIMBLE_EXTEND_QUAD
      "cmp %3, #0\n"
      "beq 2f\n"
      "1:\n" THIMBLE_EXTEND_QUAD THIMBLE_EXTEND_QUAD
      "subs %3, %3, #1\n"
      "bne 1b\n"
      "2:\n"
      : "+r"(columns), "+r"(first), "+r"(second), "+r"(quads)
      :
      : "r3", "r4", "r5", "r6", "cc", "memory");
#undef THIMBLE_EXTEND_QUAD
  return columns;
#else
  extend_column(columns, first, quads);
  return extend_column(columns + 1, second, quads) - 1;
#endif
}

// An output pixel: its place and its first tap's, in bytes from the start of the input.
struct ConvPixel {
  int32_t y, x, first_tap;
};

inline ConvPixel next_pixel(const Conv2DArmDspParams& p, ConvPixel pixel, int32_t& image) {
  pixel.first_tap += p.stride_w * p.input_c;
  if (++pixel.x < p.output_w) return pixel;
  pixel.x = 0;
  if (++pixel.y == p.output_h) pixel.y = 0, image += p.input_h * p.input_w * p.input_c;
  pixel.first_tap = image + ((pixel.y * p.stride_h - p.padding_h) * p.input_w - p.padding_w) * p.input_c;
  return pixel;
}

inline bool is_inner(const Conv2DArmDspParams& p, const ConvPixel& pixel) {
  return static_cast<uint32_t>(pixel.y - p.inner_y) < static_cast<uint32_t>(p.inner_rows) &&
         static_cast<uint32_t>(pixel.x - p.inner_x) < static_cast<uint32_t>(p.inner_columns);
}

// The columns of two inner pixels.
inline void gather_inner(const Conv2DArmDspParams& p, const int8_t* first, const int8_t* second, int32_t* columns) {
  const int32_t words = p.run >> 2, left = p.run & 3;
  auto* rest = reinterpret_cast<ColumnHalf*>(columns + p.kernel_h * p.line_runs * words * kQuadWords);
  const int32_t line_step = p.dilation_h * p.input_w * p.input_c, run_step = p.dilation_w * p.input_c;
  int32_t byte = 0;
  for (int32_t line = p.kernel_h; line > 0; --line, first += line_step, second += line_step) {
    const int8_t *a = first, *b = second;
    for (int32_t run = p.line_runs; run > 0; --run, a += run_step, b += run_step) {
      if (words > 0) columns = extend_columns(columns, a, b, words);
      for (int32_t i = p.run - left; i < p.run; ++i) {
        ColumnHalf* to = rest + half_of_tap(byte);
        to[0] = a[i], to[2] = b[i];
        if (++byte == 4) byte = 0, rest += 2 * kQuadWords;
      }
    }
  }
}

// Where the next taps of one column go.
struct ColumnEnd {
  int32_t* column;
  ColumnHalf* rest;
  int32_t byte;
};

// One run of which `inside` bytes from `lead` on lie in the input, at `bytes`; the others are padding.
inline void gather_run(const Conv2DArmDspParams& p, const int8_t* bytes, int32_t lead, int32_t inside, ColumnEnd& end) {
  const int32_t whole = p.run & ~3;
  if (((lead | inside | p.run) & 3) == 0 || inside == 0) {
    int32_t* column = fill_column(end.column, p.input_zero_point, inside > 0 ? lead >> 2 : 0);
    column = extend_column(column, bytes, inside >> 2);
    end.column += whole;
    fill_column(column, p.input_zero_point, (end.column - column) / kQuadWords);
  } else if (inside == p.run) {
    end.column = extend_column(end.column, bytes, whole >> 2);
  } else {
    for (int32_t i = 0; i < whole; ++i) {
      const bool tap = static_cast<uint32_t>(i - lead) < static_cast<uint32_t>(inside);
      reinterpret_cast<ColumnHalf*>(end.column + (i & ~3))[half_of_tap(i & 3)] =
          static_cast<int16_t>(tap ? bytes[i - lead] : p.input_zero_point);
    }
    end.column += whole;
  }
  for (int32_t i = whole; i < p.run; ++i) {
    const bool tap = static_cast<uint32_t>(i - lead) < static_cast<uint32_t>(inside);
    end.rest[half_of_tap(end.byte)] = static_cast<int16_t>(tap ? bytes[i - lead] : p.input_zero_point);
    if (++end.byte == 4) end.byte = 0, end.rest += 2 * kQuadWords;
  }
}

// One column of any pixel.
__attribute__((noinline)) inline void gather_pixel(const Conv2DArmDspParams& p, const int8_t* image,
                                                   const ConvPixel& pixel, int32_t* column) {
  const TapRange rows = taps_inside(pixel.y, p.stride_h, p.padding_h, p.dilation_h, p.kernel_h, p.input_h);
  const TapRange columns = taps_inside(pixel.x, p.stride_w, p.padding_w, p.dilation_w, p.kernel_w, p.input_w);
  ColumnEnd end = {column, reinterpret_cast<ColumnHalf*>(column + p.kernel_h * p.line_runs * (p.run & ~3)), 0};
  for (int32_t row = 0; row < p.kernel_h; ++row)
    for (int32_t run = 0; run < p.line_runs; ++run) {
      const bool whole_row = p.line_runs == 1;
      const int32_t begin = whole_row ? columns.begin : run;
      int32_t inside = whole_row ? (columns.end - columns.begin) * p.input_c
                                 : (run >= columns.begin && run < columns.end ? p.input_c : 0);
      if (row < rows.begin || row >= rows.end) inside = 0;
      const int8_t* bytes = image;
      if (inside > 0) {
        const int32_t y = rows.origin + row * p.dilation_h, x = columns.origin + begin * p.dilation_w;
        bytes += (y * p.input_w + x) * p.input_c;
      }
      gather_run(p, bytes, whole_row ? begin * p.input_c : 0, inside, end);
    }
}

inline void clamp_channels(int8_t* output, int32_t channels, int32_t min, int32_t max) {
  for (; channels > 0; --channels, ++output)
    *output = static_cast<int8_t>(*output < min ? min : *output > max ? max : *output);
}

template <void (*run)(const DspBlocks*)>
inline void conv2d_two_pixels(const Conv2DArmDspParams& p, DspBlocks& blocks, const int32_t* filters_end,
                              const int32_t* whole_end, int8_t* first, int8_t* second) {
  const int32_t* filters = blocks.filters;
  blocks.output[0] = first, blocks.output[1] = second, blocks.filters_end = whole_end;
  if (whole_end != filters) run(&blocks);
  if (whole_end != filters_end) {
    int8_t last[2][kDspFilters];
    blocks.filters = whole_end, blocks.filters_end = filters_end;
    blocks.output[0] = last[0], blocks.output[1] = last[1];
    run(&blocks);
    for (int32_t c = p.output_c & ~3, i = 0; c < p.output_c; ++c, ++i) first[c] = last[0][i], second[c] = last[1][i];
    blocks.filters = filters;
  }
  if (p.activation_min > -128 || p.activation_max < 127) {
    clamp_channels(first, p.output_c, p.activation_min, p.activation_max);
    clamp_channels(second, p.output_c, p.activation_min, p.activation_max);
  }
}

template <void (*run)(const DspBlocks*), int32_t pair_bytes, int32_t quad_words>
inline void conv2d_in_pairs(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters, int32_t* columns,
                            int8_t* output) {
  const int32_t block_words = 4 + p.quads * quad_words + 12, pairs = 2 * p.quads;
  const int32_t* whole_end = filters + p.output_c / kDspFilters * block_words;
  const int32_t* filters_end = p.output_c % kDspFilters ? whole_end + block_words : whole_end;
  const int32_t skipped = (kDspPairsUnrolled - pairs % kDspPairsUnrolled) % kDspPairsUnrolled;
  DspBlocks blocks = {filters, columns,    skipped * pair_bytes + 1, columns + p.quads * kQuadWords, {},
                      nullptr, p.ties_away};
  int32_t image = 0;
  ConvPixel next = {0, 0, -(p.padding_h * p.input_w + p.padding_w) * p.input_c};
  for (int32_t left = p.batches * p.output_h * p.output_w; left > 0; left -= 2) {
    const ConvPixel first = next;
    const int8_t* first_image = input + image;
    if (left > 1) next = next_pixel(p, next, image);
    const ConvPixel second = next;
    if (is_inner(p, first) && is_inner(p, second)) {
      gather_inner(p, input + first.first_tap, input + second.first_tap, columns);
    } else {
      gather_pixel(p, first_image, first, columns);
      gather_pixel(p, input + image, second, columns + 1);
    }
    int8_t* second_output = left > 1 ? output + p.output_c : output;
    conv2d_two_pixels<run>(p, blocks, filters_end, whole_end, output, second_output);
    output = second_output + p.output_c;
    if (left > 2) next = next_pixel(p, next, image);
  }
}

// filters: packed by the host, as blocks_arm_dsp.h says. columns: 4 * quads words.
inline void conv2d_s8_arm_dsp(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters,
                              int32_t* columns, int8_t* output) {
  conv2d_in_pairs<run_blocks, kDspPairBytes, 4>(p, input, filters, columns, output);
}

inline void conv2d_s8_arm_dsp_wide(const Conv2DArmDspParams& p, const int8_t* input, const int32_t* filters,
                                   int32_t* columns, int8_t* output) {
  conv2d_in_pairs<run_blocks_wide, kDspWidePairBytes, 8>(p, input, filters, columns, output);
}

}  // namespace device
}  // namespace thimble
