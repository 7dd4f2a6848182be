// Average and maximum of int8 over windows for cores with the DSP instructions (Cortex-M4, M7, M33): four channels at a
// time, 6 instructions for four taps of a window; the portable kernel takes 28.
#pragma once
#include "device/kernels/pool2d.h"

namespace thimble {
namespace device {

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
// Sums of four channels, two in a word: (0, 2) and (1, 3).
struct AverageFour {
  uint32_t even = 0, odd = 0;
  void add(uint32_t word) {
    __asm__("sxtab16 %0, %0, %1" : "+r"(even) : "r"(word));
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(odd) : "r"(word));
  }
  int32_t operator[](int32_t channel) const {
    const uint32_t word = channel & 1 ? odd : even;
    return static_cast<int16_t>(channel & 2 ? word >> 16 : word);
  }
};
struct MaxFour {
  uint32_t top = 0x80808080;
  void add(uint32_t word) {
    uint32_t unused;
    __asm__(
        "ssub8 %1, %2, %0\n"
        "sel %0, %2, %0"
        : "+r"(top), "=&r"(unused)
        : "r"(word)
        : "cc");
  }
  int32_t operator[](int32_t channel) const { return static_cast<int8_t>(top >> (8 * channel)); }
};
#else
template <class Reduce>
struct ReduceFour {
  int32_t values[4] = {Reduce::start(), Reduce::start(), Reduce::start(), Reduce::start()};
  void add(uint32_t word) {
    for (int32_t i = 0; i < 4; ++i) values[i] = Reduce::next(values[i], static_cast<int8_t>(word >> (8 * i)));
  }
  int32_t operator[](int32_t channel) const { return values[channel]; }
};
using AverageFour = ReduceFour<AverageInteger>;
using MaxFour = ReduceFour<MaxInteger<-128> >;
#endif

// One pixel of the output: `rows` rows of `cols` taps, a tap is `channels` bytes from the last one, a row `row`.
template <class Reduce, class Four>
inline void pool2d_pixel_of_four(const Pool2DParams& p, const int8_t* corner, int32_t rows, int32_t cols, int32_t row,
                                 int8_t* output) {
  const int32_t channels = p.channels, count = rows * cols;
  for (int32_t c = 0; c < channels; c += 4) {
    Four sums;
    const int8_t* x = corner + c;
    for (int32_t y = rows; y > 0; --y, x += row - cols * channels)
      for (int32_t i = cols; i > 0; --i, x += channels) {
        uint32_t word;
        __builtin_memcpy(&word, x, sizeof(word));
        sums.add(word);
      }
    for (int32_t i = 0; i < 4; ++i)
      output[c + i] = static_cast<int8_t>(clamp(Reduce::last(sums[i], count), p.activation_min, p.activation_max));
  }
}

template <class Reduce, class Four>
inline void pool2d_by_four(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  const int32_t row = p.input_w * p.channels;
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * row)
    for (int32_t oy = 0; oy < p.output_h; ++oy) {
      const TapRange rows = taps_inside(oy, p.stride_h, p.padding_h, 1, p.window_h, p.input_h);
      for (int32_t ox = 0; ox < p.output_w; ++ox, output += p.channels) {
        const TapRange cols = taps_inside(ox, p.stride_w, p.padding_w, 1, p.window_w, p.input_w);
        const int8_t* corner = input + (rows.origin + rows.begin) * row + (cols.origin + cols.begin) * p.channels;
        int32_t height = rows.end - rows.begin, width = cols.end - cols.begin;
        if (width == p.input_w) width *= height, height = 1;  // whole rows lie behind each other
        pool2d_pixel_of_four<Reduce, Four>(p, corner, height, width, row, output);
      }
    }
}

// As average_pool2d_s8, for channels in fours and windows of up to 255 taps.
inline void average_pool2d_s8_arm_dsp(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  pool2d_by_four<AverageInteger, AverageFour>(p, input, output);
}

// As max_pool2d_s8, for channels in fours.
inline void max_pool2d_s8_arm_dsp(const Pool2DParams& p, const int8_t* input, int8_t* output) {
  pool2d_by_four<MaxInteger<-128>, MaxFour>(p, input, output);
}

}  // namespace device
}  // namespace thimble
