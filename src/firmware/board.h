// Boards as data: boards/<id>.toml, on top of the chip file it names (boards/chips/<chip>.toml).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace thimble {

struct MemoryRegion {
  uint64_t origin = 0;
  int64_t length_bytes = 0;
};

// How firmware for the board is run.
struct BoardRunner {
  std::string kind = "none";  // host, qemu, none
  std::string emulator = "qemu-system-arm";
  std::string machine;               // qemu: its -machine
  std::vector<std::string> options;  // qemu: further words of its command
  int64_t systick_hz = 0;            // rate of port_ticks there
  std::string pin_trace;             // what the emulator's log shows of the pins: gpio_bsrr, fpgaio_led; empty: nothing
};

struct Board {
  std::string id;
  std::string name;
  std::string chip;
  std::string core;
  std::string isa = "portable";      // which kernel variants it can run
  std::string toolchain;             // prefix of the compiler's programs: "arm-none-eabi-"
  std::vector<std::string> flags;    // for the core
  std::vector<std::string> sources;  // start-up and port functions, below device/
  int64_t clock_hz = 0;
  int64_t crystal_hz = 0;
  int64_t uart_baud = 115200;
  MemoryRegion flash, ram;
  std::vector<std::string> pins;  // actuator n drives pins[n], as "PA10"
  std::string pwm_pin;
  BoardRunner runner;

  bool is_host() const { return runner.kind == "host"; }
};

// Errors: usage (unknown id or key, with the nearest one); bad_data.
Result<Board> load_board(const std::string& id);

// From the text of a board file; `where` names it in messages.
Result<Board> parse_board(const std::string& id, std::string_view text, const std::string& where);

// Ids of all boards, sorted.
std::vector<std::string> board_ids();
Result<std::vector<Board>> all_boards();

// "PA10" -> port 0, pin 10. Errors: bad_data.
struct PinName {
  int port = 0;
  int pin = 0;
};
Result<PinName> parse_pin(const std::string& name);

}  // namespace thimble
