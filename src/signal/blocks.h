// The contract of a signal block's host half, and the registry.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "signal/signal.h"

namespace thimble::signals {

// One setting of a block. The default's type is the setting's type: integer or real.
struct Setting {
  std::string_view name;
  AttrValue initial;
  double low, high;  // inclusive
  std::string_view doc;
};

struct SignalBlock {
  std::string_view name;
  std::string_view doc;  // one sentence
  std::vector<Setting> settings;
  // Fills frame_samples, hop_samples, frames, features, feature_scale and call from config, whose settings are complete
  // and in range.
  Outcome (*build)(Signal& signal);
};

#define THIMBLE_SIGNAL(name) const SignalBlock& name();
#include "signal/signals.def"
#undef THIMBLE_SIGNAL

// All blocks, in the order of signals.def.
std::span<const SignalBlock* const> all();

// Null when there is none.
const SignalBlock* find(std::string_view name);

// A duration of the configuration in samples per channel.
int to_samples(const SignalConfig& config, double milliseconds);

}  // namespace thimble::signals
