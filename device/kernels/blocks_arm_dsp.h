// The inner block of convolutions on cores with the DSP extension (Cortex-M4, M7, M33): 4 filters by 2 columns of int16
// values, 8 sums in registers, then requantised and stored. Elsewhere the same arithmetic in plain C++.
//
// Columns: groups of 4 taps, 4 words each: taps (0, 2) of column 0 and of column 1, taps (1, 3) of both; the order in
// which SXTB16 extends bytes. Filters: blocks of 4, each
//   4 words    start of the sums: the bias, scaled
//   ...        weights, for each pair of taps in the order of the columns:
//              wide: 4 words, a filter's two taps as int16, scaled by 2^(1 + left shift)
//              int8: 2 words, of filters (0, 1) and (2, 3): halves of even + 256 * odd filter's weight
//   scaling    4 x 3 words: multiplier, offset, right shift of each channel
//              compact: 4 multipliers and a word of 4 right shifts, 1 or more
// The raw halves of int8 weights give even + 256 * odd, their low bytes even: one SXTB16 serves two filters. So an odd
// filter starts at even bias + 256 * odd bias, and its sums must fit 24 bits.
//
// out = (high(2 sum * multiplier) + offset) >> shift, where offset holds the zero point and the half that rounds:
// (zero << shift) + (1 << shift >> 1). Ties go away from zero: one less for negative sums, `ties_away`; it makes no
// difference where the activation cuts off what is negative. Compact has the last bit shifted out as the half.
// Cost in instructions per pair of taps (16 products): wide 11, int8 12, and 3 for each loop of 8 pairs (compact: 4);
// besides, a block takes 49 (wide) or 61, 8 more with ties_away, compact 85.
#pragma once
#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define THIMBLE_ARM_DSP 1
#endif

namespace thimble {
namespace device {

constexpr int32_t kDspFilters = 4;

// In the order in which the assembly loads them.
struct DspBlocks {
  const int32_t* filters;
  const int32_t* columns;
  int32_t entry;  // bytes to skip of the unrolled loop, + 1: the pairs of taps need not fill it
  const int32_t* columns_end;
  int8_t* output[2];  // 4 channels a block; the same twice where there is one column
  const int32_t* filters_end;
  int32_t rounding;  // ties_away; compact: the zero point
};

// A block's function and what it wants to know of itself.
struct DspKernel {
  void (*run)(const DspBlocks*);
  int32_t pair_bytes, unrolled;       // of its code: bytes for a pair of taps, pairs in the loop (a power of two)
  int32_t quad_words, scaling_words;  // of a block of filters: for a group of 4 taps, and of its scaling
};

// Bytes 0 and 2 as int16.
inline uint32_t extend_bytes(uint32_t word) {
#ifdef THIMBLE_ARM_DSP
  uint32_t result;
  __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
  return result;
#else
  const auto half = [](uint32_t byte) {
    return static_cast<uint32_t>(static_cast<uint16_t>(static_cast<int8_t>(byte)));
  };
  return half(word) | half(word >> 16) << 16;
#endif
}
// Bytes 1 and 3.
inline uint32_t extend_rotated_bytes(uint32_t word) {
#ifdef THIMBLE_ARM_DSP
  uint32_t result;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
  return result;
#else
  return extend_bytes(word >> 8);
#endif
}

#ifdef THIMBLE_ARM_DSP

// Sums of filter f in r(2f) and r(2f + 1), weights r8 r9, values r10 r11, columns r12, filters lr. Stack: columns,
// entry, columns_end, output[2], filters_end, epilogue.
// clang-format off
#define THIMBLE_DSP_ENTER                     \
  ".syntax unified\n"                         \
  "push {r4-r11, lr}\n"                       \
  "ldm r0, {r1-r8}\n"                         \
  "mov lr, r1\n"                              \
  "adr.w r9, 2f\n"                            \
  "add r3, r3, r9\n"
#define THIMBLE_DSP_CHOOSE_FINISH             \
  "cmp r8, #0\n"                              \
  "adr.w r8, 3f\n"                            \
  "adr.w r9, 4f\n"                            \
  "it ne\n"                                   \
  "movne r8, r9\n"                            \
  "orr r8, r8, #1\n"
#define THIMBLE_DSP_START                     \
  "push {r2-r8}\n"                            \
  "1:\n"                                      \
  "ldm lr!, {r0, r2, r4, r6}\n"               \
  "ldr r12, [sp]\n"                           \
  "mov r1, r0\n"                              \
  "mov r3, r2\n"                              \
  "mov r5, r4\n"                              \
  "mov r7, r6\n"                              \
  "ldr pc, [sp, #4]\n"                        \
  ".p2align 2\n"                              \
  "2:\n"
#define THIMBLE_DSP_REPEAT                    \
  "ldr.w r8, [sp, #8]\n"                      \
  "cmp r12, r8\n"                             \
  "bne.w 2b\n"
#define THIMBLE_DSP_BRANCH "ldr pc, [sp, #24]\n"
// One channel, sums a and b.
#define THIMBLE_DSP_STORE(a, b)               \
  "asr.w " a ", " a ", r10\n"                 \
  "asr.w " b ", " b ", r10\n"                 \
  "ssat " a ", #8, " a "\n"                   \
  "ssat " b ", #8, " b "\n"                   \
  "strb " a ", [r11], #1\n"                   \
  "strb " b ", [r12], #1\n"
#define THIMBLE_DSP_SCALE(a, b)               \
  "ldm lr!, {r8, r9, r10}\n"                  \
  "smmlar " a ", " a ", r8, r9\n"             \
  "smmlar " b ", " b ", r8, r9\n"
#define THIMBLE_DSP_SCALE_AWAY(a, b, free)    \
  "ldm lr!, {r8, r9, r10}\n"                  \
  "smmlar " free ", " a ", r8, r9\n"          \
  "add.w " a ", " free ", " a ", asr #31\n"   \
  "smmlar " free ", " b ", r8, r9\n"          \
  "add.w " b ", " free ", " b ", asr #31\n"
#define THIMBLE_DSP_NEXT                      \
  "strd r11, r12, [sp, #12]\n"                \
  "ldr r8, [sp, #20]\n"                       \
  "cmp lr, r8\n"                              \
  "bne.w 1b\n"                                \
  "add sp, sp, #28\n"                         \
  "pop {r4-r11, pc}\n"
#define THIMBLE_DSP_STORE_COMPACT(a, b)       \
  "ldr r8, [lr], #4\n"                        \
  "smmulr " a ", " a ", r8\n"                 \
  "smmulr " b ", " b ", r8\n"                 \
  "add.w " a ", " a ", " a ", asr #31\n"      \
  "add.w " b ", " b ", " b ", asr #31\n"      \
  "asrs.w " a ", " a ", r9\n"                 \
  "adc.w " a ", " a ", r10\n"                 \
  "asrs.w " b ", " b ", r9\n"                 \
  "adc.w " b ", " b ", r10\n"                 \
  "ssat " a ", #8, " a "\n"                   \
  "ssat " b ", #8, " b "\n"                   \
  "strb " a ", [r11], #1\n"                   \
  "strb " b ", [r12], #1\n"                   \
  "lsr.w r9, r9, #8\n"
#define THIMBLE_DSP_FINISH_COMPACT            \
  "ldrd r11, r12, [sp, #12]\n"                \
  "ldr r9, [lr, #16]\n"                       \
  "ldr r10, [sp, #24]\n"                      \
  THIMBLE_DSP_STORE_COMPACT("r0", "r1") THIMBLE_DSP_STORE_COMPACT("r2", "r3") \
  THIMBLE_DSP_STORE_COMPACT("r4", "r5") THIMBLE_DSP_STORE_COMPACT("r6", "r7") \
  "add.w lr, lr, #4\n"                        \
  THIMBLE_DSP_NEXT
#define THIMBLE_DSP_PAIR_WIDE                 \
  "ldrd r8, r9, [lr], #8\n"                   \
  "ldrd r10, r11, [r12], #8\n"                \
  "smlad r0, r10, r8, r0\n"                   \
  "smlad r1, r11, r8, r1\n"                   \
  "smlad r2, r10, r9, r2\n"                   \
  "smlad r3, r11, r9, r3\n"                   \
  "ldrd r8, r9, [lr], #8\n"                   \
  "smlad r4, r10, r8, r4\n"                   \
  "smlad r5, r11, r8, r5\n"                   \
  "smlad r6, r10, r9, r6\n"                   \
  "smlad r7, r11, r9, r7\n"
#define THIMBLE_DSP_PAIR                      \
  "ldrd r8, r9, [lr], #8\n"                   \
  "ldrd r10, r11, [r12], #8\n"                \
  "smlad r2, r10, r8, r2\n"                   \
  "smlad r3, r11, r8, r3\n"                   \
  "smlad r6, r10, r9, r6\n"                   \
  "smlad r7, r11, r9, r7\n"                   \
  "sxtb16.w r8, r8\n"                         \
  "sxtb16.w r9, r9\n"                         \
  "smlad r0, r10, r8, r0\n"                   \
  "smlad r1, r11, r8, r1\n"                   \
  "smlad r4, r10, r9, r4\n"                   \
  "smlad r5, r11, r9, r5\n"
// From sums of even and even + 256 * odd filters to twice each sum.
#define THIMBLE_DSP_TWICE                     \
  "sub.w r2, r2, r0\n"                        \
  "sub.w r3, r3, r1\n"                        \
  "sub.w r6, r6, r4\n"                        \
  "sub.w r7, r7, r5\n"                        \
  "asr.w r2, r2, #7\n"                        \
  "asr.w r3, r3, #7\n"                        \
  "asr.w r6, r6, #7\n"                        \
  "asr.w r7, r7, #7\n"                        \
  "lsl.w r0, r0, #1\n"                        \
  "lsl.w r1, r1, #1\n"                        \
  "lsl.w r4, r4, #1\n"                        \
  "lsl.w r5, r5, #1\n"
#define THIMBLE_DSP_FINISH                    \
  "3:\n"                                      \
  "ldrd r11, r12, [sp, #12]\n"                \
  THIMBLE_DSP_SCALE("r0", "r1") THIMBLE_DSP_STORE("r0", "r1") \
  THIMBLE_DSP_SCALE("r2", "r3") THIMBLE_DSP_STORE("r2", "r3") \
  THIMBLE_DSP_SCALE("r4", "r5") THIMBLE_DSP_STORE("r4", "r5") \
  THIMBLE_DSP_SCALE("r6", "r7") THIMBLE_DSP_STORE("r6", "r7") \
  THIMBLE_DSP_NEXT                            \
  "4:\n"                                      \
  THIMBLE_DSP_SCALE_AWAY("r0", "r1", "r11")   \
  "ldrd r11, r12, [sp, #12]\n"                \
  THIMBLE_DSP_STORE("r0", "r1")               \
  THIMBLE_DSP_SCALE_AWAY("r2", "r3", "r0") THIMBLE_DSP_STORE("r2", "r3") \
  THIMBLE_DSP_SCALE_AWAY("r4", "r5", "r0") THIMBLE_DSP_STORE("r4", "r5") \
  THIMBLE_DSP_SCALE_AWAY("r6", "r7", "r0") THIMBLE_DSP_STORE("r6", "r7") \
  THIMBLE_DSP_NEXT
// clang-format on

// GCC would otherwise look inside for the registers that a caller may keep, and find none used.
#ifdef __clang__
#define THIMBLE_DSP_FUNCTION __attribute__((naked, noinline)) inline
#else
#define THIMBLE_DSP_FUNCTION __attribute__((naked, noipa)) inline
#endif

THIMBLE_DSP_FUNCTION void run_blocks_wide(const DspBlocks*) {
  __asm__(THIMBLE_DSP_ENTER THIMBLE_DSP_CHOOSE_FINISH THIMBLE_DSP_START
          ".rept 8\n" THIMBLE_DSP_PAIR_WIDE ".endr\n" THIMBLE_DSP_REPEAT THIMBLE_DSP_BRANCH THIMBLE_DSP_FINISH);
}

THIMBLE_DSP_FUNCTION void run_blocks(const DspBlocks*) {
  __asm__(THIMBLE_DSP_ENTER THIMBLE_DSP_CHOOSE_FINISH THIMBLE_DSP_START
          ".rept 8\n" THIMBLE_DSP_PAIR
          ".endr\n" THIMBLE_DSP_REPEAT THIMBLE_DSP_TWICE THIMBLE_DSP_BRANCH THIMBLE_DSP_FINISH);
}

THIMBLE_DSP_FUNCTION void run_blocks_compact(const DspBlocks*) {
  __asm__(THIMBLE_DSP_ENTER THIMBLE_DSP_START
          ".rept 4\n" THIMBLE_DSP_PAIR ".endr\n" THIMBLE_DSP_REPEAT THIMBLE_DSP_TWICE THIMBLE_DSP_FINISH_COMPACT);
}

#undef THIMBLE_DSP_ENTER
#undef THIMBLE_DSP_CHOOSE_FINISH
#undef THIMBLE_DSP_STORE_COMPACT
#undef THIMBLE_DSP_FINISH_COMPACT
#undef THIMBLE_DSP_PAIR_WIDE
#undef THIMBLE_DSP_PAIR
#undef THIMBLE_DSP_TWICE
#undef THIMBLE_DSP_START
#undef THIMBLE_DSP_REPEAT
#undef THIMBLE_DSP_BRANCH
#undef THIMBLE_DSP_STORE
#undef THIMBLE_DSP_SCALE
#undef THIMBLE_DSP_SCALE_AWAY
#undef THIMBLE_DSP_NEXT
#undef THIMBLE_DSP_FINISH

#else

// sum + the products of both int16 halves, wrapping.
inline int32_t add_dual_product(uint32_t a, uint32_t b, int32_t sum) {
  const auto low = [](uint32_t word) { return static_cast<int32_t>(static_cast<int16_t>(word)); };
  const int32_t products = low(a) * low(b) + low(a >> 16) * low(b >> 16);
  return static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(products));
}

struct DspScaling {
  int32_t multiplier;
  int64_t offset;
  int32_t shift;
  bool ties_away;
};

inline DspScaling dsp_scaling(const int32_t* words, int32_t filter, bool compact, int32_t rounding) {
  if (!compact) return {words[3 * filter], words[3 * filter + 1], words[3 * filter + 2], rounding != 0};
  const int32_t shift = words[kDspFilters] >> (8 * filter) & 31;
  const int64_t step = int64_t{1} << shift;
  return {words[filter], rounding * step + step / 2, shift, true};
}

inline int8_t scale_dsp_sum(int32_t twice, const DspScaling& scaling) {
  const int64_t high = (int64_t{twice} * scaling.multiplier + (int64_t{1} << 31)) >> 32;
  const int64_t value = (high + scaling.offset - (scaling.ties_away && twice < 0 ? 1 : 0)) >> scaling.shift;
  return static_cast<int8_t>(value < -128 ? -128 : value > 127 ? 127 : value);
}

inline void run_blocks_portably(const DspBlocks& blocks, bool wide, bool compact) {
  int8_t* output[2] = {blocks.output[0], blocks.output[1]};
  for (const int32_t* filters = blocks.filters; filters != blocks.filters_end;) {
    int32_t sums[kDspFilters][2];
    for (auto& sum : sums) sum[0] = sum[1] = *filters++;
    for (const int32_t* x = blocks.columns; x != blocks.columns_end; x += 2) {
      for (int32_t f = 0; f < kDspFilters; ++f) {
        const auto word = static_cast<uint32_t>(filters[wide ? f : f / 2]);
        const uint32_t weights = wide || f % 2 ? word : extend_bytes(word);
        for (int32_t c = 0; c < 2; ++c) sums[f][c] = add_dual_product(static_cast<uint32_t>(x[c]), weights, sums[f][c]);
      }
      filters += wide ? 4 : 2;
    }
    for (int32_t f = 0; f < kDspFilters; ++f)
      for (int32_t c = 0; c < 2; ++c) {
        const auto sum = static_cast<uint32_t>(sums[f][c]);
        const int32_t odd = static_cast<int32_t>(sum - static_cast<uint32_t>(sums[f & ~1][c])) >> 7;
        const int32_t twice = wide ? sums[f][c] : f % 2 ? odd : static_cast<int32_t>(sum << 1);
        *output[c]++ = scale_dsp_sum(twice, dsp_scaling(filters, f, compact, blocks.rounding));
      }
    filters += compact ? 5 : 12;
  }
}

inline void run_blocks_wide(const DspBlocks* blocks) { run_blocks_portably(*blocks, true, false); }
inline void run_blocks(const DspBlocks* blocks) { run_blocks_portably(*blocks, false, false); }
inline void run_blocks_compact(const DspBlocks* blocks) { run_blocks_portably(*blocks, false, true); }

#endif

constexpr DspKernel kDspBlocksWide = {run_blocks_wide, 44, 8, 8, 12}, kDspBlocks = {run_blocks, 48, 8, 4, 12},
                    kDspBlocksCompact = {run_blocks_compact, 48, 4, 4, 5};

}  // namespace device
}  // namespace thimble
