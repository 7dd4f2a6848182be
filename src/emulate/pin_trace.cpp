#include "emulate/pin_trace.h"

#include <charconv>
#include <map>
#include <optional>

namespace thimble {

namespace {

constexpr int kTimerBits = 24;
constexpr std::string_view kTimerRead = "systick_read systick read addr 0x8 data 0x", kTimerWrap = "systick_timer_tick";
constexpr std::string_view kLedWrite = "mps2_fpgaio_write MPS2 FPGAIO write: offset 0x0 data 0x";
constexpr std::string_view kPinWrite = ": unimplemented device write (size 4, offset 0x018, value 0x";

std::optional<uint32_t> hexadecimal(std::string_view text) {
  uint32_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (parsed.ec != std::errc()) return {};
  return value;
}

// Follows the timer and the pins line by line.
class PinTracer {
 public:
  explicit PinTracer(const Board& board) : board_(board) {}

  Outcome start() {
    for (size_t actuator = 0; actuator < board_.pins.size(); ++actuator) {
      THIMBLE_LET(const PinName pin, parse_pin(board_.pins[actuator]));
      actuator_of_[{pin.port, pin.pin}] = static_cast<uint32_t>(actuator);
    }
    return {};
  }

  void line(std::string_view text) {
    if (text.starts_with(kTimerWrap)) {
      ++wraps_;
    } else if (text.starts_with(kTimerRead)) {
      if (const auto left = hexadecimal(text.substr(kTimerRead.size())))
        ticks_ = (wraps_ << kTimerBits) + ((0 - *left) & ((1u << kTimerBits) - 1));
    } else if (text.starts_with(kLedWrite)) {
      if (const auto value = hexadecimal(text.substr(kLedWrite.size()))) change(*value);
    } else if (const size_t at = text.find(kPinWrite); text.starts_with("GPIO") && at == 5) {
      if (const auto value = hexadecimal(text.substr(at + kPinWrite.size()))) set_reset(text[4] - 'A', *value);
    }
  }

  std::vector<PinEvent> events;

 private:
  // BSRR: the lower half sets pins, the upper half resets them; setting wins.
  void set_reset(int port, uint32_t value) {
    uint32_t actuators = state_;
    for (int pin = 0; pin < 16; ++pin) {
      const auto found = actuator_of_.find({port, pin});
      if (found == actuator_of_.end()) continue;
      const uint32_t bit = 1u << found->second;
      if (value >> (pin + 16) & 1) actuators &= ~bit;
      if (value >> pin & 1) actuators |= bit;
    }
    change(actuators);
  }

  // Pins written one after the other without a look at the timer change together.
  void change(uint32_t actuators) {
    if (actuators == state_) return;
    state_ = actuators;
    const double seconds = static_cast<double>(ticks_) / static_cast<double>(board_.runner.systick_hz);
    if (!events.empty() && events.back().seconds == seconds)
      events.back().actuators = actuators;
    else
      events.push_back({seconds, actuators});
  }

  const Board& board_;
  std::map<std::pair<int, int>, uint32_t> actuator_of_;
  uint64_t wraps_ = 0, ticks_ = 0;
  uint32_t state_ = 0;
};

}  // namespace

std::string trace_options(const Board& board) {
  const std::string pins = board.runner.pin_trace == "fpgaio_led" ? "trace:mps2_fpgaio_write" : "unimp";
  return pins + ",trace:systick_read,trace:systick_timer_tick";
}

Result<std::vector<PinEvent>> parse_pin_trace(std::string_view log, const Board& board) {
  PinTracer tracer(board);
  THIMBLE_TRY(tracer.start());
  while (!log.empty()) {
    const size_t end = log.find('\n');
    tracer.line(log.substr(0, end));
    if (end == log.npos) break;
    log.remove_prefix(end + 1);
  }
  return tracer.events;
}

}  // namespace thimble
