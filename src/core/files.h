// Reading and writing whole files. Nothing is ever left half-written: writes go to a temporary file beside the target,
// are synced, and renamed over it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace thimble {

using Path = std::filesystem::path;

// Errors: not_found, io, and unsupported for a file above max_bytes.
Result<std::vector<uint8_t>> read_bytes(const Path& path, uint64_t max_bytes = 1ull << 31);
Result<std::string> read_text(const Path& path, uint64_t max_bytes = 64u << 20);

// Errors: io (with the operating system's reason: disk full, permission ...). Makes missing parent folders.
Outcome write_bytes(const Path& path, std::span<const uint8_t> bytes);
Outcome write_text(const Path& path, std::string_view text);

Outcome make_folder(const Path& path);

// 64-bit FNV-1a of bytes, as 16 hexadecimal digits: names contents in artefacts, not a defence against forgery.
std::string content_hash(std::span<const uint8_t> bytes);
std::string content_hash(std::string_view text);

}  // namespace thimble
