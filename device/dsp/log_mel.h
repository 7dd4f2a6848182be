// Log-mel energies and mel-frequency cepstral coefficients of one frame, in integer arithmetic only, so that every core
// and the host get the same bits. A feature says how far a band lies above a floor of white noise: log2(1 + energy /
// floor), hence exactly 0 for digital silence. The frame is scaled up to the full word before the FFT, so that quiet
// sounds are as exact as loud ones.
#pragma once
#include "device/base/params.h"
#include "device/dsp/fft.h"

namespace thimble {
namespace device {

// frame_samples: per channel, <= fft_size. max_shift: most the frame is scaled up by, in bits, so that the floor still
// fits. floor_shift: exponent of the floors.
THIMBLE_PARAMS(LogMelParams, frame_samples, channels, fft_size, bands, max_shift, floor_shift);

// Samples times window, zero padded to fft_size, as complex pairs in bit-reversed order. Returns the bits that any
// |value| uses.
inline uint32_t window_frame(const LogMelParams& p, const int16_t* samples, const int16_t* window, int32_t* data) {
  const int32_t points = p.fft_size / 2, frame_samples = p.frame_samples, step = p.channels;
  uint32_t used = 0;
  int32_t at = 0, reversed = 0;
  for (int32_t i = 0; i < 2 * points; i += 2) {
    const int32_t re = i < frame_samples ? samples[at] * window[i] : 0;
    const int32_t im = i + 1 < frame_samples ? samples[at + step] * window[i + 1] : 0;
    at += 2 * step;
    used |= static_cast<uint32_t>((re ^ (re >> 31)) | (im ^ (im >> 31)));
    data[2 * reversed] = re;
    data[2 * reversed + 1] = im;
    int32_t bit = points / 2;
    for (; bit & reversed; bit >>= 1) reversed ^= bit;  // counts upwards, highest bit first
    reversed ^= bit;
  }
  return used;
}

constexpr int32_t kLog2SegmentBits = 6;

// log2(value) in Q14, value > 0. table [2^kLog2SegmentBits + 1]: log2(1 + i / 2^kLog2SegmentBits) in Q14.
inline int32_t log2_q14(uint64_t value, const int16_t* table) {
  const int32_t zeros = __builtin_clzll(value);
  const uint32_t fraction = static_cast<uint32_t>((value << zeros) >> 32) << 1;  // behind the leading one
  const int32_t segment = static_cast<int32_t>(fraction >> (32 - kLog2SegmentBits));
  const int32_t rest = static_cast<int32_t>((fraction >> (16 - kLog2SegmentBits)) & 0xFFFF);
  const int32_t low = table[segment], high = table[segment + 1];
  return ((63 - zeros) << 14) + low + (((high - low) * rest) >> 16);
}

// sum of power[k] * weights[k] / 2^15 over a band's bins. power: (low, high) words; never overflows, because the powers
// of a frame add up to less than 2^60.
inline uint64_t band_energy(const int32_t* power, const int16_t* weights, int32_t bins) {
  uint64_t low = 0, high = 0;
  for (int32_t k = 0; k < bins; ++k) {
    const uint32_t weight = static_cast<uint32_t>(weights[k]);
    low += static_cast<uint64_t>(static_cast<uint32_t>(power[2 * k])) * weight;
    high += static_cast<uint64_t>(static_cast<uint32_t>(power[2 * k + 1])) * weight;
  }
  return (high << 17) + (low >> 15);
}

// One channel's features in Q8; Out: int16_t, or int32_t behind the spectrum in scratch.
template <class Out>
inline void log_mel_channel(const LogMelParams& p, const int16_t* samples, const int16_t* window,
                            const int32_t* twiddles, const int16_t* band_bins, const int16_t* weights,
                            const int32_t* floors, const int16_t* log2_table, Out* features, int32_t* scratch) {
  const uint32_t used = window_frame(p, samples, window, scratch);
  const int32_t room = used == 0 ? p.max_shift : __builtin_clz(used) - 2;
  const int32_t shift = room < p.max_shift ? room : p.max_shift;
  const int32_t points = p.fft_size / 2;
  fft(scratch, points, shift, twiddles);
  power_spectrum(scratch, points, twiddles);

  const int32_t floor_shift = p.floor_shift + 2 * shift;
  for (int32_t band = 0; band < p.bands; ++band) {
    const int32_t first = band_bins[2 * band], bins = band_bins[2 * band + 1];
    const uint64_t mantissa = static_cast<uint32_t>(floors[2 * band]);
    const uint64_t floor = floor_shift >= 0 ? mantissa << floor_shift : mantissa >> -floor_shift;
    const uint64_t energy = band_energy(scratch + 2 * first, weights, bins) + floor;
    const int32_t level = log2_q14(energy | 1, log2_table) - (2 * shift << 14) - floors[2 * band + 1];
    features[band] = static_cast<Out>((level + 32) >> 6);
    weights += bins;
  }
}

// samples [frame_samples, channels]; window [frame_samples] Q15; twiddles [fft_size / 2] of (cos, sin) Q31; band_bins
// [bands] of (first bin, bins); weights [sum of bins] Q15, one band behind the other; floors [bands] of (floor, its
// log2 in Q14); log2_table: see log2_q14. features [channels, bands] Q8; scratch [fft_size + 2].
inline void log_mel_s16(const LogMelParams& p, const int16_t* samples, const int16_t* window, const int32_t* twiddles,
                        const int16_t* band_bins, const int16_t* weights, const int32_t* floors,
                        const int16_t* log2_table, int16_t* features, int32_t* scratch) {
  for (int32_t channel = 0; channel < p.channels; ++channel)
    log_mel_channel(p, samples + channel, window, twiddles, band_bins, weights, floors, log2_table,
                    features + channel * p.bands, scratch);
}

}  // namespace device
}  // namespace thimble
