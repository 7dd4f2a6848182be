#include "formats/c_array.h"

#include <fmt/format.h>

#include <cctype>

namespace thimble {

namespace {

constexpr size_t kBytesPerLine = 16;

std::string identifier(std::string_view name) {
  std::string word;
  for (char c : name) word += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return word;
}

}  // namespace

std::string write_c_array_header(std::span<const uint8_t> bytes, std::string_view name) {
  const std::string alias = fmt::format("g_{}_model_data", identifier(name));
  const std::string guard = alias + "_included";
  std::string text = fmt::format(
      "// Made by thimble: {0} bytes, read-only. Include in one source file only.\n"
      "#ifndef {1}\n#define {1}\n\n"
      "#ifdef __cplusplus\n"
      "alignas(16) const unsigned char g_model[] =\n"
      "#else\n"
      "static const unsigned char g_model[] __attribute__((aligned(16))) =\n"
      "#endif\n"
      "{{\n",
      bytes.size(), guard);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % kBytesPerLine == 0) text += i == 0 ? "   " : "\n   ";
    fmt::format_to(std::back_inserter(text), " 0x{:02x},", bytes[i]);
  }
  fmt::format_to(std::back_inserter(text),
                 "\n}};\nstatic const int g_model_len = {};\n\n"
                 "#define {} g_model\n#define {}_size ((unsigned int)g_model_len)\n\n#endif\n",
                 bytes.size(), alias, alias);
  return text;
}

}  // namespace thimble
