// The port functions of Arm's FPGA boards: CMSDK UART and the FPGA's LED registers. The clock is fixed, so nothing has
// to start. A board's port.cpp defines kUart0, kFpgaLeds and kBoardLeds, where these registers lie, and includes this
// once.
#pragma once
#include "board_config.h"
#include "device/base/status.h"
#include "device/port/cortex_m/systick.h"
#include "device/port/port.h"

namespace {

volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

constexpr int kPollLimit = 100000;
constexpr int32_t kBarLeds = 8;

}  // namespace

extern "C" {

uint8_t port_init(void) {
  thimble::device::systick_start();
  reg(kUart0 + 0x10) = BOARD_CLOCK_HZ / BOARD_UART_BAUD;
  reg(kUart0 + 0x08) = 1;  // transmit
  return static_cast<uint8_t>(thimble::device::Status::ok);
}

void port_console(const char* text, int32_t length) {
  constexpr uint32_t kTransmitFull = 1;
  for (int32_t i = 0; i < length; ++i) {
    for (int poll = 0; (reg(kUart0 + 0x04) & kTransmitFull) != 0; ++poll)
      if (poll == kPollLimit) return;
    reg(kUart0) = static_cast<uint8_t>(text[i]);
  }
}

uint32_t port_ticks_per_second(void) { return BOARD_CLOCK_HZ; }

// The register takes all actuators; the board has lamps on its two lowest bits.
void port_pins(uint32_t on) { reg(kFpgaLeds) = on; }

// No PWM output here: the eight board LEDs show the value as a bar.
void port_pwm(int32_t per_mille) { reg(kBoardLeds) = (1u << (per_mille * kBarLeds / 1000)) - 1; }
}
