// The files that travel inside the program: device/, boards/, models/, examples/. Paths are as in the source tree.
#pragma once
#include <string_view>
#include <vector>

#include "core/files.h"

namespace thimble {

// Errors: not_found.
Result<std::string_view> resource(std::string_view path);

// All paths that begin with prefix, sorted.
std::vector<std::string_view> list_resources(std::string_view prefix);

// Writes every resource below prefix to folder, keeping the tree: "device/base/span.h" -> folder/device/base/span.h.
// Files that already hold the same bytes are not touched, so builds stay incremental.
Outcome unpack_resources(std::string_view prefix, const Path& folder);

}  // namespace thimble
