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
