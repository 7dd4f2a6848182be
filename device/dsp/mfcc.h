// Mel-frequency cepstral coefficients of one frame: the orthonormal DCT-II of the log-mel energies.
#pragma once
#include "device/dsp/log_mel.h"

namespace thimble {
namespace device {

// As LogMelParams; coefficients: how many of the DCT are kept, <= bands.
THIMBLE_PARAMS(MfccParams, frame_samples, channels, fft_size, bands, max_shift, floor_shift, coefficients);

// Operands as log_mel_s16, and dct [coefficients, bands] Q14. features [channels, coefficients] Q6; scratch [fft_size +
// 2 + bands].
inline void mfcc_s16(const MfccParams& p, const int16_t* samples, const int16_t* window, const int32_t* twiddles,
                     const int16_t* band_bins, const int16_t* weights, const int32_t* floors, const int16_t* log2_table,
                     const int16_t* dct, int16_t* features, int32_t* scratch) {
  const LogMelParams mel = {p.frame_samples, p.channels, p.fft_size, p.bands, p.max_shift, p.floor_shift};
  int32_t* levels = scratch + p.fft_size + 2;
  for (int32_t channel = 0; channel < p.channels; ++channel) {
    log_mel_channel(mel, samples + channel, window, twiddles, band_bins, weights, floors, log2_table, levels, scratch);
    for (int32_t c = 0; c < p.coefficients; ++c) {
      int32_t sum = 1 << 15;
      for (int32_t band = 0; band < p.bands; ++band) sum += levels[band] * dct[c * p.bands + band];
      *features++ = static_cast<int16_t>(sum >> 16);
    }
  }
}

}  // namespace device
}  // namespace thimble
