// What a linked firmware weighs and contains: sizes by purpose, and the check that nothing crept in that a device must
// not have.
#pragma once
#include <cstdint>

#include "firmware/elf.h"

namespace thimble {

// All in bytes.
struct FirmwareSizes {
  int64_t flash = 0;  // text + rodata + data: what is stored
  int64_t text = 0, rodata = 0, data = 0;
  int64_t code = 0, weights = 0, tables = 0;  // flash again, by purpose: code + weights + tables
  int64_t ram = 0;                            // data + bss + stack
  int64_t bss = 0;
  // ram again, by purpose: arena (without the model's state) + state (the model's, and the program's variables) + stack
  int64_t arena = 0, state = 0, stack = 0;
};

struct FirmwareImage {
  Path elf;
  FirmwareSizes sizes;
  std::vector<ElfSection> sections;  // those that take memory
  int compiled_sources = 0;          // 0: everything was up to date
};

// Symbols of arrays in firmware start with these words (inside C++'s decoration); sizes are told apart by them.
constexpr std::string_view kArenaSymbol = "thimble_arena";

Result<FirmwareImage> measure_image(const Path& elf);

// Errors: internal, naming every symbol that firmware must not contain: heap, exceptions, the C++ standard library,
// the mathematics library, software double arithmetic.
Outcome check_symbols(const Path& elf);

}  // namespace thimble
