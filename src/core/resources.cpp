#include "core/resources.h"

#include <algorithm>
#include <string>

namespace thimble {

namespace {
struct EmbeddedFile {
  const char* path;
  const char* begin;
  const char* end;
};
}  // namespace
#include "table.inc"

Result<std::string_view> resource(std::string_view path) {
  for (const EmbeddedFile& file : kEmbeddedFiles)
    if (path == file.path) return std::string_view(file.begin, static_cast<size_t>(file.end - file.begin));
  return fail(ErrorCode::not_found, "no such file inside the program", std::string(path));
}

std::vector<std::string_view> list_resources(std::string_view prefix) {
  std::vector<std::string_view> paths;
  for (const EmbeddedFile& file : kEmbeddedFiles)
    if (std::string_view(file.path).starts_with(prefix)) paths.emplace_back(file.path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

Outcome unpack_resources(std::string_view prefix, const Path& folder) {
  for (std::string_view path : list_resources(prefix)) {
    THIMBLE_LET(const std::string_view content, resource(path));
    const Path target = folder / path;
    if (auto present = read_text(target); present && *present == content) continue;
    THIMBLE_TRY(write_text(target, content));
  }
  return {};
}

}  // namespace thimble
