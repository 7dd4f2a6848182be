// Fully connected int8 for cores with the DSP instructions (Cortex-M4, M7, M33): four outputs at a time, inputs read
// once per four outputs and widened on the way; no scratch.
//   Weights as int8: two outputs' weights share the halves of a word, as 256 * a + b. A sum of products with such
//   halves
// is 256 * A + B, one with their low bytes is B, and A is what is left: one instruction less for four products than
// widening both. 1.03 instructions per product and 13 per output; A must stay below 2^23.
//   Where A may be larger (long): each output's weights in words of their own, 1.34 per product.
//   Weights as int16 (wide): 0.85 per product and 12 per output.
//   Limits: right shifts of 1 to 31, the whole range of int8 as activation, |sums| < 2^30.
#pragma once
#include "device/base/params.h"
#include "device/kernels/requantize_right.h"

namespace thimble {
namespace device {

// inputs, outputs: of a row. per_output: scaling holds a pair for each output.
THIMBLE_PARAMS(FullyConnectedArmDspParams, rows, inputs, outputs, per_output, output_zero_point);

// What the inner loop works on, in its order. Sums are made for groups of four outputs.
struct FullyConnectedGroups {
  const int32_t* scaling;  // multiplier, right shift of each output of the group
  int32_t zero_point;
  const int8_t *x, *end_16, *end_4;  // inputs, as far as they are whole blocks of 16 and of 4
  int32_t next_scaling;              // bytes from behind a group's scaling to the next group's
  const int8_t *tail, *end_tail;     // the last, incomplete block of 4; where there is none it ends at end_4
  const int8_t* output_end;
  const int32_t* packed;
  int8_t* output;
};

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
// clang-format off
// r0: x, r1: weights, r2: where x ends, r3: output, r4-r7: sums, r8-r11: weights, r12, lr: inputs (0, 2) and (1, 3).
#define THIMBLE_FULLY_CONNECTED_4 \
  "ldmia r1!, {r8-r11}\n" \
  "ldr r12, [r0], #4\n" \
  "sxtb16 lr, r12, ror #8\n" \
  "sxtb16 r12, r12\n" \
  "smlad r4, r8, r12, r4\n" \
  "sxtb16 r8, r8\n" \
  "smlad r5, r8, r12, r5\n" \
  "smlad r6, r9, r12, r6\n" \
  "sxtb16 r9, r9\n" \
  "smlad r7, r9, r12, r7\n" \
  "smlad r4, r10, lr, r4\n" \
  "sxtb16 r10, r10\n" \
  "smlad r5, r10, lr, r5\n" \
  "smlad r6, r11, lr, r6\n" \
  "sxtb16 r11, r11\n" \
  "smlad r7, r11, lr, r7\n"
#define THIMBLE_FULLY_CONNECTED_4_WIDE \
  "ldmia r1!, {r8-r11}\n" \
  "ldr r12, [r0], #4\n" \
  "sxtb16 lr, r12, ror #8\n" \
  "sxtb16 r12, r12\n" \
  "smlad r4, r8, r12, r4\n" \
  "smlad r5, r9, r12, r5\n" \
  "smlad r6, r10, r12, r6\n" \
  "smlad r7, r11, r12, r7\n" \
  "ldmia r1!, {r8-r11}\n" \
  "smlad r4, r8, lr, r4\n" \
  "smlad r5, r9, lr, r5\n" \
  "smlad r6, r10, lr, r6\n" \
  "smlad r7, r11, lr, r7\n"
#define THIMBLE_FULLY_CONNECTED_DOUBLE \
  "sub r4, r4, r5\n" \
  "asr r4, r4, #7\n" \
  "lsl r5, r5, #1\n" \
  "sub r6, r6, r7\n" \
  "asr r6, r6, #7\n" \
  "lsl r7, r7, #1\n"
#define THIMBLE_FULLY_CONNECTED_4_LONG \
  "ldmia r1!, {r8-r11}\n" \
  "ldr r12, [r0], #4\n" \
  "sxtb16 r12, r12\n" \
  "sxtb16 lr, r8\n" \
  "smlad r4, lr, r12, r4\n" \
  "sxtb16 lr, r9\n" \
  "smlad r5, lr, r12, r5\n" \
  "sxtb16 lr, r10\n" \
  "smlad r6, lr, r12, r6\n" \
  "sxtb16 lr, r11\n" \
  "smlad r7, lr, r12, r7\n" \
  "ldr r12, [r0, #-4]\n" \
  "sxtb16 r12, r12, ror #8\n" \
  "sxtb16 r8, r8, ror #8\n" \
  "smlad r4, r8, r12, r4\n" \
  "sxtb16 r9, r9, ror #8\n" \
  "smlad r5, r9, r12, r5\n" \
  "sxtb16 r10, r10, ror #8\n" \
  "smlad r6, r10, r12, r6\n" \
  "sxtb16 r11, r11, ror #8\n" \
  "smlad r7, r11, r12, r7\n"
#define THIMBLE_FULLY_CONNECTED_DOUBLE_LONG \
  "lsl r4, r4, #1\n" \
  "lsl r5, r5, #1\n" \
  "lsl r6, r6, #1\n" \
  "lsl r7, r7, #1\n"
#define THIMBLE_FULLY_CONNECTED_GROUPS(block, doubled) \
  asm( \
  "push {r4-r11, lr}\n" \
  "ldmia r0!, {r1-r9}\n" \
  "sub sp, #36\n" \
  "stmia sp, {r1-r9}\n" \
  "ldrd r1, r3, [r0]\n" \
  "1: ldmia r1!, {r4-r7}\n" \
  "ldrd r0, r2, [sp, #8]\n" \
  "cmp r0, r2\n" \
  "beq 3f\n" \
  "2:\n" \
  block block block block \
  "cmp r0, r2\n" \
  "blo 2b\n" \
  "3: ldr r2, [sp, #16]\n" \
  "cmp r0, r2\n" \
  "bhs 5f\n" \
  "4:\n" \
  block \
  "cmp r0, r2\n" \
  "blo 4b\n" \
  "5: ldrd r8, r9, [sp, #24]\n" \
  "cmp r2, r9\n" \
  "beq 6f\n" \
  "mov r0, r8\n" \
  "mov r2, r9\n" \
  "b 4b\n" \
  "6:\n" \
  doubled \
  "ldrd r8, lr, [sp]\n" \
  "ldmia r8!, {r9-r12}\n" \
  "smmulr r4, r4, r9\n" \
  "add r4, r4, r4, asr #31\n" \
  "asrs r4, r4, r10\n" \
  "adc r4, r4, lr\n" \
  "ssat r4, #8, r4\n" \
  "smmulr r5, r5, r11\n" \
  "add r5, r5, r5, asr #31\n" \
  "asrs r5, r5, r12\n" \
  "adc r5, r5, lr\n" \
  "ssat r5, #8, r5\n" \
  "ldmia r8!, {r9-r12}\n" \
  "smmulr r6, r6, r9\n" \
  "add r6, r6, r6, asr #31\n" \
  "asrs r6, r6, r10\n" \
  "adc r6, r6, lr\n" \
  "ssat r6, #8, r6\n" \
  "smmulr r7, r7, r11\n" \
  "add r7, r7, r7, asr #31\n" \
  "asrs r7, r7, r12\n" \
  "adc r7, r7, lr\n" \
  "ssat r7, #8, r7\n" \
  "strb r4, [r3], #4\n" \
  "strb r5, [r3, #-3]\n" \
  "strb r6, [r3, #-2]\n" \
  "strb r7, [r3, #-1]\n" \
  "ldr r9, [sp, #20]\n" \
  "ldr r10, [sp, #32]\n" \
  "add r8, r8, r9\n" \
  "str r8, [sp]\n" \
  "cmp r3, r10\n" \
  "bne 1b\n" \
  "add sp, #36\n" \
  "pop {r4-r11, pc}\n")
// clang-format on

__attribute__((naked, noinline)) inline void fully_connected_groups(const FullyConnectedGroups*) {
  THIMBLE_FULLY_CONNECTED_GROUPS(THIMBLE_FULLY_CONNECTED_4, THIMBLE_FULLY_CONNECTED_DOUBLE);
}
__attribute__((naked, noinline)) inline void fully_connected_groups_wide(const FullyConnectedGroups*) {
  THIMBLE_FULLY_CONNECTED_GROUPS(THIMBLE_FULLY_CONNECTED_4_WIDE, "");
}
__attribute__((naked, noinline)) inline void fully_connected_groups_long(const FullyConnectedGroups*) {
  THIMBLE_FULLY_CONNECTED_GROUPS(THIMBLE_FULLY_CONNECTED_4_LONG, THIMBLE_FULLY_CONNECTED_DOUBLE_LONG);
}
#else
// sum + the products of a word's halves with two inputs, wrapping as the DSP instruction does.
inline uint32_t add_two_products(uint32_t sum, int32_t weights, int32_t x0, int32_t x1) {
  return sum + static_cast<uint32_t>(static_cast<int16_t>(weights) * x0) + static_cast<uint32_t>((weights >> 16) * x1);
}
inline int32_t low_bytes(int32_t word) {
  const auto low = static_cast<uint16_t>(static_cast<int8_t>(word));
  return static_cast<int32_t>(low | static_cast<uint32_t>(static_cast<int8_t>(word >> 16)) << 16);
}

enum class FullyConnectedPacking { narrow, wide, separate };

// Adds the products of one block of four inputs to the sums of a group; gives the next block's weights.
template <FullyConnectedPacking kPacking>
inline const int32_t* add_block(const int8_t* x, const int32_t* w, uint32_t* sums) {
  for (int32_t half = 0; half < 2; ++half)
    for (int32_t i = 0; i < 4; ++i) {
      int32_t word = 0;
      if (kPacking == FullyConnectedPacking::wide)
        word = w[4 * half + i];
      else if (kPacking == FullyConnectedPacking::separate)
        word = low_bytes(w[i] >> (8 * half));
      else
        word = i % 2 == 0 ? w[2 * half + i / 2] : low_bytes(w[2 * half + i / 2]);
      sums[i] = add_two_products(sums[i], word, x[half], x[half + 2]);
    }
  return w + (kPacking == FullyConnectedPacking::wide ? 8 : 4);
}

template <FullyConnectedPacking kPacking>
inline void fully_connected_groups_of(const FullyConnectedGroups* g) {
  const int32_t *w = g->packed, *scaling = g->scaling;
  for (int8_t* y = g->output; y != g->output_end; y += 4) {
    uint32_t sums[4];
    for (uint32_t& sum : sums) sum = static_cast<uint32_t>(*w++);
    for (const int8_t* x = g->x; x != g->end_4; x += 4) w = add_block<kPacking>(x, w, sums);
    if (g->end_tail != g->end_4) w = add_block<kPacking>(g->tail, w, sums);
    for (int32_t i = 0; i < 4; ++i, scaling += 2) {
      int32_t doubled = static_cast<int32_t>(sums[i]);
      if (kPacking == FullyConnectedPacking::narrow && i % 2 == 0)
        doubled = static_cast<int32_t>(sums[i] - sums[i + 1]) >> 7;
      else if (kPacking != FullyConnectedPacking::wide)
        doubled *= 2;
      const int32_t value = requantize_right(doubled, scaling[0], scaling[1]) + g->zero_point;
      y[i] = static_cast<int8_t>(clamp(value, -128, 127));
    }
    scaling += g->next_scaling / static_cast<int32_t>(sizeof(int32_t));
  }
}

inline void fully_connected_groups(const FullyConnectedGroups* g) {
  fully_connected_groups_of<FullyConnectedPacking::narrow>(g);
}
inline void fully_connected_groups_wide(const FullyConnectedGroups* g) {
  fully_connected_groups_of<FullyConnectedPacking::wide>(g);
}
inline void fully_connected_groups_long(const FullyConnectedGroups* g) {
  fully_connected_groups_of<FullyConnectedPacking::separate>(g);
}
#endif

// Outputs that fill no group. weights: of each its bias, then int8 weights, in whole words.
inline void fully_connected_rest(const FullyConnectedArmDspParams& p, const int8_t* x, const int32_t* weights,
                                 const int32_t* scaling, int8_t* output) {
  for (int32_t o = p.outputs & ~3; o < p.outputs; ++o, weights += 1 + ((p.inputs + 3) >> 2)) {
    const int8_t* w = reinterpret_cast<const int8_t*>(weights + 1);
    int32_t sum = weights[0];
    for (int32_t i = 0; i < p.inputs; ++i) sum += x[i] * w[i];
    const int32_t* s = scaling + (p.per_output ? 2 * o : 0);
    *output++ = static_cast<int8_t>(clamp(requantize_right(2 * sum, s[0], s[1]) + p.output_zero_point, -128, 127));
  }
}

// groups: fully_connected_groups or its wide form.
template <class Groups>
inline void fully_connected_arm_dsp(const FullyConnectedArmDspParams& p, int32_t words, const int8_t* x,
                                    const int32_t* packed, const int32_t* scaling, int8_t* output, Groups groups) {
  uint32_t tail = 0;  // the last inputs, which fill no block of four, as a word
  const int8_t* const tail_bytes = reinterpret_cast<const int8_t*>(&tail);
  FullyConnectedGroups g;
  g.scaling = scaling;
  g.zero_point = p.output_zero_point;
  g.next_scaling = p.per_output ? 0 : -8 * static_cast<int32_t>(sizeof(int32_t));
  g.packed = packed;
  const int32_t whole = p.inputs & ~3, grouped = p.outputs & ~3;
  const int32_t* rest = packed + (p.outputs >> 2) * (4 + ((p.inputs + 3) >> 2) * words);
  for (int32_t row = 0; row < p.rows; ++row, x += p.inputs, output += p.outputs) {
    g.x = x, g.end_16 = x + (p.inputs & ~15), g.end_4 = x + whole;
    g.tail = tail_bytes, g.end_tail = whole == p.inputs ? g.end_4 : tail_bytes + 4;
    tail = 0;
    for (int32_t i = p.inputs; i-- > whole;) tail = tail << 8 | static_cast<uint8_t>(x[i]);
    g.output = output, g.output_end = output + grouped;
    if (grouped > 0) groups(&g);
    if (grouped < p.outputs) fully_connected_rest(p, x, rest, scaling, output + grouped);
  }
}

// input [rows, inputs], output [rows, outputs]. packed: for each group of outputs (a, b, c, d) four sums to begin with,
// for each block of four inputs four words, (ab, cd) of inputs 0 and 2 and (ab, cd) of inputs 1 and 3; then the outputs
// that fill no group. The first sums are the biases (with the input zero point folded in) as the words have it.
// scaling: pairs of multiplier and right shift, of each output or four equal ones. Arithmetic: TFLite's integer
// reference.
inline void fully_connected_s8_arm_dsp(const FullyConnectedArmDspParams& p, const int8_t* input, const int32_t* packed,
                                       const int32_t* scaling, int8_t* output) {
  fully_connected_arm_dsp(p, 4, input, packed, scaling, output, fully_connected_groups);
}

// The same with weights as int16, doubled as the biases are: eight words a block, inputs 0 and 2 of a, b, c, d and
// inputs 1 and 3.
inline void fully_connected_s8_arm_dsp_wide(const FullyConnectedArmDspParams& p, const int8_t* input,
                                            const int32_t* packed, const int32_t* scaling, int8_t* output) {
  fully_connected_arm_dsp(p, 8, input, packed, scaling, output, fully_connected_groups_wide);
}

// The same with words of the weights of one output: four words a block, of a, b, c, d.
inline void fully_connected_s8_arm_dsp_long(const FullyConnectedArmDspParams& p, const int8_t* input,
                                            const int32_t* packed, const int32_t* scaling, int8_t* output) {
  fully_connected_arm_dsp(p, 4, input, packed, scaling, output, fully_connected_groups_long);
}

}  // namespace device
}  // namespace thimble
