#include "signal/blocks.h"

#include <cmath>

namespace thimble::signals {

std::span<const SignalBlock* const> all() {
  static const SignalBlock* const list[] = {
#define THIMBLE_SIGNAL(name) &name(),
#include "signal/signals.def"
#undef THIMBLE_SIGNAL
  };
  return list;
}

const SignalBlock* find(std::string_view name) {
  for (const SignalBlock* block : all())
    if (block->name == name) return block;
  return nullptr;
}

int to_samples(const SignalConfig& config, double milliseconds) {
  return static_cast<int>(std::lround(milliseconds * config.sample_rate_hz / 1000.0));
}

}  // namespace thimble::signals
