// The container of trained models and checkpoints: what the numbers are, as JSON, then the numbers, then a CRC-32.
//   "thimble\n"  u32 version  u32 JSON bytes  JSON  float32 numbers  u32 CRC of all before        (little endian)
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "core/files.h"

namespace thimble {

struct TensorFile {
  nlohmann::json header;  // an object
  std::vector<float> numbers;
};

// kind: "model", "checkpoint"; read back only as the same kind.
Outcome write_tensor_file(const Path& path, std::string_view kind, const TensorFile& file);

// Errors: not_found, io; bad_data for anything that write_tensor_file does not write, naming the file.
Result<TensorFile> read_tensor_file(const Path& path, std::string_view kind);

}  // namespace thimble
