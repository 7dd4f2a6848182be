#include "firmware/image.h"

#include <algorithm>
#include <array>

#include "firmware/emit_array.h"

namespace thimble {

namespace {

int64_t bytes_of_symbols(const ElfFile& file, std::string_view word) {
  int64_t bytes = 0;
  for (const ElfSymbol& symbol : file.symbols)
    if (symbol.name.find(word) != symbol.name.npos) bytes += symbol.bytes;
  return bytes;
}

constexpr std::array<std::string_view, 7> kHeap = {"malloc", "free", "calloc",       "realloc",
                                                   "_sbrk",  "sbrk", "aligned_alloc"};
constexpr std::array<std::string_view, 24> kMathematics = {
    "sin",  "cos",  "tan",  "exp",  "exp2",  "expm1", "log",  "log2",  "log10",  "log1p", "pow",   "sqrt",
    "tanh", "sinh", "cosh", "atan", "atan2", "floor", "ceil", "round", "lround", "fmod",  "ldexp", "erf"};
constexpr std::array<std::string_view, 7> kPrefixes = {
    "__cxa_", "_Zn" /* operator new */, "_Zd" /* operator delete */, "_ZSt", "_ZNSt", "_ZNKSt", "_Unwind_"};

template <size_t n>
bool contains(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// Helpers of the Arm run-time ABI that compute with doubles: __aeabi_dadd, __aeabi_i2d, __aeabi_f2d ...
bool is_double_helper(std::string_view name) {
  constexpr std::string_view kAbi = "__aeabi_";
  if (!name.starts_with(kAbi)) return false;
  name.remove_prefix(kAbi.size());
  constexpr std::array<std::string_view, 5> kToDouble = {"i2d", "ui2d", "l2d", "ul2d", "f2d"};
  return contains(kToDouble, name) || (name.starts_with('d') && name != "div0");
}

bool is_forbidden(std::string_view name) {
  if (contains(kHeap, name) || is_double_helper(name)) return true;
  if (std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); })) return true;
  const bool is_float_form = name.ends_with('f') && contains(kMathematics, name.substr(0, name.size() - 1));
  return is_float_form || contains(kMathematics, name);
}

}  // namespace

Result<FirmwareImage> measure_image(const Path& elf) {
  THIMBLE_LET(const ElfFile file, read_elf(elf));
  FirmwareImage image;
  image.elf = elf;
  FirmwareSizes& sizes = image.sizes;
  for (const ElfSection& section : file.sections) {
    if (!section.loaded || section.bytes == 0) continue;
    image.sections.push_back(section);
    if (section.name == ".stack")
      sizes.stack += section.bytes;
    else if (!section.stored)
      sizes.bss += section.bytes;
    else if (section.writable)
      sizes.data += section.bytes;
    else if (section.name == ".text")
      sizes.text += section.bytes;
    else
      sizes.rodata += section.bytes;
  }
  sizes.flash = sizes.text + sizes.rodata + sizes.data;
  sizes.ram = sizes.data + sizes.bss + sizes.stack;
  sizes.weights = bytes_of_symbols(file, std::string(kWeightsPrefix) + "_");
  sizes.tables = bytes_of_symbols(file, std::string(kTablesPrefix) + "_");
  sizes.code = sizes.flash - sizes.weights - sizes.tables;
  sizes.arena = bytes_of_symbols(file, kArenaSymbol);
  sizes.state = sizes.ram - sizes.arena - sizes.stack;
  return image;
}

Outcome check_symbols(const Path& elf) {
  THIMBLE_LET(const ElfFile file, read_elf(elf));
  std::string found;
  for (const ElfSymbol& symbol : file.symbols)
    if (is_forbidden(symbol.name)) found += (found.empty() ? "" : ", ") + symbol.name;
  if (found.empty()) return {};
  return fail(ErrorCode::internal, fmt::format("firmware must not contain {}", found), elf.string(),
              "device code may use no heap, exceptions, standard library, libm or double arithmetic");
}

}  // namespace thimble
