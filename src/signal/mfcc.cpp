// Mel-frequency cepstral coefficients: the first coefficients of the orthonormal DCT-II of the log-mel energies.
#include "device/dsp/mfcc.h"

#include <cmath>
#include <numbers>

#include "signal/mel.h"

namespace thimble::signals {

namespace {

std::vector<int16_t> make_dct(int coefficients, int bands) {
  std::vector<int16_t> dct;
  for (int c = 0; c < coefficients; ++c)
    for (int band = 0; band < bands; ++band) {
      const double scale = std::sqrt((c == 0 ? 1.0 : 2.0) / bands);
      dct.push_back(
          static_cast<int16_t>(std::lround(16384 * scale * std::cos(std::numbers::pi * c * (band + 0.5) / bands))));
    }
  return dct;
}

Outcome build(Signal& signal) {
  const int coefficients = static_cast<int>(signal.config.settings.integer("coefficients"));
  const int bands = static_cast<int>(signal.config.settings.integer("mel_bands"));
  if (coefficients > bands)
    return fail(ErrorCode::usage, fmt::format("{} coefficients of {} mel_bands", coefficients, bands),
                "signal.coefficients", fmt::format("use 1 to {}", bands));
  THIMBLE_LET(const MelTables tables, make_mel_tables(signal));
  const device::LogMelParams& mel = tables.params;
  signal.features = signal.config.channels * coefficients;
  signal.feature_scale = 1.0 / 64;
  signal.call =
      KernelCall::make("mfcc_s16", device::MfccParams{mel.frame_samples, mel.channels, mel.fft_size, mel.bands,
                                                      mel.max_shift, mel.floor_shift, coefficients});
  add_mel_operands(tables, signal.call);
  signal.call.operand(Tensor::from<int16_t>({coefficients, bands}, make_dct(coefficients, bands)));
  signal.call.operand(ValueId{1});
  signal.call.operand(ScratchBytes{DType::i32, 4 * (mel.fft_size + 2 + bands)});
  return {};
}

}  // namespace

const SignalBlock& mfcc() {
  static const SignalBlock block = [] {
    std::vector<Setting> settings = mel_settings();
    settings.push_back({"coefficients", int64_t{10}, 1, 128, "how many of the cosine transform are kept"});
    return SignalBlock{"mfcc", "Mel-frequency cepstral coefficients of the log-mel energies.", std::move(settings),
                       build};
  }();
  return block;
}

}  // namespace thimble::signals
