#include "device/port/cortex_m/systick.h"

#include "device/port/port.h"

namespace {

// Counts down and wraps when it reaches 0, from where it goes to kReload: 2^24 ticks a round.
constexpr uint32_t kReload = 0xFFFFFF;
constexpr uint32_t kEnableWithInterruptOnCoreClock = 7;
constexpr uint32_t kSysTickPending = 1u << 26;

volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }
volatile uint32_t& control() { return reg(0xE000E010); }
volatile uint32_t& reload() { return reg(0xE000E014); }
volatile uint32_t& current() { return reg(0xE000E018); }
volatile uint32_t& interrupt_state() { return reg(0xE000ED04); }

volatile uint32_t overflows = 0;

}  // namespace

namespace thimble {
namespace device {

void systick_start() {
  reload() = kReload;
  current() = 0;
  control() = kEnableWithInterruptOnCoreClock;
}

}  // namespace device
}  // namespace thimble

extern "C" {

void systick_handler(void) { overflows = overflows + 1; }

uint64_t port_ticks(void) {
  for (;;) {
    const uint32_t before = overflows;
    const uint32_t down = current();
    const bool pending = (interrupt_state() & kSysTickPending) != 0;
    // Taken again when the interrupt ran in between, or is about to: the count and the overflows must belong together.
    if (before == overflows && !pending) return (static_cast<uint64_t>(before) << 24) + ((0 - down) & kReload);
  }
}
}
