// Models made by others, for tests that read them where they are present.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/files.h"

namespace thimble {

// The folder with the models; it may not exist.
inline Path shared_models() {
  const char* given = std::getenv("THIMBLE_SHARED_DATA");
  return (given ? Path(given) : Path(THIMBLE_SOURCE_DIR) / "../shared/data") / "models";
}

inline std::vector<Path> shared_tflite_files() {
  std::vector<Path> files;
  if (!std::filesystem::is_directory(shared_models())) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared_models()))
    if (entry.path().extension() == ".tflite") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace thimble
