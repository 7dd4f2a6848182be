// A model (or any bytes) as C source text, for programs that carry it in flash.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace thimble {

// A header on its own, for C and C++: 16-byte aligned `const unsigned char g_model[]`, `const int g_model_len`, and the
// names g_<name>_model_data and g_<name>_model_data_size for the same. Include it in the one source file that uses the
// model: every including file has its own copy.
std::string write_c_array_header(std::span<const uint8_t> bytes, std::string_view name);

}  // namespace thimble
