// fully_connected_s8 for cores without vector instructions (linear_scalar.h): four outputs share each input they read.
#pragma once
#include "device/kernels/fully_connected.h"
#include "device/kernels/linear_scalar.h"

namespace thimble {
namespace device {

#ifdef THIMBLE_THUMB1
// sums[filter] = products of signed inputs with four filters of unsigned bytes, 14 instructions for 4 of them.
__attribute__((naked, noinline)) inline void add_row(const int8_t*, const uint8_t*, int32_t, int32_t*) {
  __asm volatile(
      ".syntax unified\n\t"
      "push {r4-r7, lr}\n\t"
      "mov r4, r8\n\tmov r5, r9\n\tmov r6, r10\n\tmov r7, r11\n\t"
      "push {r3-r7}\n\t"
      "adds r2, r2, r0\n\tmov r12, r2\n\t"
      "movs r4, #0\n\tmov r8, r4\n\tmov r9, r4\n\tmov r10, r4\n\tmov r11, r4\n\t"
      "movs r5, #0\n\tmovs r6, #1\n"
      "1:\n\t"
      "ldrsb r2, [r0, r5]\n\tadds r0, r0, #1\n\t"
      "ldrb r3, [r1]\n\tmuls r3, r2, r3\n\tadd r8, r3\n\t"
      "ldrb r3, [r1, #1]\n\tmuls r3, r2, r3\n\tadd r9, r3\n\t"
      "ldrb r3, [r1, #2]\n\tmuls r3, r2, r3\n\tadd r10, r3\n\t"
      "ldrb r3, [r1, #3]\n\tmuls r3, r2, r3\n\tadd r11, r3\n\t"
      "adds r1, r1, #4\n\tcmp r0, r12\n\tbne 1b\n\t"
      "pop {r3}\n\t"
      "mov r4, r8\n\tmov r5, r9\n\tmov r6, r10\n\tmov r7, r11\n\t"
      "stmia r3!, {r4-r7}\n\t"
      "pop {r4-r7}\n\tmov r8, r4\n\tmov r9, r5\n\tmov r10, r6\n\tmov r11, r7\n\t"
      "pop {r4-r7, pc}");
}
#elif defined(__riscv)
// sums[filter] = products of signed inputs with four filters of unsigned bytes, 13 instructions for 4 of them.
__attribute__((naked, noinline)) inline void add_row(const int8_t*, const uint8_t*, int32_t, int32_t*) {
#define THIMBLE_OUTPUT(at, sum) "lbu t1, " at "(a1)\n\tmul t1, t1, t0\n\tadd " sum ", " sum ", t1\n\t"
#define THIMBLE_INPUT(x, w0, w1, w2, w3)                                                            \
  "lb t0, " x "(a0)\n\t" THIMBLE_OUTPUT(w0, "a4") THIMBLE_OUTPUT(w1, "a5") THIMBLE_OUTPUT(w2, "a6") \
      THIMBLE_OUTPUT(w3, "a7")
  __asm volatile(
      "li a4, 0\n\tli a5, 0\n\tli a6, 0\n\tli a7, 0\n\t"
      "add t3, a0, a2\n\tandi t2, a2, -8\n\tadd t2, t2, a0\n\tbeq a0, t2, 3f\n\t"
      // 16 inputs a turn; where 8 are over, the first turn begins in its middle.
      "andi t4, a2, 8\n\tbeqz t4, 1f\n\taddi a0, a0, -8\n\taddi a1, a1, -32\n\tj 2f\n"
      "1:\n\t" THIMBLE_INPUT("0", "0", "1", "2", "3") THIMBLE_INPUT("1", "4", "5", "6", "7")
          THIMBLE_INPUT("2", "8", "9", "10", "11") THIMBLE_INPUT("3", "12", "13", "14", "15")
              THIMBLE_INPUT("4", "16", "17", "18", "19") THIMBLE_INPUT("5", "20", "21", "22", "23")
                  THIMBLE_INPUT("6", "24", "25", "26", "27") THIMBLE_INPUT("7", "28", "29", "30", "31")
      "2:\n\t" THIMBLE_INPUT("8", "32", "33", "34", "35") THIMBLE_INPUT("9", "36", "37", "38", "39")
          THIMBLE_INPUT("10", "40", "41", "42", "43") THIMBLE_INPUT("11", "44", "45", "46", "47")
              THIMBLE_INPUT("12", "48", "49", "50", "51") THIMBLE_INPUT("13", "52", "53", "54", "55")
                  THIMBLE_INPUT("14", "56", "57", "58", "59") THIMBLE_INPUT("15", "60", "61", "62", "63")
      "addi a0, a0, 16\n\taddi a1, a1, 64\n\tbne a0, t2, 1b\n"
      "3:\n\tbeq a0, t3, 5f\n"
      "4:\n\t" THIMBLE_INPUT("0", "0", "1", "2", "3")
      "addi a0, a0, 1\n\taddi a1, a1, 4\n\tbne a0, t3, 4b\n"
      "5:\n\tsw a4, 0(a3)\n\tsw a5, 4(a3)\n\tsw a6, 8(a3)\n\tsw a7, 12(a3)\n\tret");
#undef THIMBLE_INPUT
#undef THIMBLE_OUTPUT
}
#else
inline void add_input(int32_t x, const uint8_t* w, int32_t* sums) {
#pragma GCC unroll 4
  for (int32_t f = 0; f < kScalarFilters; ++f) sums[f] += x * w[f];
}

inline void add_row(const int8_t* x, const uint8_t* w, int32_t count, int32_t* out) {
  int32_t sums[kScalarFilters] = {};
  const int8_t* const end = x + count;
  for (const int8_t* const whole = x + count / 4 * 4; x != whole; x += 4, w += 4 * kScalarFilters) {
    add_input(x[0], w, sums);
    add_input(x[1], w + kScalarFilters, sums);
    add_input(x[2], w + 2 * kScalarFilters, sums);
    add_input(x[3], w + 3 * kScalarFilters, sums);
  }
  for (; x != end; ++x, w += kScalarFilters) add_input(*x, w, sums);
#pragma GCC unroll 4
  for (int32_t f = 0; f < kScalarFilters; ++f) out[f] = sums[f];
}
#endif

// weights: [outputs / 4, rounded up][inputs][4] bytes, each 128 above the weight. channels: ScalarChannel of each
// output.
inline void fully_connected_s8_scalar(const FullyConnectedIntegerParams& p, const int8_t* input, const int8_t* weights,
                                      const int32_t* channels, int8_t* output) {
  const ScalarClamp clamp = scalar_clamp(p);
  for (int32_t row = 0; row < p.rows; ++row, input += p.inputs) {
    int32_t offset = 0;
#pragma GCC unroll 4
    for (int32_t i = 0; i < p.inputs; ++i) offset += input[i];
    offset *= kByteOffset;
    const auto* w = reinterpret_cast<const uint8_t*>(weights);
    const int32_t* channel = channels;
    for (int32_t left = p.outputs; left > 0; left -= kScalarFilters, w += kScalarFilters * p.inputs) {
      int32_t sums[kScalarFilters];
      add_row(input, w, p.inputs, sums);
      const int32_t filters = left < kScalarFilters ? left : kScalarFilters;
      for (int32_t f = 0; f < filters; ++f, ++output, channel += kScalarChannelWords) {
        const int32_t sum = sums[f] + (channel[0] - offset);
        store_sums<1>(clamp, channel[1], channel[2], &sum, output, 0);
      }
    }
  }
}

}  // namespace device
}  // namespace thimble
