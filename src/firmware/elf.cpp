#include "firmware/elf.h"

#include <cstring>

namespace thimble {

namespace {

// Layouts: System V ABI, "Object files", 32-bit.
struct FileHeader {
  uint8_t ident[16];
  uint16_t type, machine;
  uint32_t version, entry, program_offset, section_offset, flags;
  uint16_t header_bytes, program_entry_bytes, programs, section_entry_bytes, sections, names_section;
};
struct SectionHeader {
  uint32_t name, type, flags, address, offset, bytes, link, info, alignment, entry_bytes;
};
struct SymbolEntry {
  uint32_t name, value, bytes;
  uint8_t info, other;
  uint16_t section;
};
constexpr uint32_t kTypeSymbols = 2, kTypeNoBits = 8, kFlagWrite = 1, kFlagAlloc = 2;

// A view of the file that answers nullopt-like false instead of reading outside of it.
struct Reader {
  std::span<const uint8_t> bytes;

  template <class Record>
  bool read(uint64_t offset, Record& record) const {
    if (offset + sizeof(Record) > bytes.size()) return false;
    std::memcpy(&record, bytes.data() + offset, sizeof(Record));
    return true;
  }
  bool text(const SectionHeader& table, uint32_t offset, std::string& into) const {
    const uint64_t begin = uint64_t{table.offset} + offset, end = uint64_t{table.offset} + table.bytes;
    if (begin >= end || end > bytes.size()) return false;
    const auto* first = reinterpret_cast<const char*>(bytes.data()) + begin;
    into.assign(first, ::strnlen(first, end - begin));
    return true;
  }
};

bool read_symbols(const Reader& reader, const std::vector<SectionHeader>& headers, ElfFile& file) {
  for (const SectionHeader& table : headers) {
    if (table.type != kTypeSymbols) continue;
    if (table.link >= headers.size()) return false;
    for (uint64_t at = 0; at + sizeof(SymbolEntry) <= table.bytes; at += sizeof(SymbolEntry)) {
      SymbolEntry entry;
      ElfSymbol symbol;
      if (!reader.read(table.offset + at, entry)) return false;
      if (entry.name == 0) continue;
      if (!reader.text(headers[table.link], entry.name, symbol.name)) return false;
      symbol.address = entry.value;
      symbol.bytes = entry.bytes;
      file.symbols.push_back(std::move(symbol));
    }
  }
  return true;
}

bool parse(const Reader& reader, ElfFile& file) {
  constexpr uint8_t kMagic[] = {0x7F, 'E', 'L', 'F', 1 /* 32 bit */, 1 /* little-endian */};
  FileHeader header;
  if (!reader.read(0, header) || std::memcmp(header.ident, kMagic, sizeof(kMagic)) != 0) return false;
  if (header.section_entry_bytes != sizeof(SectionHeader)) return false;
  std::vector<SectionHeader> headers(header.sections);
  for (size_t i = 0; i < headers.size(); ++i)
    if (!reader.read(header.section_offset + i * sizeof(SectionHeader), headers[i])) return false;
  if (header.names_section >= headers.size()) return false;
  for (const SectionHeader& from : headers) {
    ElfSection section;
    if (from.type == 0) continue;
    if (!reader.text(headers[header.names_section], from.name, section.name)) return false;
    section.address = from.address;
    section.bytes = from.bytes;
    section.loaded = (from.flags & kFlagAlloc) != 0;
    section.stored = from.type != kTypeNoBits;
    section.writable = (from.flags & kFlagWrite) != 0;
    file.sections.push_back(std::move(section));
  }
  return read_symbols(reader, headers, file);
}

}  // namespace

Result<ElfFile> read_elf(const Path& path) {
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(path));
  ElfFile file;
  if (!parse(Reader{bytes}, file))
    return fail(ErrorCode::bad_data, "not a 32-bit little-endian ELF file, or a damaged one", path.string());
  return file;
}

}  // namespace thimble
