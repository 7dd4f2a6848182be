// depthwise_conv2d_s8 for cores without vector instructions (linear_scalar.h): one channel at a time. Its plane is
// copied with the padding around it, so that windows need no bounds and neighbouring outputs share weights and inputs.
// Lines of the plane are rows or columns of the input, whichever the host finds faster. A plane is read whole before
// its outputs are written, so the output may lie in the place of the input.
#pragma once
#include "device/kernels/linear_scalar.h"

namespace thimble {
namespace device {

// Steps are in elements, from line to line and from value to value of a line. The plane: plane_lines of pitch bytes,
// (output - 1) * stride + taps each.
THIMBLE_PARAMS(DepthwiseConv2DS8ScalarParams, batches, channels, input_lines, input_values, input_line_step, input_step,
               output_lines, output_values, output_line_step, output_step, line_taps, taps, line_stride, stride,
               line_padding, padding, plane_lines, pitch, input_zero_point, output_zero_point, activation_min,
               activation_max);

constexpr int32_t kScalarWindows = 4;  // computed together
// Windows beyond a line's end are computed and dropped: what they read behind the plane.
constexpr int32_t kScalarPlaneTail = 8;

// One channel as unsigned bytes, within the padding that the plane has already.
inline void gather_plane(const DepthwiseConv2DS8ScalarParams& p, const int8_t* channel, uint8_t* plane) {
  const int32_t below = p.plane_lines - p.line_padding, behind = p.pitch - p.padding, step = p.input_step;
  const int32_t values = behind < p.input_values ? behind : p.input_values;
  plane += p.line_padding * p.pitch + p.padding;
  for (int32_t line = below < p.input_lines ? below : p.input_lines; line > 0; --line) {
    const int8_t* from = channel;
    uint8_t* to = plane;
#pragma GCC unroll 8
    for (int32_t i = values; i > 0; --i, from += step) *to++ = static_cast<uint8_t>(*from) ^ kByteFlip;
    channel += p.input_line_step;
    plane += p.pitch;
  }
}

// Sums of kOutputs neighbouring windows of any size.
template <int32_t kOutputs>
inline void add_windows(const DepthwiseConv2DS8ScalarParams& p, const uint8_t* x, const int8_t* w, int32_t* sums) {
  const int32_t stride = p.stride;
  for (int32_t line = p.line_taps; line > 0; --line, x += p.pitch)
    for (int32_t k = 0; k < p.taps; ++k) {
      const int32_t weight = *w++;
#pragma GCC unroll 4
      for (int32_t j = 0; j < kOutputs; ++j) sums[j] += x[k + j * stride] * weight;
    }
}

// One 3x3 window.
inline int32_t add_window_3x3(const uint8_t* x, int32_t pitch, const int8_t* w, int32_t sum) {
#pragma GCC unroll 3
  for (int32_t line = 0; line < 3; ++line, x += pitch, w += 3) sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2];
  return sum;
}

// sums[0..3] = sums[0] + the products of four 3x3 windows, kStride apart.
#if defined(THIMBLE_THUMB1)
// 120 instructions for 36 products.
#define THIMBLE_TAP(x0, x1, x2, x3)             \
  "ldrsb r2, [r1, r2]\n\tadds r1, r1, #1\n\t"   \
  "ldrb r3, [r0, #" x0                          \
  "]\n\tmuls r3, r2, r3\n\tadds r4, r4, r3\n\t" \
  "ldrb r3, [r0, #" x1                          \
  "]\n\tmuls r3, r2, r3\n\tadds r5, r5, r3\n\t" \
  "ldrb r3, [r0, #" x2                          \
  "]\n\tmuls r3, r2, r3\n\tadds r6, r6, r3\n\t" \
  "ldrb r3, [r0, #" x3 "]\n\tmuls r3, r2, r3\n\tadds r7, r7, r3\n\tmovs r2, #0\n\t"
#define THIMBLE_LINE_1 THIMBLE_TAP("0", "1", "2", "3") THIMBLE_TAP("1", "2", "3", "4") THIMBLE_TAP("2", "3", "4", "5")
#define THIMBLE_LINE_2 THIMBLE_TAP("0", "2", "4", "6") THIMBLE_TAP("1", "3", "5", "7") THIMBLE_TAP("2", "4", "6", "8")
#define THIMBLE_WINDOWS(line)                                                                     \
  __asm volatile(                                                                                 \
      ".syntax unified\n\t"                                                                       \
      "push {r4-r7, lr}\n\tpush {r3}\n\tmov r12, r1\n\tmovs r1, r2\n\tmovs r2, #0\n\t"            \
      "ldr r4, [r3]\n\tmovs r5, r4\n\tmovs r6, r4\n\tmovs r7, r4\n\t" line "add r0, r12\n\t" line \
      "add r0, r12\n\t" line "pop {r3}\n\tstmia r3!, {r4-r7}\n\tpop {r4-r7, pc}")
#elif defined(__thumb2__)
// 75 instructions for 36 products.
#define THIMBLE_LOAD(x) "ldrb r12, [r0, #" x "]\n\t"
#define THIMBLE_MLA(sum, w) "mla " sum ", r12, " w ", " sum "\n\t"
#define THIMBLE_LINE_1                                                                                             \
  "ldrsb r8, [r2], #1\n\tldrsb r9, [r2], #1\n\tldrsb r10, [r2], #1\n\t" THIMBLE_LOAD("0") THIMBLE_MLA("r4", "r8")  \
      THIMBLE_LOAD("1") THIMBLE_MLA("r4", "r9") THIMBLE_MLA("r5", "r8") THIMBLE_LOAD("2") THIMBLE_MLA("r4", "r10") \
          THIMBLE_MLA("r5", "r9") THIMBLE_MLA("r6", "r8") THIMBLE_LOAD("3") THIMBLE_MLA("r5", "r10")               \
              THIMBLE_MLA("r6", "r9") THIMBLE_MLA("r7", "r8") THIMBLE_LOAD("4") THIMBLE_MLA("r6", "r10")           \
                  THIMBLE_MLA("r7", "r9") THIMBLE_LOAD("5") THIMBLE_MLA("r7", "r10")
#define THIMBLE_LINE_2                                                                                                 \
  "ldrsb r8, [r2], #1\n\tldrsb r9, [r2], #1\n\tldrsb r10, [r2], #1\n\t" THIMBLE_LOAD("0") THIMBLE_MLA("r4", "r8")      \
      THIMBLE_LOAD("1") THIMBLE_MLA("r4", "r9") THIMBLE_LOAD("2") THIMBLE_MLA("r4", "r10") THIMBLE_MLA("r5", "r8")     \
          THIMBLE_LOAD("3") THIMBLE_MLA("r5", "r9") THIMBLE_LOAD("4") THIMBLE_MLA("r5", "r10") THIMBLE_MLA("r6", "r8") \
              THIMBLE_LOAD("5") THIMBLE_MLA("r6", "r9") THIMBLE_LOAD("6") THIMBLE_MLA("r6", "r10")                     \
                  THIMBLE_MLA("r7", "r8") THIMBLE_LOAD("7") THIMBLE_MLA("r7", "r9") THIMBLE_LOAD("8")                  \
                      THIMBLE_MLA("r7", "r10")
#define THIMBLE_WINDOWS(line)                                                                                       \
  __asm volatile(                                                                                                   \
      "push {r4-r10}\n\t"                                                                                           \
      "ldr r4, [r3]\n\tmov r5, r4\n\tmov r6, r4\n\tmov r7, r4\n\t" line "add r0, r1\n\t" line "add r0, r1\n\t" line \
      "stmia r3, {r4-r7}\n\tpop {r4-r10}\n\tbx lr")
#elif defined(__riscv)
// 111 instructions for 36 products.
#define THIMBLE_LOAD(x) "lbu t3, " x "(a0)\n\t"
#define THIMBLE_MLA(sum, w) "mul t4, t3, " w "\n\tadd " sum ", " sum ", t4\n\t"
#define THIMBLE_LINE_1                                                                                            \
  "lb t0, 0(a2)\n\tlb t1, 1(a2)\n\tlb t2, 2(a2)\n\taddi a2, a2, 3\n\t" THIMBLE_LOAD("0") THIMBLE_MLA("a4", "t0")  \
      THIMBLE_LOAD("1") THIMBLE_MLA("a4", "t1") THIMBLE_MLA("a5", "t0") THIMBLE_LOAD("2") THIMBLE_MLA("a4", "t2") \
          THIMBLE_MLA("a5", "t1") THIMBLE_MLA("a6", "t0") THIMBLE_LOAD("3") THIMBLE_MLA("a5", "t2")               \
              THIMBLE_MLA("a6", "t1") THIMBLE_MLA("a7", "t0") THIMBLE_LOAD("4") THIMBLE_MLA("a6", "t2")           \
                  THIMBLE_MLA("a7", "t1") THIMBLE_LOAD("5") THIMBLE_MLA("a7", "t2")
#define THIMBLE_LINE_2                                                                                                \
  "lb t0, 0(a2)\n\tlb t1, 1(a2)\n\tlb t2, 2(a2)\n\taddi a2, a2, 3\n\t" THIMBLE_LOAD("0") THIMBLE_MLA("a4", "t0")      \
      THIMBLE_LOAD("1") THIMBLE_MLA("a4", "t1") THIMBLE_LOAD("2") THIMBLE_MLA("a4", "t2") THIMBLE_MLA("a5", "t0")     \
          THIMBLE_LOAD("3") THIMBLE_MLA("a5", "t1") THIMBLE_LOAD("4") THIMBLE_MLA("a5", "t2") THIMBLE_MLA("a6", "t0") \
              THIMBLE_LOAD("5") THIMBLE_MLA("a6", "t1") THIMBLE_LOAD("6") THIMBLE_MLA("a6", "t2")                     \
                  THIMBLE_MLA("a7", "t0") THIMBLE_LOAD("7") THIMBLE_MLA("a7", "t1") THIMBLE_LOAD("8")                 \
                      THIMBLE_MLA("a7", "t2")
#define THIMBLE_WINDOWS(line)                                                                             \
  __asm volatile("lw a4, 0(a3)\n\tmv a5, a4\n\tmv a6, a4\n\tmv a7, a4\n\t" line "add a0, a0, a1\n\t" line \
                 "add a0, a0, a1\n\t" line "sw a4, 0(a3)\n\tsw a5, 4(a3)\n\tsw a6, 8(a3)\n\tsw a7, 12(a3)\n\tret")
#endif
#ifdef THIMBLE_WINDOWS
template <int32_t kStride>
void add_windows_3x3(const uint8_t* x, int32_t pitch, const int8_t* w, int32_t* sums);
template <>
__attribute__((naked, noinline)) inline void add_windows_3x3<1>(const uint8_t*, int32_t, const int8_t*, int32_t*) {
  THIMBLE_WINDOWS(THIMBLE_LINE_1);
}
template <>
__attribute__((naked, noinline)) inline void add_windows_3x3<2>(const uint8_t*, int32_t, const int8_t*, int32_t*) {
  THIMBLE_WINDOWS(THIMBLE_LINE_2);
}
#undef THIMBLE_WINDOWS
#undef THIMBLE_LINE_1
#undef THIMBLE_LINE_2
#undef THIMBLE_TAP
#undef THIMBLE_LOAD
#undef THIMBLE_MLA
#else
template <int32_t kStride>
__attribute__((noinline)) inline void add_windows_3x3(const uint8_t* x, int32_t pitch, const int8_t* w, int32_t* sums) {
  int32_t s0 = sums[0], s1 = s0, s2 = s0, s3 = s0;
#pragma GCC unroll 1
  for (const int8_t* const end = w + 9; w != end; w += 3, x += pitch) {
    const int32_t w0 = w[0], w1 = w[1], w2 = w[2];
    s0 += x[0] * w0 + x[1] * w1 + x[2] * w2;
    s1 += x[kStride] * w0 + x[kStride + 1] * w1 + x[kStride + 2] * w2;
    s2 += x[2 * kStride] * w0 + x[2 * kStride + 1] * w1 + x[2 * kStride + 2] * w2;
    s3 += x[3 * kStride] * w0 + x[3 * kStride + 1] * w1 + x[3 * kStride + 2] * w2;
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}
#endif

// kStride: of 3x3 windows, or 0 for others.
template <int32_t kStride>
__attribute__((noinline)) inline void depthwise_plane(const DepthwiseConv2DS8ScalarParams& p, const int32_t* channel,
                                                      const uint8_t* plane, const int8_t* w, int8_t* output) {
  const ScalarClamp clamp = scalar_clamp(p);
  const int32_t step = p.output_step, pitch = p.pitch, bias = channel[0], multiplier = channel[1], right = channel[2];
  const int32_t stride = kStride ? kStride : p.stride, line_stride = p.line_stride * pitch;
  for (int32_t line = p.output_lines; line > 0; --line, plane += line_stride, output += p.output_line_step) {
    const uint8_t* x = plane;
    int8_t* to = output;
    for (int32_t left = p.output_values; left > 0; left -= kScalarWindows, x += kScalarWindows * stride) {
      int32_t sums[kScalarWindows] = {bias};
      if (kStride && left == 1) {
        sums[0] = add_window_3x3(x, pitch, w, bias);
      } else if (kStride) {
        add_windows_3x3<kStride ? kStride : 1>(x, pitch, w, sums);
      } else {
        sums[1] = sums[2] = sums[3] = bias;
        left >= kScalarWindows ? add_windows<kScalarWindows>(p, x, w, sums) : add_windows<1>(p, x, w, sums);
      }
      if (left >= kScalarWindows) {
        store_sums<kScalarWindows>(clamp, multiplier, right, sums, to, step);
        to += kScalarWindows * step;
        continue;
      }
      for (int32_t i = 0; i < left; ++i, to += step) {
        if (!kStride && i > 0) {
          sums[i] = bias;
          add_windows<1>(p, x + i * stride, w, &sums[i]);
        }
        store_sums<1>(clamp, multiplier, right, &sums[i], to, 0);
      }
    }
  }
}

// weights: [channels][line_taps][taps]. channel_words: ScalarChannel of each channel, its bias with the input zero
// point and 128 times the sum of the weights folded in. scratch: the plane and kScalarPlaneTail.
inline void depthwise_conv2d_s8_scalar(const DepthwiseConv2DS8ScalarParams& p, const int8_t* input,
                                       const int8_t* weights, const int32_t* channel_words, int8_t* scratch,
                                       int8_t* output) {
  auto* const plane = reinterpret_cast<uint8_t*>(scratch);
  const int32_t taps = p.line_taps * p.taps, stride = p.line_taps == 3 && p.taps == 3 ? p.stride : 0;
  const auto outside = static_cast<uint8_t>(p.input_zero_point + kByteOffset);
  for (int32_t i = p.plane_lines * p.pitch + kScalarPlaneTail; i > 0; --i) plane[i - 1] = outside;
  for (int32_t n = 0; n < p.batches; ++n) {
    const int8_t* w = weights;
    const int32_t* channel = channel_words;
    for (int32_t c = 0; c < p.channels; ++c, w += taps, channel += kScalarChannelWords) {
      gather_plane(p, input + c, plane);
      if (stride == 1)
        depthwise_plane<1>(p, channel, plane, w, output + c);
      else if (stride == 2)
        depthwise_plane<2>(p, channel, plane, w, output + c);
      else
        depthwise_plane<0>(p, channel, plane, w, output + c);
    }
    input += p.input_lines * p.input_values * p.channels;
    output += p.output_lines * p.output_values * p.channels;
  }
}

}  // namespace device
}  // namespace thimble
