// Constant arrays as C++ text. Their names tell the size accounting (image.h) what they are.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace thimble {

constexpr std::string_view kWeightsPrefix = "weights", kTablesPrefix = "tables";

std::string_view c_type(DType dtype);

// "alignas(4) const int8_t name[2] = {1, 2};" with the numbers of `bytes` (little-endian) exactly.
std::string array_text(std::string_view name, DType dtype, std::span<const uint8_t> bytes);

}  // namespace thimble
