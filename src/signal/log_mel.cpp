// Log-mel energies: Hann window, power spectrum, triangular mel bands, logarithm above a noise floor.
#include "device/dsp/log_mel.h"

#include "signal/mel.h"

namespace thimble::signals {

namespace {

Outcome build(Signal& signal) {
  THIMBLE_LET(const MelTables tables, make_mel_tables(signal));
  signal.features = signal.config.channels * tables.params.bands;
  signal.feature_scale = 1.0 / 256;
  signal.call = KernelCall::make("log_mel_s16", tables.params);
  add_mel_operands(tables, signal.call);
  signal.call.operand(ValueId{1});
  signal.call.operand(ScratchBytes{DType::i32, 4 * (tables.params.fft_size + 2)});
  return {};
}

}  // namespace

const SignalBlock& log_mel() {
  static const SignalBlock block = {"log_mel",
                                    "Log-mel energies in units of a doubling of power, above a floor of white noise.",
                                    mel_settings(), build};
  return block;
}

}  // namespace thimble::signals
