// What a board supplies: these functions, under device/port. Nothing else in device/ touches hardware.
#pragma once
#include <stdint.h>

extern "C" {

// Clocks, console, timer and pins. Bounded waits only; returns a thimble::device::Status as a byte (clock_timeout is
// survivable).
uint8_t port_init(void);

// Text for people, over the board's UART.
void port_console(const char* text, int32_t length);

// The byte stream to and from the host (or sensor): the emulated boards use semihosting files, real ones the serial
// line. port_read returns the bytes delivered, fewer than asked only at the end of the stream.
int32_t port_read(void* buffer, int32_t bytes);
void port_write(const void* buffer, int32_t bytes);

// A free-running count of port_ticks_per_second(); 64 bits, so it never wraps in practice.
uint64_t port_ticks(void);
uint32_t port_ticks_per_second(void);

// Actuators 0..31 of the board: digital pins, and one PWM of 0..1000 per mille.
void port_pins(uint32_t on);
void port_pwm(int32_t per_mille);

// The deepest the stack has been since reset, in bytes.
uint32_t port_stack_used(void);

// Ends the program; never returns. In an emulator the status becomes its exit status.
[[noreturn]] void port_exit(int32_t status);
}
