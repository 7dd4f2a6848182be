// Reading what the size and symbol checks need from a 32-bit little-endian ELF file: sections and symbols.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/result.h"

namespace thimble {

struct ElfSection {
  std::string name;
  uint32_t address = 0;
  uint32_t bytes = 0;
  bool loaded = false;  // takes memory on the device
  bool stored = false;  // and has contents in the file (not .bss)
  bool writable = false;
};

struct ElfSymbol {
  std::string name;
  uint32_t address = 0;
  uint32_t bytes = 0;
};

struct ElfFile {
  std::vector<ElfSection> sections;
  std::vector<ElfSymbol> symbols;  // defined and undefined
};

// Errors: not_found, io; bad_data for anything that is not a well-formed ELF32 file.
Result<ElfFile> read_elf(const Path& path);

}  // namespace thimble
