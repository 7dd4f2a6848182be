// The host half of signal processing: from a project's [signal] words to tables and one kernel call per frame, which is
// the very call the device makes. Features are int16; what they mean as real numbers is feature_scale.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/attrs.h"
#include "graph/kernel_call.h"

namespace thimble {

// As written in thimble.toml. Names in `settings` are those of the block (log_mel: frame_ms, hop_ms, mel_bands, low_hz,
// high_hz ...).
struct SignalConfig {
  std::string block = "log_mel";  // see signal/signals.def
  int sample_rate_hz = 16000;     // 0 for tables
  int channels = 1;
  double window_ms = 1000;  // sound behind one inference; ignored by `raw` tables
  double value_scale = 0;   // raw: one int16 step as a real number
  Attrs settings;
};

// A resolved pipeline. Samples come interleaved; a frame is frame_samples moments of all channels.
struct Signal {
  SignalConfig config;
  int frame_samples = 0;     // per channel
  int hop_samples = 0;       // per channel
  int frames = 0;            // in one model input
  int features = 0;          // per frame
  double feature_scale = 0;  // real feature = feature_scale * int16
  // Operands: ValueId 0 = samples int16 [frame_samples * channels], ValueId 1 = features int16 [features]; the rest
  // constants, scratch.
  KernelCall call;
  uint32_t fingerprint = 0;  // CRC-32 of kernel, parameters, tables, frames: same number, same features. Never 0.

  int window_samples() const { return frame_samples + (frames - 1) * hop_samples; }
  // Of the model: [1, frames, features, 1]; for tables [1, features].
  Shape input_shape() const { return config.sample_rate_hz == 0 ? Shape{1, features} : Shape{1, frames, features, 1}; }
};

// Errors: usage (unknown block or setting, with the nearest name; value out of range, with the range).
Result<Signal> make_signal(const SignalConfig& config);

// Names of all blocks and, for one block, its settings with their defaults.
std::vector<std::string> signal_blocks();
Attrs default_settings(std::string_view block);

// Runs one frame: exactly the device's kernel.
void compute_frame(const Signal& signal, std::span<const int16_t> samples, std::span<int16_t> features);

// Features [frames, features] that a device holds after hearing a recording from its start: of the window_samples()
// before its last whole frame. Shorter recordings are preceded by silence.
std::vector<int16_t> compute_features(const Signal& signal, std::span<const int16_t> samples);

}  // namespace thimble
