// Depthwise 3x3 convolution for cores with the DSP instructions (Cortex-M4, M7, M33), channel by channel: the channel's
// plane, or a band of its lines, is widened to int16 in scratch with its padding around it; then four outputs of a line
// are computed at a time from three lines of scratch.
//   Costs per output of 9 products: 15.5 instructions, plus 2.3 for each input and some 60 per channel and band.
//   A line is whichever of the image's axes fills blocks of four better; the kernel only knows steps.
//   Because all of a band's inputs are read before its outputs are written, and a channel's outputs only take the place
// of its own inputs, input and output may be the same memory.
//   Limits: depth multiplier 1, no dilation, 3x3 (smaller ones padded with zero weights), stride 1 or 2 along a line,
//   the
// whole range of int8 as activation, |sums| < 2^30.
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// Of input and output: lines, values of a line, and steps in bytes from line to line and from value to value. padding:
// lines before the first, values before a line's first. band: lines of outputs that scratch has room for; pitch: values
// from line to line in scratch, even.
THIMBLE_PARAMS(DepthwiseArmDspParams, batches, channels, input_lines, input_values, input_line_step, input_step,
               output_lines, output_values, output_line_step, output_step, line_stride, stride, line_padding, padding,
               band, pitch, input_zero_point, output_zero_point);

constexpr int32_t kDepthwiseTaps = 3;
constexpr int32_t kDepthwiseWords = 5;  // of a channel

// What the inner loop works on, in its order. Weights, bias and so sums are doubled: the high half of their product
// with the multiplier is then what the reference's doubling multiplication gives.
struct DepthwiseLines {
  int32_t multiplier, right_shift, zero_point, output_step;
  const int16_t* end;  // of the line's outputs, as a place in scratch
  int32_t bias;
  int32_t taps[2 * kDepthwiseTaps];  // of each line: (w0, w1), (w1, w2)
  int32_t next_block;                // bytes from behind a line's last block to the next line's first
  int32_t line_stride;               // bytes
  int8_t* output;
  int32_t output_line_step, lines;
  int32_t unused;
  const int16_t* x[kDepthwiseTaps];
};

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define THIMBLE_DEPTHWISE_ASM 1

// r0-r2: the three lines of scratch, r3: output, r4-r7: sums, r8-r10: inputs, r11, r12: weights, lr: bias.
#define THIMBLE_DEPTHWISE_ROW_1(line, taps, s0, s1, s2, s3) \
  "ldrd r11, r12, [sp, #" taps                              \
  "]\n"                                                     \
  "ldrd r8, r9, [" line                                     \
  "], #8\n"                                                 \
  "ldr r10, [" line                                         \
  "]\n"                                                     \
  "smlad r4, r8, r11, " s0                                  \
  "\n"                                                      \
  "smlad r5, r9, r12, " s1                                  \
  "\n"                                                      \
  "smlad r6, r9, r11, " s2                                  \
  "\n"                                                      \
  "smlad r7, r10, r12, " s3                                 \
  "\n"                                                      \
  "smlabt r4, r9, r12, r4\n"                                \
  "smlatb r5, r8, r11, r5\n"                                \
  "smlabt r6, r10, r12, r6\n"                               \
  "smlatb r7, r9, r11, r7\n"
#define THIMBLE_DEPTHWISE_ROW_2(line, taps, s0, s1, s2, s3) \
  "ldrd r11, r12, [sp, #" taps                              \
  "]\n"                                                     \
  "ldrd r8, r9, [" line                                     \
  "], #8\n"                                                 \
  "ldr r10, [" line                                         \
  ", #8]\n"                                                 \
  "smlad r4, r8, r11, " s0                                  \
  "\n"                                                      \
  "smlad r5, r9, r11, " s1                                  \
  "\n"                                                      \
  "smlabt r4, r9, r12, r4\n"                                \
  "ldrd r8, r9, [" line                                     \
  "], #8\n"                                                 \
  "smlabt r5, r8, r12, r5\n"                                \
  "smlad r6, r8, r11, " s2                                  \
  "\n"                                                      \
  "smlad r7, r9, r11, " s3                                  \
  "\n"                                                      \
  "smlabt r6, r9, r12, r6\n"                                \
  "smlabt r7, r10, r12, r7\n"
#define THIMBLE_DEPTHWISE_REQUANTISE(sum) \
  "smmulr " sum ", " sum                  \
  ", r8\n"                                \
  "add " sum ", " sum ", " sum            \
  ", asr #31\n"                           \
  "asrs " sum ", " sum                    \
  ", r9\n"                                \
  "adc " sum ", " sum                     \
  ", r10\n"                               \
  "ssat " sum ", #8, " sum "\n"
// two, one: how far the block's end lies behind the line's when two or one of its outputs count.
#define THIMBLE_DEPTHWISE_LINES(row, two, one) \
  asm("push {r4-r11, lr}\n"                                                                                           \
      "sub sp, #72\n"                                                                                                \
      "mov r12, sp\n"                                                                                                \
      "ldmia r0!, {r1-r9}\n"                                                                                         \
      "stmia r12!, {r1-r9}\n"                                                                                        \
      "ldmia r0!, {r1-r9}\n"                                                                                         \
      "stmia r12!, {r1-r9}\n"                                                                                        \
      "ldr lr, [sp, #20]\n"                                                                                          \
      "ldr r3, [sp, #56]\n"                                                                                          \
      "ldmia r0, {r0-r2}\n"                                                                                          \
      "1:\n" row("r0", "24", "lr", "lr", "lr", "lr") row("r1", "32", "r4", "r5", "r6", "r7")                         \
          row("r2", "40", "r4", "r5", "r6", "r7") "ldmia sp, {r8-r12}\n" THIMBLE_DEPTHWISE_REQUANTISE("r4")          \
              THIMBLE_DEPTHWISE_REQUANTISE("r5") THIMBLE_DEPTHWISE_REQUANTISE("r6") THIMBLE_DEPTHWISE_REQUANTISE(    \
                  "r7") "strb r4, [r3]\n"                                                                            \
                        "cmp r0, r12\n"                                                                              \
                        "bhi 2f\n"                                                                                   \
                        "strb r5, [r3, r11]\n"                                                                       \
                        "add r3, r3, r11, lsl #1\n"                                                                  \
                        "strb r6, [r3]\n"                                                                            \
                        "strb r7, [r3, r11]\n"                                                                       \
                        "add r3, r3, r11, lsl #1\n"                                                                  \
                        "blo 1b\n"                                                                                   \
                        "b 3f\n"                                                                                     \
                        "2: sub r8, r0, r12\n"                                                                       \
                        "cmp r8, #" one "\n"                                                                         \
                        "beq 3f\n"                                                                                   \
                        "strb r5, [r3, r11]\n"                                                                       \
                        "cmp r8, #" two "\n"                                                                         \
                        "beq 3f\n"                                                                                   \
                        "strb r6, [r3, r11, lsl #1]\n"                                                               \
                        "3: ldrd r8, r9, [sp, #48]\n"                                                                \
                        "add r0, r0, r8\n"                                                                           \
                        "add r1, r1, r8\n"                                                                           \
                        "add r2, r2, r8\n"                                                                           \
                        "add r12, r12, r9\n"                                                                         \
                        "str r12, [sp, #16]\n"                                                                       \
                        "ldrd r8, r9, [sp, #60]\n"                                                                   \
                        "ldr r3, [sp, #56]\n"                                                                        \
                        "add r3, r3, r8\n"                                                                           \
                        "subs r9, r9, #1\n"                                                                          \
                        "str r3, [sp, #56]\n"                                                                        \
                        "str r9, [sp, #64]\n"                                                                        \
                        "bne 1b\n"                                                                                   \
                        "add sp, #72\n"                                                                              \
                        "pop {r4-r11, pc}\n")

__attribute__((naked, noinline)) inline void depthwise_lines_stride1(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_ROW_1, "4", "6");
}
__attribute__((naked, noinline)) inline void depthwise_lines_stride2(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_ROW_2, "8", "12");
}
#else
#define THIMBLE_DEPTHWISE_ASM 0
#endif

// The same in C++, for any shift (that of the reference) and any core.
inline void depthwise_lines(const DepthwiseLines& lines, const DepthwiseArmDspParams& p, int32_t shift) {
  const int32_t advance = lines.line_stride / static_cast<int32_t>(sizeof(int16_t));
  for (int32_t line = 0; line < lines.lines; ++line) {
    int8_t* out = lines.output + line * lines.output_line_step;
    for (int32_t i = 0; i < p.output_values; ++i, out += p.output_step) {
      int32_t sum = lines.bias;
      for (int32_t k = 0; k < kDepthwiseTaps; ++k) {
        const int16_t* x = lines.x[k] + line * advance + i * p.stride;
        const int32_t first = lines.taps[2 * k], last = lines.taps[2 * k + 1];
        sum += x[0] * static_cast<int16_t>(first) + x[1] * (first >> 16) + x[2] * (last >> 16);
      }
      const int32_t value = requantize(sum >> 1, lines.multiplier, shift) + p.output_zero_point;
      *out = static_cast<int8_t>(clamp(value, -128, 127));
    }
  }
}

// Two int8 of a word, (byte 0, byte 2), doubled, as int16.
inline int32_t doubled_pair(uint32_t word) {
  const uint32_t low = static_cast<uint32_t>(static_cast<int8_t>(word) * 2) & 0xFFFF;
  return static_cast<int32_t>(low | static_cast<uint32_t>(static_cast<int8_t>(word >> 16) * 2) << 16);
}

// One channel's constants: see depthwise_conv2d_s8_arm_dsp.
inline void load_depthwise_channel(const int32_t* packed, int32_t shift, DepthwiseLines& lines) {
  for (int32_t k = 0; k < kDepthwiseTaps; ++k) {
    const auto word = static_cast<uint32_t>(packed[k]);
    lines.taps[2 * k] = doubled_pair(word);
    lines.taps[2 * k + 1] = doubled_pair(word >> 8);
  }
  lines.bias = packed[3];
  lines.multiplier = packed[4];
  lines.right_shift = -shift;
}

// A line of one channel into scratch; only whole lines of padding are written anew, what lies beside a line stays.
inline void widen_line(const DepthwiseArmDspParams& p, const int8_t* input, int32_t line, int16_t* scratch) {
  const int32_t y = line - p.line_padding;
  if (y < 0 || y >= p.input_lines) {
    for (int32_t i = 0; i < p.pitch; ++i) scratch[i] = static_cast<int16_t>(p.input_zero_point);
    return;
  }
  const int8_t* x = input + y * p.input_line_step;
  int16_t* to = scratch + p.padding;
  const int32_t step = p.input_step, step_3 = step * 3;
  int32_t i = p.input_values;
  for (; i >= 4; i -= 4, x += 4 * step, to += 4) {
    const int16_t x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[step_3];
    to[0] = x0;
    to[1] = x1;
    to[2] = x2;
    to[3] = x3;
  }
  for (; i > 0; --i, x += step) *to++ = *x;
}

// One channel of one image.
inline void depthwise_channel(const DepthwiseArmDspParams& p, const int8_t* input, int32_t shift, int16_t* scratch,
                              int8_t* output, DepthwiseLines& lines) {
  int32_t held = 0, next = 0;  // lines in scratch, and the next one to come, counted from the first of padding
  for (int32_t first = 0; first < p.output_lines; first += p.band) {
    const int32_t count = p.output_lines - first < p.band ? p.output_lines - first : p.band;
    const int32_t top = first * p.line_stride, bottom = top + (count - 1) * p.line_stride + kDepthwiseTaps;
    const int32_t kept = next > top ? next - top : 0;
    for (int32_t i = 0; i < kept * p.pitch; ++i) scratch[i] = scratch[(held - kept) * p.pitch + i];
    held = kept;
    if (next < top) next = top;
    for (; next < bottom; ++next, ++held) {
      const bool padding = next < p.line_padding || next >= p.line_padding + p.input_lines;
      // Where one band is all, lines of padding stay as they are for all channels.
      if (!padding || p.band < p.output_lines) widen_line(p, input, next, scratch + held * p.pitch);
    }
    for (int32_t k = 0; k < kDepthwiseTaps; ++k) lines.x[k] = scratch + k * p.pitch;
    lines.end = scratch + p.output_values * p.stride;
    lines.output = output + first * p.output_line_step;
    lines.lines = count;
#if THIMBLE_DEPTHWISE_ASM
    if (shift < 0) {
      p.stride == 1 ? depthwise_lines_stride1(&lines) : depthwise_lines_stride2(&lines);
      continue;
    }
#endif
    depthwise_lines(lines, p, shift);
  }
}

// packed [channels, kDepthwiseWords]: for each line of weights the bytes (w0, w1, w1, w2); the doubled bias (with the
// input zero point folded in); the multiplier. shift [channels]: as the reference has it. scratch: (band - 1) *
// line_stride + 3 lines of `pitch`, and what the last block reads behind the last one. Arithmetic: TFLite's integer
// reference.
inline void depthwise_conv2d_s8_arm_dsp(const DepthwiseArmDspParams& p, const int8_t* input, const int32_t* packed,
                                        const int8_t* shift, int16_t* scratch, int8_t* output) {
  DepthwiseLines lines;
  const int32_t blocks = (p.output_values + 3) / 4;
  const auto wide = static_cast<int32_t>(sizeof(int16_t));
  lines.line_stride = p.line_stride * p.pitch * wide;
  lines.next_block = lines.line_stride - blocks * 4 * p.stride * wide;
  lines.zero_point = p.output_zero_point;
  lines.output_step = p.output_step;
  lines.output_line_step = p.output_line_step;
  lines.unused = 0;
  const int32_t scratch_lines = (p.band - 1) * p.line_stride + kDepthwiseTaps;
  for (int32_t i = 0; i < scratch_lines * p.pitch; ++i) scratch[i] = static_cast<int16_t>(p.input_zero_point);
  for (int32_t n = 0; n < p.batches; ++n) {
    for (int32_t c = 0; c < p.channels; ++c) {
      load_depthwise_channel(packed + c * kDepthwiseWords, shift[c], lines);
      depthwise_channel(p, input + c, shift[c], scratch, output + c, lines);
    }
    input += p.input_lines * p.input_values * p.channels;
    output += p.output_lines * p.output_values * p.channels;
  }
}

}  // namespace device
}  // namespace thimble
