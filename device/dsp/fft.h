// Power spectrum of a real signal in integer arithmetic: a complex FFT of half the length on int32 data with Q31
// twiddle factors, then the split into the real signal's spectrum. Every radix-2 stage halves, so nothing can overflow;
// the rounding error stays near the last bit of 32, far below that of the 16-bit samples. Only 32 x 32 -> high 32 bit
// products: one instruction on most cores.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

inline int32_t multiply_high(int32_t a, int32_t b) { return static_cast<int32_t>((static_cast<int64_t>(a) * b) >> 32); }

// The first two stages (twiddles 1 and -i only) on data [points] of (re, im) in bit-reversed order, each number shifted
// left by `shift` first. Result / 4.
inline void fft_first_stages(int32_t* data, int32_t points, int32_t shift) {
  const auto scaled = [shift](int32_t v) { return static_cast<int32_t>(static_cast<uint32_t>(v) << shift) >> 2; };
  for (int32_t* z = data; z != data + 2 * points; z += 8) {
    const int32_t re0 = scaled(z[0]), im0 = scaled(z[1]), re1 = scaled(z[2]), im1 = scaled(z[3]);
    const int32_t re2 = scaled(z[4]), im2 = scaled(z[5]), re3 = scaled(z[6]), im3 = scaled(z[7]);
    const int32_t sum0_re = re0 + re1, sum0_im = im0 + im1, dif0_re = re0 - re1, dif0_im = im0 - im1;
    const int32_t sum1_re = re2 + re3, sum1_im = im2 + im3, dif1_re = re2 - re3, dif1_im = im2 - im3;
    z[0] = sum0_re + sum1_re;
    z[1] = sum0_im + sum1_im;
    z[2] = dif0_re + dif1_im;
    z[3] = dif0_im - dif1_re;
    z[4] = sum0_re - sum1_re;
    z[5] = sum0_im - sum1_im;
    z[6] = dif0_re - dif1_im;
    z[7] = dif0_im + dif1_re;
  }
}

// Discrete Fourier transform / points of data [points] of (re, im), given in bit-reversed order, delivered in order.
// |re|, |im| < 2^30 after the shift. twiddles: (cos, sin)(2 pi k / (2 * points)) in Q31, k < points; points >= 4, a
// power of two.
inline void fft(int32_t* data, int32_t points, int32_t shift, const int32_t* twiddles) {
  fft_first_stages(data, points, shift);
  for (int32_t half = 4; half < points; half *= 2) {
    const int32_t twiddle_step = 2 * (points / half);
    for (int32_t j = 0; j < half; ++j) {
      const int32_t c = twiddles[j * twiddle_step], s = twiddles[j * twiddle_step + 1];
      for (int32_t* a = data + 2 * j; a < data + 2 * points; a += 4 * half) {
        int32_t* b = a + 2 * half;
        const int32_t b_re = b[0], b_im = b[1];
        const int32_t turned_re = multiply_high(b_re, c) + multiply_high(b_im, s);
        const int32_t turned_im = multiply_high(b_im, c) - multiply_high(b_re, s);
        const int32_t a_re = a[0], a_im = a[1];
        a[0] = (a_re >> 1) + turned_re;
        a[1] = (a_im >> 1) + turned_im;
        b[0] = (a_re >> 1) - turned_re;
        b[1] = (a_im >> 1) - turned_im;
      }
    }
  }
}

// |re + i im|^2 as (low, high) words, in the place of (re, im).
inline void store_power(int32_t* word, int32_t re, int32_t im) {
  const uint64_t power =
      static_cast<uint64_t>(static_cast<int64_t>(re) * re) + static_cast<uint64_t>(static_cast<int64_t>(im) * im);
  word[0] = static_cast<int32_t>(static_cast<uint32_t>(power));
  word[1] = static_cast<int32_t>(static_cast<uint32_t>(power >> 32));
}

// From the transform of z[n] = x[2n] + i x[2n+1] to the power of x's spectrum: |X[k] / (2 * points)|^2 for k = 0 ..
// points, as (low, high) words of 64 bits, in place; data has room for points + 1 pairs.
inline void power_spectrum(int32_t* data, int32_t points, const int32_t* twiddles) {
  const int32_t first_re = data[0] >> 1, first_im = data[1] >> 1;
  store_power(data, first_re + first_im, 0);
  store_power(data + 2 * points, first_re - first_im, 0);
  for (int32_t k = 1; k <= points / 2; ++k) {
    int32_t* a = data + 2 * k;
    int32_t* b = data + 2 * (points - k);
    const int32_t a_re = a[0], a_im = a[1], b_re = b[0], b_im = b[1];
    const int32_t even_re = (a_re >> 2) + (b_re >> 2), even_im = (a_im >> 2) - (b_im >> 2);
    const int32_t odd_re = (a_im >> 1) + (b_im >> 1), odd_im = (b_re >> 1) - (a_re >> 1);
    const int32_t c = twiddles[2 * k], s = twiddles[2 * k + 1];
    const int32_t turned_re = multiply_high(odd_re, c) + multiply_high(odd_im, s);
    const int32_t turned_im = multiply_high(odd_im, c) - multiply_high(odd_re, s);
    store_power(b, even_re - turned_re, even_im - turned_im);
    store_power(a, even_re + turned_re, even_im + turned_im);
  }
}

}  // namespace device
}  // namespace thimble
