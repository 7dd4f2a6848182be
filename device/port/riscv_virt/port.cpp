// QEMU's "virt" machine: a 16550 UART and no pins. Register addresses: qemu/hw/riscv/virt.c and the 16550's data sheet.
#include "device/port/port.h"

#include "board_config.h"
#include "device/base/status.h"

namespace {

constexpr uint32_t kUart = 0x10000000;
constexpr int kPollLimit = 100000;

volatile uint8_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint8_t*>(address); }

}  // namespace

extern "C" {

uint8_t port_init(void) { return static_cast<uint8_t>(thimble::device::Status::ok); }

void port_console(const char* text, int32_t length) {
  constexpr uint32_t kTransmitEmpty = 1u << 5;
  for (int32_t i = 0; i < length; ++i) {
    for (int poll = 0; (reg(kUart + 5) & kTransmitEmpty) == 0; ++poll)
      if (poll == kPollLimit) return;
    reg(kUart) = static_cast<uint8_t>(text[i]);
  }
}

uint32_t port_ticks_per_second(void) { return BOARD_CLOCK_HZ; }

void port_pins(uint32_t) {}

void port_pwm(int32_t) {}
}
