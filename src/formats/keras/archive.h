// The members of a .keras file, a zip archive in memory.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace thimble::keras {

// The named members that are there. Sizes are checked before anything is unpacked. Errors: bad_data (no archive,
// damaged, a member larger than max_bytes or packed beyond what zip can do).
Result<std::map<std::string, std::vector<uint8_t>>> read_archive(std::span<const uint8_t> bytes,
                                                                 std::span<const std::string_view> names,
                                                                 uint64_t max_bytes);

}  // namespace thimble::keras
