// conv2d_s8 for cores without vector instructions (linear_scalar.h): the columns of a few pixels are gathered, side by
// side, and multiplied with four filters at a time, so that each byte loaded serves several products.
#pragma once
#include "device/kernels/linear_scalar.h"
#include "device/kernels/window.h"

namespace thimble {
namespace device {

// column: kernel_h * kernel_w * input_c, rounded up to a multiple of kScalarUnroll.
THIMBLE_PARAMS(Conv2DS8ScalarParams, batches, input_h, input_w, input_c, output_h, output_w, output_c, kernel_h,
               kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w, column, input_zero_point,
               output_zero_point, activation_min, activation_max);

// Pixels gathered, and multiplied, at a time; how their samples lie.
#if defined(THIMBLE_THUMB1)
using ScalarSample = uint16_t;  // a pair is one word, and one multiplication
constexpr int32_t kScalarPixels = 2, kBlockPixels = 2, kSampleStep = 2;
#elif defined(__thumb2__)
using ScalarSample = uint8_t;
constexpr int32_t kScalarPixels = 4, kBlockPixels = 2, kSampleStep = 1;  // column after column
#else
using ScalarSample = uint8_t;
constexpr int32_t kScalarPixels = 4, kBlockPixels = 4, kSampleStep = 4;
#endif
constexpr int32_t kPixelBlocks = kScalarPixels / kBlockPixels;
// Scratch: columns, the most that any core needs.
constexpr int32_t kScalarColumnBytes = 4;

// Part of one pixel's column. Returns the sum of its samples.
inline int32_t gather_run(const int8_t* from, int32_t count, ScalarSample*& to) {
  int32_t sum = 0;
  ScalarSample* at = to;
#ifdef __thumb2__
  uint32_t even = 0, odd = 0;  // two sums each; 256 words cannot overflow one
  constexpr uint32_t kEven = 0x00FF00FF;
  while (count >= 4) {
    const int32_t words = count < 1024 ? count >> 2 : 256;
    count -= words * 4;
#pragma GCC unroll 4
    for (const int8_t* const end = from + words * 4; from != end; from += 4, at += 4) {
      uint32_t word;
      __builtin_memcpy(&word, from, 4);
      word ^= 0x80808080u;
      __builtin_memcpy(at, &word, 4);
      even += word & kEven;
      odd += (word >> 8) & kEven;
    }
    sum += static_cast<int32_t>((even & 0xFFFF) + (even >> 16) + (odd & 0xFFFF) + (odd >> 16));
    even = odd = 0;
  }
#endif
#pragma GCC unroll 4
  for (; count > 0; --count, at += kSampleStep) {
    const int32_t value = static_cast<uint8_t>(*from++) ^ kByteFlip;
    *at = static_cast<ScalarSample>(value);
    sum += value;
  }
  to = at;
  return sum;
}

inline int32_t fill_run(int32_t value, int32_t count, ScalarSample*& to) {
  const int32_t sum = value * count;
  for (; count > 0; --count, to += kSampleStep) *to = static_cast<ScalarSample>(value);
  return sum;
}

inline int32_t gather_column(const Conv2DS8ScalarParams& p, int32_t y, int32_t x, const int8_t* input,
                             ScalarSample* to) {
  const int32_t outside = p.input_zero_point + kByteOffset;
  int32_t sum = 0;
  for (int32_t ky = 0; ky < p.kernel_h; ++ky, y += p.dilation_h) {
    if (y < 0 || y >= p.input_h) {
      sum += fill_run(outside, p.kernel_w * p.input_c, to);
      continue;
    }
    const int8_t* row = input + (y * p.input_w + x) * p.input_c;
    if (p.dilation_w == 1 && x >= 0 && x + p.kernel_w <= p.input_w) {
      sum += gather_run(row, p.kernel_w * p.input_c, to);
      continue;
    }
    for (int32_t kx = 0, at = x; kx < p.kernel_w; ++kx, at += p.dilation_w, row += p.dilation_w * p.input_c)
      sum += at >= 0 && at < p.input_w ? gather_run(row, p.input_c, to) : fill_run(outside, p.input_c, to);
  }
  fill_run(0, p.column - p.kernel_h * p.kernel_w * p.input_c, to);
  return sum;
}

#ifdef THIMBLE_THUMB1
// sums[filter][pixel] = sums[0][pixel] + products of two pixels' columns with four filters, 21 instructions for 8 of
// them. A pair of samples is one word, so a multiplication gives the pair's products p = low + 2^16 * high. r4-r7 sum p
// up and r8-r11 its upper halves, which leaves the sum of the lower halves as the difference.
__attribute__((naked, noinline)) inline void add_block(const ScalarSample*, const uint8_t*, int32_t,
                                                       int32_t (*)[kBlockPixels]) {
  __asm volatile(
      ".syntax unified\n\t"
      "push {r4-r7, lr}\n\t"
      "mov r4, r8\n\tmov r5, r9\n\tmov r6, r10\n\tmov r7, r11\n\t"
      "push {r3-r7}\n\t"
      "lsls r2, r2, #2\n\tadds r2, r2, r0\n\tmov r12, r2\n\t"
      "ldmia r3!, {r4, r5}\n\tmov r8, r5\n\tmov r9, r5\n\tmov r10, r5\n\tmov r11, r5\n\t"
      "lsls r5, r5, #16\n\tadds r4, r4, r5\n\tmovs r5, r4\n\tmovs r6, r4\n\tmovs r7, r4\n"
      "1:\n\t"
      ".set at, 0\n\t"
      ".rept 4\n\t"
      "ldmia r0!, {r2}\n\t"
      "ldrb r3, [r1, #at]\n\tmuls r3, r2, r3\n\tadds r4, r4, r3\n\tlsrs r3, r3, #16\n\tadd r8, r3\n\t"
      "ldrb r3, [r1, #at+1]\n\tmuls r3, r2, r3\n\tadds r5, r5, r3\n\tlsrs r3, r3, #16\n\tadd r9, r3\n\t"
      "ldrb r3, [r1, #at+2]\n\tmuls r3, r2, r3\n\tadds r6, r6, r3\n\tlsrs r3, r3, #16\n\tadd r10, r3\n\t"
      "ldrb r3, [r1, #at+3]\n\tmuls r3, r2, r3\n\tadds r7, r7, r3\n\tlsrs r3, r3, #16\n\tadd r11, r3\n\t"
      ".set at, at + 4\n\t"
      ".endr\n\t"
      "adds r1, r1, #16\n\tcmp r0, r12\n\tbne 1b\n\t"
      "pop {r3}\n\t"
      "mov r2, r8\n\tstr r2, [r3, #4]\n\tlsls r2, r2, #16\n\tsubs r4, r4, r2\n\tstr r4, [r3]\n\t"
      "mov r2, r9\n\tstr r2, [r3, #12]\n\tlsls r2, r2, #16\n\tsubs r5, r5, r2\n\tstr r5, [r3, #8]\n\t"
      "mov r2, r10\n\tstr r2, [r3, #20]\n\tlsls r2, r2, #16\n\tsubs r6, r6, r2\n\tstr r6, [r3, #16]\n\t"
      "mov r2, r11\n\tstr r2, [r3, #28]\n\tlsls r2, r2, #16\n\tsubs r7, r7, r2\n\tstr r7, [r3, #24]\n\t"
      "pop {r4-r7}\n\tmov r8, r4\n\tmov r9, r5\n\tmov r10, r6\n\tmov r11, r7\n\t"
      "pop {r4-r7, pc}");
}
#elif defined(__thumb2__)
// sums[filter][pixel] = sums[0][pixel] + products of two pixels' columns with four filters, 14 instructions for 8 of
// them. Of each 4 steps, the first move r0-r2 on.
__attribute__((naked, noinline)) inline void add_block(const ScalarSample*, const uint8_t*, int32_t,
                                                       int32_t (*)[kBlockPixels]) {
#define THIMBLE_FILTER(at, first, second) \
  "ldrb lr, [r1, #" at "]\n\tmla " first ", lr, r3, " first "\n\tmla " second ", lr, r12, " second "\n\t"
#define THIMBLE_STEPS \
  "ldrb lr, [r1], #4\n\tldrb r3, [r0], #4\n\tldrb r12, [r2], #4\n\t"                               \
  "mla r4, lr, r3, r4\n\tmla r5, lr, r12, r5\n\t" THIMBLE_FILTER("-3", "r6", "r7")                 \
  THIMBLE_FILTER("-2", "r8", "r9") THIMBLE_FILTER("-1", "r10", "r11")                              \
  "ldrb lr, [r1], #12\n\tldrb r3, [r0, #-3]\n\tldrb r12, [r2, #-3]\n\t"                            \
  "mla r4, lr, r3, r4\n\tmla r5, lr, r12, r5\n\t" THIMBLE_FILTER("-11", "r6", "r7")                \
  THIMBLE_FILTER("-10", "r8", "r9") THIMBLE_FILTER("-9", "r10", "r11")                             \
  "ldrb r3, [r0, #-2]\n\tldrb r12, [r2, #-2]\n\t" THIMBLE_FILTER("-8", "r4", "r5")                 \
  THIMBLE_FILTER("-7", "r6", "r7") THIMBLE_FILTER("-6", "r8", "r9") THIMBLE_FILTER("-5", "r10", "r11") \
  "ldrb r3, [r0, #-1]\n\tldrb r12, [r2, #-1]\n\t" THIMBLE_FILTER("-4", "r4", "r5")                 \
  THIMBLE_FILTER("-3", "r6", "r7") THIMBLE_FILTER("-2", "r8", "r9") THIMBLE_FILTER("-1", "r10", "r11")
  __asm volatile(
      "tst r2, #4\n\tadd r2, r0\n\tpush {r2-r11, lr}\n\t"
      "ldrd r4, r5, [r3]\n\tmov r6, r4\n\tmov r7, r5\n\tmov r8, r4\n\tmov r9, r5\n\t"
      "mov r10, r4\n\tmov r11, r5\n\tbne 2f\n"
      "1:\n\t" THIMBLE_STEPS "2:\n\t" THIMBLE_STEPS
      "ldr r3, [sp]\n\tcmp r0, r3\n\tbne 1b\n\t"
      "pop {r2, r3}\n\tstmia r3, {r4-r11}\n\tpop {r4-r11, pc}");
#undef THIMBLE_STEPS
#undef THIMBLE_FILTER
}
#elif defined(__riscv)
// sums[filter][pixel] = sums[0][pixel] + products of four pixels' columns with four filters, 40 instructions for 16 of
// them.
__attribute__((naked, noinline)) inline void add_block(const ScalarSample*, const uint8_t*, int32_t,
                                                       int32_t (*)[kBlockPixels]) {
  __asm volatile(
      ".macro thimble_filter at, s0, s1, s2, s3\n\t"
      "lbu t0, \\at(a1)\n\t"
      "mul t1, a4, t0\n\tmul t2, a5, t0\n\tadd \\s0, \\s0, t1\n\tadd \\s1, \\s1, t2\n\t"
      "mul t1, a6, t0\n\tmul t2, a7, t0\n\tadd \\s2, \\s2, t1\n\tadd \\s3, \\s3, t2\n\t"
      ".endm\n\t"
      "addi sp, sp, -48\n\t"
      "sw s0, 0(sp)\n\tsw s1, 4(sp)\n\tsw s2, 8(sp)\n\tsw s3, 12(sp)\n\tsw s4, 16(sp)\n\tsw s5, 20(sp)\n\t"
      "sw s6, 24(sp)\n\tsw s7, 28(sp)\n\tsw s8, 32(sp)\n\tsw s9, 36(sp)\n\tsw s10, 40(sp)\n\tsw s11, 44(sp)\n\t"
      "slli a2, a2, 2\n\tadd a2, a2, a0\n\t"
      "lw s0, 0(a3)\n\tlw s1, 4(a3)\n\tlw s2, 8(a3)\n\tlw s3, 12(a3)\n\t"
      "mv s4, s0\n\tmv s5, s1\n\tmv s6, s2\n\tmv s7, s3\n\tmv s8, s0\n\tmv s9, s1\n\tmv s10, s2\n\tmv s11, s3\n\t"
      "mv t3, s0\n\tmv t4, s1\n\tmv t5, s2\n\tmv t6, s3\n"
      "1:\n\t"
      ".set at, 0\n\t"
      ".rept 4\n\t"
      "lbu a4, at(a0)\n\tlbu a5, at+1(a0)\n\tlbu a6, at+2(a0)\n\tlbu a7, at+3(a0)\n\t"
      "thimble_filter at, s0, s1, s2, s3\n\tthimble_filter at+1, s4, s5, s6, s7\n\t"
      "thimble_filter at+2, s8, s9, s10, s11\n\tthimble_filter at+3, t3, t4, t5, t6\n\t"
      ".set at, at + 4\n\t"
      ".endr\n\t"
      "addi a0, a0, 16\n\taddi a1, a1, 16\n\tbne a0, a2, 1b\n\t"
      "sw s0, 0(a3)\n\tsw s1, 4(a3)\n\tsw s2, 8(a3)\n\tsw s3, 12(a3)\n\tsw s4, 16(a3)\n\tsw s5, 20(a3)\n\t"
      "sw s6, 24(a3)\n\tsw s7, 28(a3)\n\tsw s8, 32(a3)\n\tsw s9, 36(a3)\n\tsw s10, 40(a3)\n\tsw s11, 44(a3)\n\t"
      "sw t3, 48(a3)\n\tsw t4, 52(a3)\n\tsw t5, 56(a3)\n\tsw t6, 60(a3)\n\t"
      "lw s0, 0(sp)\n\tlw s1, 4(sp)\n\tlw s2, 8(sp)\n\tlw s3, 12(sp)\n\tlw s4, 16(sp)\n\tlw s5, 20(sp)\n\t"
      "lw s6, 24(sp)\n\tlw s7, 28(sp)\n\tlw s8, 32(sp)\n\tlw s9, 36(sp)\n\tlw s10, 40(sp)\n\tlw s11, 44(sp)\n\t"
      "addi sp, sp, 48\n\tret\n\t"
      ".purgem thimble_filter");
}
#else
inline void add_step(const ScalarSample* x, const uint8_t* w, uint32_t (*sums)[kBlockPixels]) {
#pragma GCC unroll 4
  for (int32_t f = 0; f < kScalarFilters; ++f)
#pragma GCC unroll 4
    for (int32_t i = 0; i < kBlockPixels; ++i) sums[f][i] += static_cast<uint32_t>(x[i]) * w[f];
}

// sums[filter][pixel] = sums[0][pixel] + products of a few pixels' columns with four filters.
inline void add_block(const ScalarSample* x, const uint8_t* w, int32_t column, int32_t (*out)[kBlockPixels]) {
  uint32_t sums[kScalarFilters][kBlockPixels];
  for (int32_t f = 0; f < kScalarFilters; ++f)
    for (int32_t i = 0; i < kBlockPixels; ++i) sums[f][i] = static_cast<uint32_t>(out[0][i]);
  for (const ScalarSample* const end = x + column * kScalarPixels; x != end;) {
    add_step(x, w, sums);
    add_step(x + kScalarPixels, w + kScalarFilters, sums);
    add_step(x + 2 * kScalarPixels, w + 2 * kScalarFilters, sums);
    add_step(x + 3 * kScalarPixels, w + 3 * kScalarFilters, sums);
    x += 4 * kScalarPixels;
    w += 4 * kScalarFilters;
  }
#pragma GCC unroll 4
  for (int32_t f = 0; f < kScalarFilters; ++f)
#pragma GCC unroll 4
    for (int32_t i = 0; i < kBlockPixels; ++i) out[f][i] = static_cast<int32_t>(sums[f][i]);
}
#endif

// Walks output pixels in order.
struct PixelWalk {
  int32_t x, y;
  const int8_t* image;

  int32_t gather(const Conv2DS8ScalarParams& p, ScalarSample* to) {
    const int32_t at_y = y * p.stride_h - p.padding_h, at_x = x * p.stride_w - p.padding_w;
    int32_t sum;
    if (p.kernel_h == 1 && p.kernel_w == 1 && p.column == p.input_c && p.padding_h == 0 && p.padding_w == 0)
      sum = gather_run(image + (at_y * p.input_w + at_x) * p.input_c, p.input_c, to);
    else
      sum = gather_column(p, at_y, at_x, image, to);
    if (++x == p.output_w) {
      x = 0;
      if (++y == p.output_h) y = 0, image += p.input_h * p.input_w * p.input_c;
    }
    return sum;
  }
};

using ScalarSums = int32_t[kScalarFilters][kBlockPixels];

// The sums of a few filters to the outputs of kPixels pixels, which lie `step` apart.
template <int32_t kPixels>
__attribute__((noinline)) inline void store_block(const ScalarClamp& layer, const int32_t* channel, const int32_t* sums,
                                                  int8_t* output, int32_t step, int32_t filters) {
  const ScalarClamp clamp = layer;
  for (int8_t* const end = output + filters; output != end;
       ++output, channel += kScalarChannelWords, sums += kBlockPixels) {
    int32_t biased[kPixels];
#pragma GCC unroll 4
    for (int32_t i = 0; i < kPixels; ++i)
      biased[i] = channel[0] + sums[i / kBlockPixels * (kScalarFilters * kBlockPixels) + i % kBlockPixels];
    store_sums<kPixels>(clamp, channel[1], channel[2], biased, output, step);
  }
}

// weights: [filters / 4, rounded up][column][4] bytes, each 128 above the weight. channels: ScalarChannel of each
// filter, its bias with the input zero point and 128 times the sum of the weights folded in.
inline void conv2d_s8_scalar(const Conv2DS8ScalarParams& p, const int8_t* input, const int8_t* weights,
                             const int32_t* channels, int32_t* scratch, int8_t* output) {
  const ScalarClamp clamp = scalar_clamp(p);
  auto* const column = reinterpret_cast<ScalarSample*>(scratch);
  PixelWalk walk = {0, 0, input};
  for (int32_t left = p.batches * p.output_h * p.output_w; left > 0; left -= kScalarPixels) {
    int32_t offsets[kScalarPixels] = {};
    const int32_t pixels = left < kScalarPixels ? left : kScalarPixels;
    for (int32_t i = 0; i < pixels; ++i)
      offsets[i] = walk.gather(p, column + i * (kSampleStep == 1 ? p.column : 1)) * -kByteOffset;
    const auto* w = reinterpret_cast<const uint8_t*>(weights);
    const int32_t* channel = channels;
    for (int32_t o = 0; o < p.output_c; o += kScalarFilters) {
      ScalarSums sums[kPixelBlocks];
#pragma GCC unroll 2
      for (int32_t b = 0; b < kPixelBlocks; ++b) {
#pragma GCC unroll 4
        for (int32_t i = 0; i < kBlockPixels; ++i) sums[b][0][i] = offsets[b * kBlockPixels + i];
        add_block(column + b * kBlockPixels * p.column, w, p.column, sums[b]);
      }
      const int32_t filters = p.output_c - o < kScalarFilters ? p.output_c - o : kScalarFilters;
      if (pixels == kScalarPixels) {
        store_block<kScalarPixels>(clamp, channel, sums[0][0], output + o, p.output_c, filters);
      } else {
        for (int32_t i = 0; i < pixels; ++i)
          store_block<1>(clamp, channel, &sums[i / kBlockPixels][0][i % kBlockPixels], output + i * p.output_c + o, 0,
                         filters);
      }
      w += kScalarFilters * p.column;
      channel += kScalarFilters * kScalarChannelWords;
    }
    output += pixels * p.output_c;
  }
}

}  // namespace device
}  // namespace thimble
