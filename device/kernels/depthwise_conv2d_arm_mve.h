// Depthwise convolution of int8 on cores with MVE, windows of up to 4 x 4 taps. MVE adds products up across a vector
// only, so a vector is the window of one channel: 4 columns of 4 taps. For each line of outputs (two, where a window
// and its neighbour below fit 4 taps) the lines of inputs are interleaved in scratch memory, 16 channels at a time: a
// word has the 4 taps of one column and channel, a column 16 channels. Columns that stride brings together lie
// together, so that the next output's word is always kMveColumn bytes further; a vector is gathered from 4 columns.
// Which axis of the image is a line is up to the host (src/ops/arm_mve.cpp): long lines cost less.
//
// Packing of a channel, 8 words: 16 weights [column][tap], bias, multiplier, shift (0 or less), 1 where shift is below
// 0. Cost: 19 instructions for 4 outputs of two lines, 21 of one; 23 more per channel and line, and 20 per column and
// 16 channels for interleaving.
#pragma once
#include "device/base/params.h"
#include "device/kernels/mve.h"

namespace thimble {
namespace device {

constexpr int32_t kMveTaps = 4;       // of a window, each way
constexpr int32_t kMveChannels = 16;  // interleaved together
constexpr int32_t kMveColumn = kMveTaps * kMveChannels;
constexpr int32_t kMveChannelWords = 8;

// Steps in bytes. line_taps: taps across lines. two_lines: 1 where line_stride is 1 and line_taps 3 or less. The
// activation's range is that of int8.
THIMBLE_PARAMS(DepthwiseMveParams, batches, channels, input_lines, input_columns, output_lines, output_columns,
               input_line_step, input_column_step, output_line_step, output_column_step, line_stride, column_stride,
               line_padding, column_padding, line_taps, two_lines, input_zero_point, output_zero_point);

// Outputs of one line that are computed together.
inline int32_t mve_depthwise_lanes(const DepthwiseMveParams& p) { return p.two_lines ? 2 : 4; }

// Columns in scratch memory that lie together: those of every column_stride'th.
inline int32_t mve_phase(const DepthwiseMveParams& p) {
  const int32_t lanes = mve_depthwise_lanes(p);
  return (p.output_columns > lanes ? p.output_columns : lanes) + (kMveTaps - 1) / p.column_stride;
}

// Scratch: all columns, then a column's channels of padding, then those to which lanes without output write.
inline int32_t mve_depthwise_scratch(const DepthwiseMveParams& p) {
  return p.column_stride * mve_phase(p) * kMveColumn + 2 * kMveChannels;
}

#if defined(__ARM_FEATURE_MVE)

// Channels of one line, or two; what the loops below read, at these places.
struct MveDepthwise {
  const int32_t* packed;
  int8_t* output;
  int32_t advance;  // of output, when all its columns are done
  int32_t step;     // of output, each time round
  int32_t zero_point, channels, rounds;
  int32_t output_back, columns_back;  // bytes, before the last columns where they do not fill all lanes
  uint32_t columns[kMveLanes];        // addresses of the 4 words of the first output, less kMveColumn
  uint32_t lanes[kMveLanes];          // offsets of outputs
};

static_assert(sizeof(MveDepthwise) == 68, "the loops below know where its fields lie");

// r1 packed weights, r12 the struct, q2 addresses of words. q4 is -1 where a value below 0 is going to be divided: ties
// round away from zero (mve.h).
#define THIMBLE_MVE_DEPTHWISE(weights, sums) \
  __asm volatile(                            \
      "push {r4-r11, lr}\n"                  \
      "vpush {d8-d15}\n"                     \
      "mov r12, r0\n"                        \
      "ldr r1, [r12]\n"                      \
      "ldrd r10, r9, [r12, #12]\n"           \
      "vldrw.32 q3, [r12, #36]\n"            \
      "vldrw.32 q6, [r12, #52]\n"            \
      "1: vldrw.32 q0, [r1], #16\n" weights  \
      "ldrd r3, r5, [r1], #8\n"              \
      "ldrd r7, r11, [r1], #8\n"             \
      "vmov q2, q3\n"                        \
      "ldr r0, [r12, #4]\n"                  \
      "ldr r2, [r12, #24]\n"                 \
      "2: dls lr, r2\n" sums                 \
      "vadd.i32 q7, q7, r3\n"                \
      "vqrdmulh.s32 q7, q7, r5\n"            \
      "vqdmulh.s32 q4, q7, r11\n"            \
      "vqadd.s32 q7, q7, q4\n"               \
      "vrshl.s32 q7, r7\n"                   \
      "vqadd.s32 q7, q7, r9\n"               \
      "vqmovnb.s32 q7, q7\n"                 \
      "vqmovnb.s16 q7, q7\n"                 \
      "vstrb.32 q7, [r0, q6]\n"              \
      "add r0, r10\n"                        \
      "le lr, 3b\n"                          \
      "ldrd r2, r4, [r12, #4]\n"             \
      "add r6, r2, r4\n"                     \
      "cmp r0, r6\n"                         \
      "beq 4f\n"                             \
      "ldrd r6, r8, [r12, #28]\n"            \
      "sub r0, r0, r6\n"                     \
      "vsub.i32 q2, q2, r8\n"                \
      "mov r2, #1\n"                         \
      "b 2b\n"                               \
      "4: add r2, r2, #1\n"                  \
      "mov r6, #4\n"                         \
      "vadd.i32 q3, q3, r6\n"                \
      "ldr r8, [r12, #20]\n"                 \
      "subs r8, r8, #1\n"                    \
      "str r2, [r12, #4]\n"                  \
      "str r8, [r12, #20]\n"                 \
      "bne 1b\n"                             \
      "vpop {d8-d15}\n"                      \
      "pop {r4-r11, pc}\n")

__attribute__((naked, noinline)) inline void mve_depthwise_two_lines(MveDepthwise*) {
  THIMBLE_MVE_DEPTHWISE("vshl.i32 q1, q0, #8\n",
                        "3: vldrw.u32 q4, [q2, #64]!\n"
                        "vmladav.s8 r2, q0, q4\n"
                        "vmladav.s8 r4, q1, q4\n"
                        "vldrw.u32 q5, [q2, #64]!\n"
                        "vmladav.s8 r6, q0, q5\n"
                        "vmladav.s8 r8, q1, q5\n"
                        "vmov q7[2], q7[0], r2, r4\n"
                        "vmov q7[3], q7[1], r6, r8\n");
}
__attribute__((naked, noinline)) inline void mve_depthwise_one_line(MveDepthwise*) {
  THIMBLE_MVE_DEPTHWISE("",
                        "3: vldrw.u32 q4, [q2, #64]!\n"
                        "vmladav.s8 r2, q0, q4\n"
                        "vldrw.u32 q5, [q2, #64]!\n"
                        "vmladav.s8 r4, q0, q5\n"
                        "vldrw.u32 q4, [q2, #64]!\n"
                        "vmladav.s8 r6, q0, q4\n"
                        "vldrw.u32 q5, [q2, #64]!\n"
                        "vmladav.s8 r8, q0, q5\n"
                        "vmov q7[2], q7[0], r2, r6\n"
                        "vmov q7[3], q7[1], r4, r8\n");
}

#undef THIMBLE_MVE_DEPTHWISE

// Interleaves up to kMveTaps lines, from `first` on, of at most kMveChannels channels.
inline void mve_interleave(const DepthwiseMveParams& p, const int8_t* input, int32_t first, int32_t channels,
                           int8_t* scratch) {
  const int32_t phase = mve_phase(p), taps = p.line_taps + p.two_lines;
  int8_t* const padding = scratch + p.column_stride * phase * kMveColumn;
  const mve_pred16_t wanted = vctp8q(static_cast<uint32_t>(channels));
  const int8x16_t zero = vdupq_n_s8(static_cast<int8_t>(p.input_zero_point));
  vst1q_s8(padding, zero);
  const int8_t* lines[kMveTaps];
  int32_t steps[kMveTaps];
  for (int32_t i = 0; i < kMveTaps; ++i) {
    const int32_t line = first + i;
    const bool inside = i < taps && line >= 0 && line < p.input_lines;
    lines[i] = inside ? input + line * p.input_line_step : padding;
    steps[i] = inside ? p.input_column_step : 0;
  }
  for (int32_t start = 0; start < p.column_stride; ++start)
    for (int32_t i = 0, column = start - p.column_padding; i < phase;
         ++i, column += p.column_stride, scratch += kMveColumn) {
      int8x16x4_t words = {{zero, zero, zero, zero}};
      if (column >= 0 && column < p.input_columns) {
        words.val[0] = vldrbq_z_s8(lines[0] + column * steps[0], wanted);
        words.val[1] = vldrbq_z_s8(lines[1] + column * steps[1], wanted);
        words.val[2] = vldrbq_z_s8(lines[2] + column * steps[2], wanted);
        words.val[3] = vldrbq_z_s8(lines[3] + column * steps[3], wanted);
      }
      vst4q_s8(scratch, words);
    }
}

// All that does not change from line to line.
inline MveDepthwise mve_depthwise_start(const DepthwiseMveParams& p, const int8_t* scratch) {
  const int32_t lanes = mve_depthwise_lanes(p), back = p.output_columns % lanes ? lanes - p.output_columns % lanes : 0;
  MveDepthwise d;
  d.zero_point = p.output_zero_point;
  d.step = lanes * p.output_column_step;
  d.rounds = p.output_columns / lanes;
  d.advance = p.output_columns * p.output_column_step;
  if (d.rounds == 0) {
    d.rounds = 1;
    d.advance = d.step;
  }
  d.output_back = back * p.output_column_step;
  d.columns_back = back * kMveColumn;
  const auto from = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(scratch));
  for (int32_t j = 0; j < kMveTaps; ++j)
    d.columns[j] =
        from + static_cast<uint32_t>((j % p.column_stride * mve_phase(p) + j / p.column_stride - 1) * kMveColumn);
  return d;
}

// Offsets of the lanes' outputs; lanes without one get that of `nowhere`.
inline void mve_depthwise_lanes_to(const DepthwiseMveParams& p, const int8_t* nowhere, MveDepthwise& d) {
  const int32_t lanes = mve_depthwise_lanes(p);
  for (int32_t i = 0; i < kMveLanes; ++i) {
    const int32_t column = i % lanes;
    d.lanes[i] = column < p.output_columns
                     ? static_cast<uint32_t>(column * p.output_column_step + i / lanes * p.output_line_step)
                     : static_cast<uint32_t>(nowhere - d.output);
  }
}

inline void depthwise_conv2d_s8_arm_mve(const DepthwiseMveParams& p, const int8_t* input, const int32_t* packed,
                                        int8_t* scratch, int8_t* output) {
  const int32_t lines = 1 + p.two_lines, last = p.output_lines - lines;
  const int8_t* const nowhere = scratch + mve_depthwise_scratch(p) - kMveChannels;
  MveDepthwise d = mve_depthwise_start(p, scratch);
  const auto columns = vldrwq_u32(d.columns);
  for (int32_t n = 0; n < p.batches; ++n) {
    for (int32_t line = 0; line < p.output_lines; line += lines) {
      const int32_t first = line < last ? line : last;
      for (int32_t c = 0; c < p.channels; c += kMveChannels) {
        d.channels = p.channels - c < kMveChannels ? p.channels - c : kMveChannels;
        mve_interleave(p, input + c, first * p.line_stride - p.line_padding, d.channels, scratch);
        d.packed = packed + c * kMveChannelWords;
        d.output = output + first * p.output_line_step + c;
        mve_depthwise_lanes_to(p, nowhere, d);
        vst1q_u32(d.columns, columns);
        if (p.two_lines)
          mve_depthwise_two_lines(&d);
        else
          mve_depthwise_one_line(&d);
      }
    }
    input += p.input_lines * p.input_columns * p.channels;
    output += p.output_lines * p.output_columns * p.channels;
  }
}

#else

// The sum of one window.
inline int32_t mve_window(const DepthwiseMveParams& p, const int8_t* input, int32_t line, int32_t column,
                          const int8_t* weights, int32_t sum) {
  for (int32_t j = 0; j < kMveTaps; ++j)
    for (int32_t i = 0; i < p.line_taps; ++i) {
      const int32_t y = line + i, x = column + j;
      const bool inside = y >= 0 && y < p.input_lines && x >= 0 && x < p.input_columns;
      const int32_t value = inside ? input[y * p.input_line_step + x * p.input_column_step] : p.input_zero_point;
      sum = wrapping_add(sum, value * weights[j * kMveTaps + i]);
    }
  return sum;
}

// scratch: mve_depthwise_scratch() bytes, used with MVE only.
inline void depthwise_conv2d_s8_arm_mve(const DepthwiseMveParams& p, const int8_t* input, const int32_t* packed,
                                        int8_t*, int8_t* output) {
  for (int32_t n = 0; n < p.batches; ++n) {
    for (int32_t line = 0; line < p.output_lines; ++line)
      for (int32_t column = 0; column < p.output_columns; ++column)
        for (int32_t c = 0; c < p.channels; ++c) {
          const int32_t* channel = packed + c * kMveChannelWords;
          const int32_t sum = mve_window(p, input + c, line * p.line_stride - p.line_padding,
                                         column * p.column_stride - p.column_padding,
                                         reinterpret_cast<const int8_t*>(channel), channel[4]);
          const int32_t value = requantize(sum, channel[5], channel[6]);
          const int32_t zero = p.output_zero_point;
          output[line * p.output_line_step + column * p.output_column_step + c] =
              static_cast<int8_t>(clamp(value, -128 - zero, 127 - zero) + zero);
        }
    input += p.input_lines * p.input_columns * p.channels;
    output += p.output_lines * p.output_columns * p.channels;
  }
}

#endif

}  // namespace device
}  // namespace thimble
