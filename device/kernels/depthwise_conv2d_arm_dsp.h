// Depthwise 3x3 convolution for cores with the DSP instructions (Cortex-M4, M7, M33), channel by channel: the channel's
// plane, or a band of its lines, is widened to int16 in scratch with its padding around it; then four outputs of a line
// are computed at a time from three lines of scratch.
//   Costs per output of 9 products: 13.5 instructions, 15.5 where ties of negative sums count (ties_away), plus 2.6 for
// each input and some 150 per channel and band.
//   A line is whichever of the image's axes fills blocks of four better; the kernel only knows steps.
//   Because all of a band's inputs are read before its outputs are written, and a channel's outputs only take the place
// of its own inputs, input and output may be the same memory.
//   Limits: depth multiplier 1, no dilation, 3x3 (smaller ones padded with zero weights), stride 1 or 2 along a line,
// the whole range of int8 as activation, |sums| < 2^30; right shifts of 0 to 22, with ties_away of 1 to 31.
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

// Lines of one channel to widen; in the order of the assembly.
struct WidenedLines {
  const int8_t* x;
  int16_t* to;
  int32_t step, step_3;  // from value to value, and three times that
  int32_t values, lines;
  int32_t next_x, next_to;  // bytes from behind a line's last value to the next line
};

// Lines of one channel to compute; in the order of the assembly. Weights, bias and so sums are doubled: the high half
// of their product with the multiplier is then what the reference's doubling multiplication gives.
struct DepthwiseLines {
  int32_t multiplier, right_shift;
  int32_t offset;  // with ties_away the zero point; else zero point << right_shift, and half of 1 << right_shift
  int32_t output_step;
  const int16_t* end;  // of a line's blocks of four, as a place in scratch
  int32_t bias;
  int32_t taps[2 * kDepthwiseTaps];  // of each line: (w0, w1), (w1, w2)
  int32_t next_block;                // bytes from behind a line's last block to the next line's first
  int32_t line_stride;               // bytes
  int8_t* output;
  int32_t output_line_step, lines;
  int32_t rest;  // outputs of a line behind its blocks of four
  const int16_t* x[kDepthwiseTaps];
  const DepthwiseArmDspParams* params;
};

#define THIMBLE_WIDEN_4           \
  "ldrsb r9, [r0]\n"              \
  "ldrsb r10, [r0, r2]\n"         \
  "ldrsb r11, [r0, r2, lsl #1]\n" \
  "ldrsb r12, [r0, r3]\n"         \
  "add r0, r0, r2, lsl #2\n"      \
  "strh r9, [r1], #8\n"           \
  "strh r10, [r1, #-6]\n"         \
  "strh r11, [r1, #-4]\n"         \
  "strh r12, [r1, #-2]\n"
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
// r0: x, r1: to, r2: step, r3: three steps, r4: values, r5: lines, r6, r7: next_x, next_to, r8: values left.
__attribute__((naked, noinline)) inline void widen_lines(const WidenedLines*) {
  asm("push {r4-r11, lr}\n"
      "ldmia r0, {r0-r7}\n"
      "1: subs r8, r4, #8\n"
      "blo 3f\n"
      "2: " THIMBLE_WIDEN_4 THIMBLE_WIDEN_4
      "subs r8, #8\n"
      "bhs 2b\n"
      "3: adds r8, #4\n"
      "bmi 4f\n" THIMBLE_WIDEN_4
      "subs r8, #4\n"
      "4: adds r8, #4\n"
      "beq 6f\n"
      "5: ldrsb r9, [r0]\n"
      "add r0, r0, r2\n"
      "strh r9, [r1], #2\n"
      "subs r8, #1\n"
      "bne 5b\n"
      "6: add r0, r0, r6\n"
      "add r1, r1, r7\n"
      "subs r5, #1\n"
      "bne 1b\n"
      "pop {r4-r11, pc}\n");
}

// clang-format off
// r0-r2: three lines of scratch, r3: output, r4-r7: sums, r8-r10: inputs, r11, r12: weights, lr: bias. Of four outputs,
// and of two.
#define THIMBLE_DEPTHWISE_FOUR_1(x, taps, s0, s1, s2, s3) \
  "ldrd r11, r12, [sp, #" taps "]\n" \
  "ldrd r8, r9, [" x "], #8\n" \
  "ldr r10, [" x "]\n" \
  "smlad r4, r8, r11, " s0 "\n" \
  "smlad r5, r9, r12, " s1 "\n" \
  "smlad r6, r9, r11, " s2 "\n" \
  "smlad r7, r10, r12, " s3 "\n" \
  "smlabt r4, r9, r12, r4\n" \
  "smlatb r5, r8, r11, r5\n" \
  "smlabt r6, r10, r12, r6\n" \
  "smlatb r7, r9, r11, r7\n"
#define THIMBLE_DEPTHWISE_FOUR_2(x, taps, s0, s1, s2, s3) \
  "ldrd r11, r12, [sp, #" taps "]\n" \
  "ldrd r8, r9, [" x "], #8\n" \
  "ldr r10, [" x ", #8]\n" \
  "smlad r4, r8, r11, " s0 "\n" \
  "smlad r5, r9, r11, " s1 "\n" \
  "smlabt r4, r9, r12, r4\n" \
  "ldrd r8, r9, [" x "], #8\n" \
  "smlabt r5, r8, r12, r5\n" \
  "smlad r6, r8, r11, " s2 "\n" \
  "smlad r7, r9, r11, " s3 "\n" \
  "smlabt r6, r9, r12, r6\n" \
  "smlabt r7, r10, r12, r7\n"
#define THIMBLE_DEPTHWISE_TWO_1(x, taps, s0, s1) \
  "ldrd r11, r12, [sp, #" taps "]\n" \
  "ldrd r8, r9, [" x "], #4\n" \
  "smlad r4, r8, r11, " s0 "\n" \
  "smlad r5, r9, r12, " s1 "\n" \
  "smlabt r4, r9, r12, r4\n" \
  "smlatb r5, r8, r11, r5\n"
#define THIMBLE_DEPTHWISE_TWO_2(x, taps, s0, s1) \
  "ldrd r11, r12, [sp, #" taps "]\n" \
  "ldrd r8, r9, [" x "], #8\n" \
  "ldr r10, [" x "]\n" \
  "smlad r4, r8, r11, " s0 "\n" \
  "smlad r5, r9, r11, " s1 "\n" \
  "smlabt r4, r9, r12, r4\n" \
  "smlabt r5, r10, r12, r5\n"
#define THIMBLE_DEPTHWISE_ROUND_UP(sum) \
  "smmlar " sum ", " sum ", r8, r10\n" \
  "asr " sum ", " sum ", r9\n" \
  "ssat " sum ", #8, " sum "\n"
#define THIMBLE_DEPTHWISE_ROUND_AWAY(sum) \
  "smmulr " sum ", " sum ", r8\n" \
  "add " sum ", " sum ", " sum ", asr #31\n" \
  "asrs " sum ", " sum ", r9\n" \
  "adc " sum ", " sum ", r10\n" \
  "ssat " sum ", #8, " sum "\n"
#define THIMBLE_DEPTHWISE_LINES(row, pair, scale) \
  asm("push {r4-r11, lr}\n" \
      "sub sp, #72\n" \
      "mov r12, sp\n" \
      "ldmia r0!, {r1-r9}\n" \
      "stmia r12!, {r1-r9}\n" \
      "ldmia r0!, {r1-r9}\n" \
      "stmia r12!, {r1-r9}\n" \
      "ldr lr, [sp, #20]\n" \
      "ldr r3, [sp, #56]\n" \
      "ldmia r0, {r0-r2}\n" \
      "1: ldr r12, [sp, #16]\n" \
      "cmp r0, r12\n" \
      "bhs 3f\n" \
      "2: " row("r0", "24", "lr", "lr", "lr", "lr") \
      row("r1", "32", "r4", "r5", "r6", "r7") \
      row("r2", "40", "r4", "r5", "r6", "r7") \
      "ldmia sp, {r8-r12}\n" \
      scale("r4") \
      scale("r5") \
      scale("r6") \
      scale("r7") \
      "strb r4, [r3]\n" \
      "strb r5, [r3, r11]\n" \
      "add r3, r3, r11, lsl #1\n" \
      "strb r6, [r3]\n" \
      "strb r7, [r3, r11]\n" \
      "add r3, r3, r11, lsl #1\n" \
      "cmp r0, r12\n" \
      "blo 2b\n" \
      "3: ldr r6, [sp, #68]\n" \
      "cmp r6, #0\n" \
      "beq 5f\n" \
      "4: " pair("r0", "24", "lr", "lr") \
      pair("r1", "32", "r4", "r5") \
      pair("r2", "40", "r4", "r5") \
      "ldmia sp, {r8-r11}\n" \
      scale("r4") \
      scale("r5") \
      "strb r4, [r3]\n" \
      "subs r6, #1\n" \
      "beq 5f\n" \
      "strb r5, [r3, r11]\n" \
      "add r3, r3, r11, lsl #1\n" \
      "subs r6, #1\n" \
      "bne 4b\n" \
      "5: ldrd r8, r9, [sp, #48]\n" \
      "add r0, r0, r8\n" \
      "add r1, r1, r8\n" \
      "add r2, r2, r8\n" \
      "ldr r12, [sp, #16]\n" \
      "add r12, r12, r9\n" \
      "str r12, [sp, #16]\n" \
      "ldrd r8, r9, [sp, #60]\n" \
      "ldr r3, [sp, #56]\n" \
      "add r3, r3, r8\n" \
      "subs r9, r9, #1\n" \
      "str r3, [sp, #56]\n" \
      "str r9, [sp, #64]\n" \
      "bne 1b\n" \
      "add sp, #72\n" \
      "pop {r4-r11, pc}\n")
// clang-format on

__attribute__((naked, noinline)) inline void depthwise_lines_stride1(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_FOUR_1, THIMBLE_DEPTHWISE_TWO_1, THIMBLE_DEPTHWISE_ROUND_UP);
}
__attribute__((naked, noinline)) inline void depthwise_lines_stride2(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_FOUR_2, THIMBLE_DEPTHWISE_TWO_2, THIMBLE_DEPTHWISE_ROUND_UP);
}
__attribute__((naked, noinline)) inline void depthwise_lines_stride1_away(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_FOUR_1, THIMBLE_DEPTHWISE_TWO_1, THIMBLE_DEPTHWISE_ROUND_AWAY);
}
__attribute__((naked, noinline)) inline void depthwise_lines_stride2_away(const DepthwiseLines*) {
  THIMBLE_DEPTHWISE_LINES(THIMBLE_DEPTHWISE_FOUR_2, THIMBLE_DEPTHWISE_TWO_2, THIMBLE_DEPTHWISE_ROUND_AWAY);
}

#else
inline void widen_lines(const WidenedLines* w) {
  for (int32_t line = 0; line < w->lines; ++line) {
    const int8_t* x = w->x + line * (w->next_x + w->values * w->step);
    int16_t* to = w->to + line * (w->next_to / static_cast<int32_t>(sizeof(int16_t)) + w->values);
    for (int32_t i = 0; i < w->values; ++i) to[i] = x[i * w->step];
  }
}

inline void depthwise_lines(const DepthwiseLines* lines) {
  const DepthwiseArmDspParams& p = *lines->params;
  const int32_t advance = lines->line_stride / static_cast<int32_t>(sizeof(int16_t));
  for (int32_t line = 0; line < lines->lines; ++line) {
    int8_t* out = lines->output + line * p.output_line_step;
    for (int32_t i = 0; i < p.output_values; ++i, out += p.output_step) {
      int32_t sum = lines->bias;
      for (int32_t k = 0; k < kDepthwiseTaps; ++k) {
        const int16_t* x = lines->x[k] + line * advance + i * p.stride;
        const int32_t first = lines->taps[2 * k], last = lines->taps[2 * k + 1];
        sum += x[0] * static_cast<int16_t>(first) + x[1] * (first >> 16) + x[2] * (last >> 16);
      }
      const int32_t value = requantize(sum >> 1, lines->multiplier, -lines->right_shift) + p.output_zero_point;
      *out = static_cast<int8_t>(clamp(value, -128, 127));
    }
  }
}
constexpr auto depthwise_lines_stride1 = depthwise_lines;
constexpr auto depthwise_lines_stride2 = depthwise_lines;
constexpr auto depthwise_lines_stride1_away = depthwise_lines;
constexpr auto depthwise_lines_stride2_away = depthwise_lines;
#endif

using DepthwiseLinesFn = void (*)(const DepthwiseLines*);

__attribute__((noinline)) inline void fill_padding(const DepthwiseArmDspParams& p, int32_t lines, int16_t* scratch) {
  for (int32_t i = 0; i < lines * p.pitch; ++i) scratch[i] = static_cast<int16_t>(p.input_zero_point);
}

// Lines [first, last) of one channel into scratch, counted from the first of padding. What lies beside a line stays.
inline void load_lines(const DepthwiseArmDspParams& p, const int8_t* input, int32_t first, int32_t last,
                       int16_t* scratch, WidenedLines& widened) {
  const int32_t past = p.line_padding + p.input_lines;
  for (; first < last && first < p.line_padding; ++first, scratch += p.pitch) fill_padding(p, 1, scratch);
  const int32_t end = last < past ? last : past;
  if (first < end) {
    widened.x = input + (first - p.line_padding) * p.input_line_step;
    widened.to = scratch + p.padding;
    widened.lines = end - first;
    widen_lines(&widened);
    scratch += (end - first) * p.pitch;
    first = end;
  }
  fill_padding(p, last - first, scratch);
}

// One channel of one image, band by band.
inline void depthwise_bands(const DepthwiseArmDspParams& p, const int8_t* input, int16_t* scratch,
                            WidenedLines& widened, DepthwiseLines& lines, DepthwiseLinesFn lines_fn) {
  int32_t held = 0;  // lines in scratch
  for (int32_t first = 0; first < p.output_lines; first += p.band, lines.output += p.band * p.output_line_step) {
    lines.lines = p.output_lines - first < p.band ? p.output_lines - first : p.band;
    const int32_t top = first * p.line_stride, wanted = (lines.lines - 1) * p.line_stride + kDepthwiseTaps;
    load_lines(p, input, top + held, top + wanted, scratch + held * p.pitch, widened);
    lines_fn(&lines);
    // The last lines are the next band's first.
    const int32_t used = p.band * p.line_stride;
    held = wanted > used ? wanted - used : 0;
    for (int32_t i = 0; i < held * p.pitch; ++i) scratch[i] = scratch[used * p.pitch + i];
  }
}

// Two weights, doubled, as int16.
inline int32_t doubled_pair(int32_t low, int32_t high) {
  return static_cast<int32_t>((static_cast<uint32_t>(2 * low) & 0xFFFF) | static_cast<uint32_t>(high) << 17);
}

// ties_away: what lines_fn does.
inline void depthwise_arm_dsp(const DepthwiseArmDspParams& p, const int8_t* input, const int8_t* weights,
                              const int32_t* bias_multiplier, const int8_t* right_shift, int16_t* scratch,
                              int8_t* output, bool ties_away, DepthwiseLinesFn lines_fn) {
  const auto wide = static_cast<int32_t>(sizeof(int16_t));
  const int32_t scratch_lines = (p.band - 1) * p.line_stride + kDepthwiseTaps;
  WidenedLines widened;
  widened.step = p.input_step, widened.step_3 = 3 * p.input_step, widened.values = p.input_values;
  widened.next_x = p.input_line_step - p.input_values * p.input_step;
  widened.next_to = (p.pitch - p.input_values) * wide;
  widened.to = scratch + p.line_padding * p.pitch + p.padding;
  const int32_t most = scratch_lines - p.line_padding;
  widened.lines = most < p.input_lines ? most : p.input_lines;
  DepthwiseLines lines;
  lines.params = &p;
  lines.output_step = p.output_step, lines.output_line_step = p.output_line_step;
  lines.line_stride = p.line_stride * p.pitch * wide;
  lines.next_block = lines.line_stride - (p.output_values + 1) / 2 * 2 * p.stride * wide;
  lines.lines = p.output_lines;
  lines.rest = p.output_values % 4;
  lines.end = scratch + (p.output_values - lines.rest) * p.stride;
  for (int32_t k = 0; k < kDepthwiseTaps; ++k) lines.x[k] = scratch + k * p.pitch;
  fill_padding(p, scratch_lines, scratch);
  for (int32_t n = 0; n < p.batches; ++n) {
    const int8_t* w = weights;
    for (int32_t c = 0; c < p.channels; ++c) {
      for (int32_t k = 0; k < kDepthwiseTaps; ++k, w += kDepthwiseTaps) {
        lines.taps[2 * k] = doubled_pair(w[0], w[1]);
        lines.taps[2 * k + 1] = doubled_pair(w[1], w[2]);
      }
      lines.bias = bias_multiplier[2 * c];
      lines.multiplier = bias_multiplier[2 * c + 1];
      lines.right_shift = right_shift[c];
      const auto zero = static_cast<uint32_t>(p.output_zero_point), half = (uint32_t{1} << lines.right_shift) >> 1;
      lines.offset = static_cast<int32_t>(ties_away ? zero : (zero << lines.right_shift) + half);
      lines.output = output + c;
      if (p.band < p.output_lines) {
        depthwise_bands(p, input + c, scratch, widened, lines, lines_fn);
        continue;
      }
      widened.x = input + c;  // the padding stays as it is for all channels
      widen_lines(&widened);
      lines_fn(&lines);
    }
    input += p.input_lines * p.input_values * p.channels;
    output += p.output_lines * p.output_values * p.channels;
  }
}

// weights [channels, 3, 3]: lines of taps, in the order of a line. bias_multiplier [channels, 2]: the doubled bias,
// with the input zero point folded in. right_shift [channels]. scratch: (band - 1) * line_stride + 3 lines of `pitch`,
// and what the last block reads behind the last one. The output zero point is the least output, so that it is the same
// whether ties of negative sums go up or away from zero. Stride 1 along a line. Arithmetic: TFLite's integer reference.
inline void depthwise_conv2d_s8_arm_dsp(const DepthwiseArmDspParams& p, const int8_t* input, const int8_t* weights,
                                        const int32_t* bias_multiplier, const int8_t* right_shift, int16_t* scratch,
                                        int8_t* output) {
  depthwise_arm_dsp(p, input, weights, bias_multiplier, right_shift, scratch, output, false, depthwise_lines_stride1);
}

// The same for stride 2 along a line.
inline void depthwise_conv2d_s8_arm_dsp_stride2(const DepthwiseArmDspParams& p, const int8_t* input,
                                                const int8_t* weights, const int32_t* bias_multiplier,
                                                const int8_t* right_shift, int16_t* scratch, int8_t* output) {
  depthwise_arm_dsp(p, input, weights, bias_multiplier, right_shift, scratch, output, false, depthwise_lines_stride2);
}

// The same two for any output zero point: half way between two outputs the one away from zero counts.
inline void depthwise_conv2d_s8_arm_dsp_away(const DepthwiseArmDspParams& p, const int8_t* input, const int8_t* weights,
                                             const int32_t* bias_multiplier, const int8_t* right_shift,
                                             int16_t* scratch, int8_t* output) {
  depthwise_arm_dsp(p, input, weights, bias_multiplier, right_shift, scratch, output, true,
                    depthwise_lines_stride1_away);
}
inline void depthwise_conv2d_s8_arm_dsp_stride2_away(const DepthwiseArmDspParams& p, const int8_t* input,
                                                     const int8_t* weights, const int32_t* bias_multiplier,
                                                     const int8_t* right_shift, int16_t* scratch, int8_t* output) {
  depthwise_arm_dsp(p, input, weights, bias_multiplier, right_shift, scratch, output, true,
                    depthwise_lines_stride2_away);
}

}  // namespace device
}  // namespace thimble
