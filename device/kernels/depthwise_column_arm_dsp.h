// Depthwise convolution of int8 whose window is the whole input, on cores with the DSP extension: one output pixel, as
// streaming models have them. Four neighbouring channels at a time: a word of inputs, a word of weights, four products.
// About 3 instructions per product.
#pragma once
#include "device/base/params.h"
#include "device/kernels/blocks_arm_dsp.h"
#include "device/kernels/requantize_right.h"

namespace thimble {
namespace device {

// channels: a multiple of 4. taps: of the window, and pixels of the input. Outputs take the whole of int8.
THIMBLE_PARAMS(DepthwiseColumnParams, batches, channels, taps, output_zero_point);

// weights [taps, channels]; bias with the input zero point folded in, multiplier, shift (-31 to -1): [channels].
inline void depthwise_column_s8_arm_dsp(const DepthwiseColumnParams& p, const int8_t* input, const int8_t* weights,
                                        const int32_t* bias, const int32_t* multiplier, const int8_t* shift,
                                        int8_t* output) {
  const auto low = [](uint32_t word) { return static_cast<int32_t>(static_cast<int16_t>(word)); };
  const auto high = [](uint32_t word) { return static_cast<int32_t>(word) >> 16; };
  for (int32_t n = 0; n < p.batches; ++n, input += p.taps * p.channels)
    for (int32_t c = 0; c < p.channels; c += 4, output += 4) {
      int32_t sums[4] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
      const int8_t *x = input + c, *w = weights + c;
      for (int32_t tap = p.taps; tap > 0; --tap, x += p.channels, w += p.channels) {
        uint32_t values, factors;
        __builtin_memcpy(&values, x, sizeof(values));
        __builtin_memcpy(&factors, w, sizeof(factors));
        const uint32_t even = extend_bytes(values), odd = extend_rotated_bytes(values);
        const uint32_t even_factors = extend_bytes(factors), odd_factors = extend_rotated_bytes(factors);
        sums[0] += low(even) * low(even_factors);
        sums[1] += low(odd) * low(odd_factors);
        sums[2] += high(even) * high(even_factors);
        sums[3] += high(odd) * high(odd_factors);
      }
#pragma GCC unroll 4
      for (int32_t j = 0; j < 4; ++j) {
        const int32_t value = requantize_right(2 * sums[j], multiplier[c + j], -shift[c + j]) + p.output_zero_point;
        output[j] = static_cast<int8_t>(clamp(value, -128, 127));
      }
    }
}

}  // namespace device
}  // namespace thimble
