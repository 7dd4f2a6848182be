// Rows of int8 inputs times int8 filters on cores with MVE: fully connected layers, pointwise convolutions, and other
// convolutions of patches that were gathered before.
//
// Packing of weights (src/ops/arm_mve.cpp): filters go in fours, of which first 0 and 2, then 1 and 3: for every
// 16 inputs 16 weights of the one, then 16 of the other, zeros behind the last. Constants, 12 int32 for four filters:
// bias of filters 0, 2, 1, 3; multiplier of 0 ... 3; shift of 0 ... 3, which is 0 or less.
// Register block: 3 rows x 2 filters, 12 instructions for 96 products; the last inputs come by tail predication. About
// 5 instructions more per output. Up to 16 inputs: 65 instructions for 3 rows x 4 filters in all.
#pragma once
#include "device/kernels/fully_connected.h"
#include "device/kernels/mve.h"

namespace thimble {
namespace device {

constexpr int32_t kMveRows = 3;
constexpr int32_t kMveBlock = 16;                 // weights of one filter side by side
constexpr int32_t kMveConstants = 3 * kMveLanes;  // of four filters

inline int32_t mve_padded(int32_t inputs) { return (inputs + kMveBlock - 1) / kMveBlock * kMveBlock; }

// Rows of inputs (kMveRows, or only the first) times all filters; what the loops below read, at these places.
struct MveProduct {
  const int8_t* rows[kMveRows];
  int32_t inputs;
  const int8_t* weights;
  const int32_t* constants;
  int32_t zero_point, outputs;
  int8_t* output;
  int32_t left;  // outputs
  int32_t min, max;
  int32_t pair_bytes;  // weights of two filters
};

#if defined(__ARM_FEATURE_MVE)

static_assert(sizeof(MveProduct) == 52, "the loops below know where its fields lie");

// GCC 12 keeps the sums of these loops in memory. Two filters times three rows, then the next two: sums of filters 0
// and 2 go to lanes 0 and 2 of q3, q4 and q5, those of 1 and 3 to the others. r7 weights, r9 constants, r11 the
// product, r12 inputs.
__attribute__((naked, noinline)) inline void mve_three_rows(MveProduct*) {
  __asm volatile(
      "push {r4-r11, lr}\n"
      "vpush {d8-d15}\n"
      "mov r11, r0\n"
      "ldr r12, [r11, #12]\n"
      "ldrd r7, r9, [r11, #16]\n"
      "ldrd r0, r2, [r11, #40]\n"
      "vdup.32 q6, r0\n"
      "vdup.32 q7, r2\n"
      "1:\n"
      "ldrd r0, r2, [r9], #8\n"
      "mov r4, r0\n"
      "mov r6, r2\n"
      "mov r8, r0\n"
      "mov r10, r2\n"
      "ldrd r1, r3, [r11]\n"
      "ldr r5, [r11, #8]\n"
      "dlstp.8 lr, r12\n"
      "2: vldrb.8 q1, [r7, #16]\n"
      "vldrb.8 q0, [r7], #32\n"
      "vldrb.8 q2, [r1], #16\n"
      "vmladava.s8 r0, q0, q2\n"
      "vmladava.s8 r2, q1, q2\n"
      "vldrb.8 q2, [r3], #16\n"
      "vmladava.s8 r4, q0, q2\n"
      "vmladava.s8 r6, q1, q2\n"
      "vldrb.8 q2, [r5], #16\n"
      "vmladava.s8 r8, q0, q2\n"
      "vmladava.s8 r10, q1, q2\n"
      "letp lr, 2b\n"
      "vmov q3[2], q3[0], r0, r2\n"
      "vmov q4[2], q4[0], r4, r6\n"
      "vmov q5[2], q5[0], r8, r10\n"
      "ldrd r0, r2, [r9], #8\n"
      "mov r4, r0\n"
      "mov r6, r2\n"
      "mov r8, r0\n"
      "mov r10, r2\n"
      "ldrd r1, r3, [r11]\n"
      "ldr r5, [r11, #8]\n"
      "dlstp.8 lr, r12\n"
      "3: vldrb.8 q1, [r7, #16]\n"
      "vldrb.8 q0, [r7], #32\n"
      "vldrb.8 q2, [r1], #16\n"
      "vmladava.s8 r0, q0, q2\n"
      "vmladava.s8 r2, q1, q2\n"
      "vldrb.8 q2, [r3], #16\n"
      "vmladava.s8 r4, q0, q2\n"
      "vmladava.s8 r6, q1, q2\n"
      "vldrb.8 q2, [r5], #16\n"
      "vmladava.s8 r8, q0, q2\n"
      "vmladava.s8 r10, q1, q2\n"
      "letp lr, 3b\n"
      "vmov q3[3], q3[1], r0, r2\n"
      "vmov q4[3], q4[1], r4, r6\n"
      "vmov q5[3], q5[1], r8, r10\n"
      "vldrw.32 q0, [r9], #16\n"
      "vldrw.32 q1, [r9], #16\n"
      "ldrd r0, r1, [r11, #24]\n"
      "ldrd r2, r4, [r11, #32]\n"
      "add r3, r2, r1\n"
      "add r5, r3, r1\n"
      "vqrdmulh.s32 q3, q3, q0\n"
      "vqrdmulh.s32 q4, q4, q0\n"
      "vqrdmulh.s32 q5, q5, q0\n"
      "vshr.u32 q0, q1, #31\n"
      "vqdmulh.s32 q2, q3, q0\n"
      "vqadd.s32 q3, q3, q2\n"
      "vrshl.s32 q3, q3, q1\n"
      "vqadd.s32 q3, q3, r0\n"
      "vmax.s32 q3, q3, q6\n"
      "vmin.s32 q3, q3, q7\n"
      "vqdmulh.s32 q2, q4, q0\n"
      "vqadd.s32 q4, q4, q2\n"
      "vrshl.s32 q4, q4, q1\n"
      "vqadd.s32 q4, q4, r0\n"
      "vmax.s32 q4, q4, q6\n"
      "vmin.s32 q4, q4, q7\n"
      "vqdmulh.s32 q2, q5, q0\n"
      "vqadd.s32 q5, q5, q2\n"
      "vrshl.s32 q5, q5, q1\n"
      "vqadd.s32 q5, q5, r0\n"
      "vmax.s32 q5, q5, q6\n"
      "vmin.s32 q5, q5, q7\n"
      "vctp.32 r4\n"
      "vpsttt\n"
      "vstrbt.32 q3, [r2], #4\n"
      "vstrbt.32 q4, [r3]\n"
      "vstrbt.32 q5, [r5]\n"
      "subs r4, r4, #4\n"
      "strd r2, r4, [r11, #32]\n"
      "bgt 1b\n"
      "vpop {d8-d15}\n"
      "pop {r4-r11, pc}\n");
}

// The same for at most 16 inputs: the rows stay in q0, q1 and q2.
__attribute__((naked, noinline)) inline void mve_three_short_rows(MveProduct*) {
  __asm volatile(
      "push {r4-r11, lr}\n"
      "vpush {d8-d15}\n"
      "mov r11, r0\n"
      "ldr r12, [r11, #12]\n"
      "ldrd r0, r2, [r11]\n"
      "ldr r4, [r11, #8]\n"
      "vctp.8 r12\n"
      "vpsttt\n"
      "vldrbt.8 q0, [r0]\n"
      "vldrbt.8 q1, [r2]\n"
      "vldrbt.8 q2, [r4]\n"
      "ldrd r7, r9, [r11, #16]\n"
      "ldrd lr, r0, [r11, #24]\n"
      "ldrd r1, r12, [r11, #32]\n"
      "add r3, r1, r0\n"
      "add r5, r3, r0\n"
      "1:\n"
      "vldrb.8 q6, [r7], #16\n"
      "vmladav.s8 r0, q6, q0\n"
      "vmladav.s8 r4, q6, q1\n"
      "vmladav.s8 r8, q6, q2\n"
      "vldrb.8 q7, [r7], #16\n"
      "vmladav.s8 r2, q7, q0\n"
      "vmladav.s8 r6, q7, q1\n"
      "vmladav.s8 r10, q7, q2\n"
      "vmov q3[2], q3[0], r0, r2\n"
      "vmov q4[2], q4[0], r4, r6\n"
      "vmov q5[2], q5[0], r8, r10\n"
      "vldrb.8 q6, [r7], #16\n"
      "vmladav.s8 r0, q6, q0\n"
      "vmladav.s8 r4, q6, q1\n"
      "vmladav.s8 r8, q6, q2\n"
      "vldrb.8 q7, [r7], #16\n"
      "vmladav.s8 r2, q7, q0\n"
      "vmladav.s8 r6, q7, q1\n"
      "vmladav.s8 r10, q7, q2\n"
      "vmov q3[3], q3[1], r0, r2\n"
      "vmov q4[3], q4[1], r4, r6\n"
      "vmov q5[3], q5[1], r8, r10\n"
      "ldrd r0, r2, [r9], #8\n"
      "ldrd r4, r6, [r9], #8\n"
      "vmov q6[2], q6[0], r0, r2\n"
      "vmov q6[3], q6[1], r4, r6\n"
      "vadd.i32 q3, q3, q6\n"
      "vadd.i32 q4, q4, q6\n"
      "vadd.i32 q5, q5, q6\n"
      "vldrw.32 q6, [r9], #16\n"
      "vldrw.32 q7, [r9], #16\n"
      "vqrdmulh.s32 q3, q3, q6\n"
      "vqrdmulh.s32 q4, q4, q6\n"
      "vqrdmulh.s32 q5, q5, q6\n"
      "vand q6, q3, q7\n"
      "vshr.s32 q6, q6, #31\n"
      "vqadd.s32 q3, q3, q6\n"
      "vrshl.s32 q3, q3, q7\n"
      "vqadd.s32 q3, q3, lr\n"
      "vand q6, q4, q7\n"
      "vshr.s32 q6, q6, #31\n"
      "vqadd.s32 q4, q4, q6\n"
      "vrshl.s32 q4, q4, q7\n"
      "vqadd.s32 q4, q4, lr\n"
      "vand q6, q5, q7\n"
      "vshr.s32 q6, q6, #31\n"
      "vqadd.s32 q5, q5, q6\n"
      "vrshl.s32 q5, q5, q7\n"
      "vqadd.s32 q5, q5, lr\n"
      "ldrd r0, r2, [r11, #40]\n"
      "vdup.32 q6, r0\n"
      "vdup.32 q7, r2\n"
      "vmax.s32 q3, q3, q6\n"
      "vmin.s32 q3, q3, q7\n"
      "vmax.s32 q4, q4, q6\n"
      "vmin.s32 q4, q4, q7\n"
      "vmax.s32 q5, q5, q6\n"
      "vmin.s32 q5, q5, q7\n"
      "vctp.32 r12\n"
      "vpsttt\n"
      "vstrbt.32 q3, [r1], #4\n"
      "vstrbt.32 q4, [r3], #4\n"
      "vstrbt.32 q5, [r5], #4\n"
      "subs r12, r12, #4\n"
      "bgt 1b\n"
      "vpop {d8-d15}\n"
      "pop {r4-r11, pc}\n");
}

// Four filters times one row.
__attribute__((naked, noinline)) inline void mve_one_row(MveProduct*) {
  __asm volatile(
      "push {r4-r11, lr}\n"
      "vpush {d8-d15}\n"
      "mov r11, r0\n"
      "ldr r12, [r11, #12]\n"
      "ldrd r7, r9, [r11, #16]\n"
      "ldrd r0, r2, [r11, #40]\n"
      "vdup.32 q6, r0\n"
      "vdup.32 q7, r2\n"
      "ldrd r5, r8, [r11, #32]\n"
      "ldr r10, [r11, #48]\n"
      "1: ldr r1, [r11]\n"
      "add r3, r7, r10\n"
      "ldrd r0, r2, [r9], #8\n"
      "ldrd r4, r6, [r9], #8\n"
      "dlstp.8 lr, r12\n"
      "2: vldrb.8 q2, [r1], #16\n"
      "vldrb.8 q1, [r7, #16]\n"
      "vldrb.8 q0, [r7], #32\n"
      "vmladava.s8 r0, q0, q2\n"
      "vmladava.s8 r2, q1, q2\n"
      "vldrb.8 q1, [r3, #16]\n"
      "vldrb.8 q0, [r3], #32\n"
      "vmladava.s8 r4, q0, q2\n"
      "vmladava.s8 r6, q1, q2\n"
      "letp lr, 2b\n"
      "vmov q3[2], q3[0], r0, r2\n"
      "vmov q3[3], q3[1], r4, r6\n"
      "mov r7, r3\n"
      "vldrw.32 q0, [r9], #16\n"
      "vldrw.32 q1, [r9], #16\n"
      "ldr r0, [r11, #24]\n"
      "vqrdmulh.s32 q3, q3, q0\n"
      "vand q2, q3, q1\n"
      "vshr.s32 q2, q2, #31\n"
      "vqadd.s32 q3, q3, q2\n"
      "vrshl.s32 q3, q3, q1\n"
      "vqadd.s32 q3, q3, r0\n"
      "vmax.s32 q3, q3, q6\n"
      "vmin.s32 q3, q3, q7\n"
      "vctp.32 r8\n"
      "vpst\n"
      "vstrbt.32 q3, [r5], #4\n"
      "subs r8, r8, #4\n"
      "bgt 1b\n"
      "vpop {d8-d15}\n"
      "pop {r4-r11, pc}\n");
}

#else

inline void mve_row(const MveProduct& p, const int8_t* x, int8_t* output) {
  for (int32_t o = 0; o < p.outputs; ++o) {
    const int32_t lane = o % kMveLanes, pair = lane % 2, filter = lane / 2;
    const int32_t* constants = p.constants + o / kMveLanes * kMveConstants;
    const int8_t* w = p.weights + (o / kMveLanes * 2 + pair) * p.pair_bytes + filter * kMveBlock;
    int32_t sum = constants[pair * 2 + filter];
    for (int32_t i = 0; i < p.inputs; ++i)
      sum = wrapping_add(sum, x[i] * w[i / kMveBlock * 2 * kMveBlock + i % kMveBlock]);
    const int32_t value = requantize(sum, constants[kMveLanes + lane], constants[2 * kMveLanes + lane]);
    output[o] = static_cast<int8_t>(clamp(value, p.min - p.zero_point, p.max - p.zero_point) + p.zero_point);
  }
}
inline void mve_three_rows(MveProduct* p) {
  for (int32_t r = 0; r < kMveRows; ++r) mve_row(*p, p->rows[r], p->output + r * p->outputs);
}
inline void mve_three_short_rows(MveProduct* p) { mve_three_rows(p); }
inline void mve_one_row(MveProduct* p) { mve_row(*p, p->rows[0], p->output); }

#endif

// Weights and constants as above; `inputs` products for each of the outputs.
class MveFilters {
 public:
  template <class Params>
  MveFilters(const Params& p, int32_t inputs, int32_t outputs, const int8_t* weights, const int32_t* constants)
      : weights_(weights), constants_(constants) {
    product_.inputs = inputs;
    product_.pair_bytes = 2 * mve_padded(inputs);
    product_.outputs = outputs;
    product_.zero_point = p.output_zero_point;
    product_.min = p.activation_min;
    product_.max = p.activation_max;
  }

  // rows of inputs, one behind the other, to as many rows of outputs.
  void multiply(const int8_t* x, int32_t rows, int8_t* output) {
    const int32_t inputs = product_.inputs;
    for (int32_t step; rows > 0; rows -= step, x += step * inputs, output += step * product_.outputs) {
      step = rows >= kMveRows ? kMveRows : 1;
      for (int32_t r = 0; r < step; ++r) product_.rows[r] = x + r * inputs;
      product_.weights = weights_;
      product_.constants = constants_;
      product_.output = output;
      product_.left = product_.outputs;
      if (step < kMveRows)
        mve_one_row(&product_);
      else if (inputs <= kMveBlock)
        mve_three_short_rows(&product_);
      else
        mve_three_rows(&product_);
    }
  }

 private:
  MveProduct product_;
  const int8_t* weights_;
  const int32_t* constants_;
};

// input [rows, inputs], weights and constants as above, output [rows, outputs]. Also a convolution of single pixels.
inline void fully_connected_s8_arm_mve(const FullyConnectedIntegerParams& p, const int8_t* input, const int8_t* weights,
                                       const int32_t* constants, int8_t* output) {
  MveFilters(p, p.inputs, p.outputs, weights, constants).multiply(input, p.rows, output);
}

}  // namespace device
}  // namespace thimble
