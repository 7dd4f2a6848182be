// What a board's actuators did, from the emulator's own log: evidence that does not come from the firmware.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "firmware/board.h"

namespace thimble {

struct PinEvent {
  double seconds = 0;      // virtual time of the last timer reading before it
  uint32_t actuators = 0;  // bits that are on from then
};

// The emulator's log options that make it report pins and the timer: "unimp,trace:systick_read,...".
std::string trace_options(const Board& board);

// Changes of the actuators, all off before the first. Lines that are something else are skipped.
Result<std::vector<PinEvent>> parse_pin_trace(std::string_view log, const Board& board);

}  // namespace thimble
