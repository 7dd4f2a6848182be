// STM32F405: clock tree, USART1 console, pins by GPIO BSRR, PWM by timer 3. Register addresses and reset values:
// RM0090. board_config.h is generated from the board's data: BOARD_* numbers, and BOARD_PINS / BOARD_PWM_PIN as {port,
// pin} pairs.
#include "device/port/port.h"

#include "board_config.h"
#include "device/base/status.h"
#include "device/port/cortex_m/systick.h"

namespace {

using thimble::device::Status;

volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

constexpr uint32_t kRcc = 0x40023800, kFlash = 0x40023C00, kUsart1 = 0x40011000, kTim3 = 0x40000400;
constexpr uint32_t gpio(uint32_t port) { return 0x40020000 + port * 0x400; }

struct Pin {
  uint8_t port, pin;
};
constexpr Pin kPins[] = BOARD_PINS;
constexpr Pin kPwmPin = BOARD_PWM_PIN;  // must carry TIM3_CH1, alternate function 2: PA6, PB4 or PC6

constexpr uint32_t kResetClockHz = 16000000;  // HSI
constexpr int kPollLimit = 20000;             // several times the longest start-up time at the reset clock
constexpr uint32_t kPwmPeriod = 1000;

uint32_t clock_hz = kResetClockHz;

bool wait_for(uint32_t address, uint32_t mask, uint32_t wanted) {
  for (int i = 0; i < kPollLimit; ++i)
    if ((reg(address) & mask) == wanted) return true;
  return false;
}

// Crystal -> PLL -> 168 MHz, bus clocks 42 and 84 MHz.
Status start_clock() {
  constexpr uint32_t kCr = kRcc, kPllCfgr = kRcc + 4, kCfgr = kRcc + 8, kApb1Enable = kRcc + 0x40;
  constexpr uint32_t kHsiReady = 1u << 1, kHseOn = 1u << 16, kHseReady = 1u << 17, kPllOn = 1u << 24,
                     kPllReady = 1u << 25;
  // The internal oscillator is running after reset. Where it reads as stopped there is no clock controller: an
  // emulator.
  if ((reg(kCr) & kHsiReady) == 0) return Status::clock_timeout;
  reg(kCr) |= kHseOn;
  if (!wait_for(kCr, kHseReady, kHseReady)) return Status::clock_timeout;
  reg(kApb1Enable) |= 1u << 28;                                          // power controller
  reg(0x40007000) |= 3u << 14;                                           // voltage scale 1, needed above 144 MHz
  constexpr uint32_t kM = BOARD_CRYSTAL_HZ / 1000000, kN = 336, kQ = 7;  // VCO 336 MHz, P = 2: 168 MHz, Q: 48 MHz
  static_assert(BOARD_CLOCK_HZ == 168000000, "the PLL factors are those of 168 MHz");
  reg(kPllCfgr) = kM | kN << 6 | 1u << 22 | kQ << 24;
  reg(kCr) |= kPllOn;
  if (!wait_for(kCr, kPllReady, kPllReady)) return Status::clock_timeout;
  reg(kFlash) = 5 | 1u << 8 | 1u << 9 | 1u << 10;  // 5 wait states, prefetch, caches
  reg(kCfgr) = 5u << 10 | 4u << 13 | 2;            // APB1 / 4, APB2 / 2, system clock = PLL
  if (!wait_for(kCfgr, 3u << 2, 2u << 2)) return Status::clock_timeout;
  clock_hz = BOARD_CLOCK_HZ;
  return Status::ok;
}

void set_mode(Pin pin, uint32_t mode) {
  volatile uint32_t& modes = reg(gpio(pin.port));
  modes = (modes & ~(3u << (2 * pin.pin))) | mode << (2 * pin.pin);
}

void set_alternate(Pin pin, uint32_t function) {
  volatile uint32_t& functions = reg(gpio(pin.port) + 0x20 + (pin.pin / 8) * 4);
  const uint32_t shift = 4 * (pin.pin % 8);
  functions = (functions & ~(15u << shift)) | function << shift;
  set_mode(pin, 2);
}

void start_console() {
  reg(kRcc + 0x44) |= 1u << 4;  // USART1
  constexpr Pin kTransmit = {0, 9};
  set_alternate(kTransmit, 7);
  const uint32_t bus_hz = clock_hz == BOARD_CLOCK_HZ ? clock_hz / 2 : clock_hz;
  reg(kUsart1 + 0x08) = bus_hz / BOARD_UART_BAUD;
  reg(kUsart1 + 0x0C) = 1u << 13 | 1u << 3;  // enable, transmit
}

void start_pwm() {
  reg(kRcc + 0x40) |= 1u << 1;  // TIM3
  set_alternate(kPwmPin, 2);
  const uint32_t timer_hz = clock_hz == BOARD_CLOCK_HZ ? clock_hz / 2 : clock_hz;
  reg(kTim3 + 0x28) = timer_hz / (kPwmPeriod * 1000) - 1;  // 1 kHz
  reg(kTim3 + 0x2C) = kPwmPeriod - 1;
  reg(kTim3 + 0x18) = 6u << 4 | 1u << 3;  // channel 1: PWM mode 1, preloaded
  reg(kTim3 + 0x20) = 1;                  // channel 1 drives its pin
  reg(kTim3 + 0x34) = 0;
  reg(kTim3) = 1;
}

}  // namespace

extern "C" {

uint8_t port_init(void) {
  const Status status = start_clock();
  thimble::device::systick_start();
  reg(kRcc + 0x30) |= 0x1FF;  // GPIO A..I
  for (const Pin pin : kPins) set_mode(pin, 1);
  start_console();
  start_pwm();
  return static_cast<uint8_t>(status);
}

void port_console(const char* text, int32_t length) {
  constexpr uint32_t kTransmitEmpty = 1u << 7;
  for (int32_t i = 0; i < length; ++i) {
    if (!wait_for(kUsart1, kTransmitEmpty, kTransmitEmpty)) return;
    reg(kUsart1 + 0x04) = static_cast<uint8_t>(text[i]);
  }
}

uint32_t port_ticks_per_second(void) { return clock_hz; }

void port_pins(uint32_t on) {
  for (uint32_t actuator = 0; actuator < sizeof(kPins) / sizeof(kPins[0]); ++actuator) {
    const Pin pin = kPins[actuator];
    const bool high = (on >> actuator & 1) != 0;
    reg(gpio(pin.port) + 0x18) = 1u << (high ? pin.pin : pin.pin + 16);
  }
}

void port_pwm(int32_t per_mille) { reg(kTim3 + 0x34) = static_cast<uint32_t>(per_mille); }
}
