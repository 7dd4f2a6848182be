// Tables and parameters that the log-mel and MFCC kernels share, from double-precision formulas.
#pragma once
#include <vector>

#include "device/dsp/log_mel.h"
#include "signal/blocks.h"

namespace thimble::signals {

struct MelTables {
  device::LogMelParams params;
  std::vector<int16_t> window;      // [frame_samples] Q15
  std::vector<int32_t> twiddles;    // [fft_size / 2] of (cos, sin), Q31
  std::vector<int16_t> band_bins;   // [bands] of (first bin, bins)
  std::vector<int16_t> weights;     // [sum of bins] Q15, each band's largest = 32767
  std::vector<int32_t> floors;      // [bands] of (floor, its log2 in Q14)
  std::vector<int16_t> log2_table;  // Q14
};

// The settings that both blocks have.
std::vector<Setting> mel_settings();

// Sets the frame fields of signal and makes the tables. Errors: usage.
Result<MelTables> make_mel_tables(Signal& signal);

// Adds the operands up to and including the log2 table: samples, window ... log2_table.
void add_mel_operands(const MelTables& tables, KernelCall& call);

}  // namespace thimble::signals
