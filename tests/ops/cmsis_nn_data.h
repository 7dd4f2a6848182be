// Reads the unit-test vectors of CMSIS-NN, which are C headers: a folder per case with #defines (settings) and constant
// arrays, listed by its test_data.h. Names are given without the case's own prefix: "INPUT_W", "output_ref". The
// vectors are not part of the repository; tests skip where they are absent.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"
#include "core/tensor.h"

namespace thimble::test {

using CmsisNames = std::vector<std::string_view>;

struct CmsisArray {
  std::string type;                // "int8_t", "float32_t"
  std::vector<std::string> items;  // as written, without casts and suffixes
};

struct CmsisCase {
  std::string name;
  std::map<std::string, std::string, std::less<>> settings;
  std::map<std::string, CmsisArray, std::less<>> arrays;

  // The first setting of these names, or the fallback.
  double real(const CmsisNames& names, double fallback = 0) const {
    for (std::string_view setting : names)
      if (const auto found = settings.find(setting); found != settings.end())
        return std::strtod(found->second.c_str(), nullptr);
    return fallback;
  }
  int32_t integer(const CmsisNames& names, int32_t fallback = 0) const {
    return static_cast<int32_t>(real(names, fallback));
  }
  int32_t integer(const char* setting, int32_t fallback = 0) const { return integer(CmsisNames{setting}, fallback); }

  // The first array of these names, or null.
  const CmsisArray* array(const CmsisNames& names) const {
    for (std::string_view array : names)
      if (const auto found = arrays.find(array); found != arrays.end()) return &found->second;
    return nullptr;
  }
  template <class T>
  std::vector<T> numbers(const CmsisNames& names) const {
    std::vector<T> result;
    if (const CmsisArray* found = array(names))
      for (const std::string& item : found->items) {
        if constexpr (std::is_same_v<T, float>)
          result.push_back(std::strtof(item.c_str(), nullptr));
        else
          result.push_back(static_cast<T>(std::strtoll(item.c_str(), nullptr, 10)));
      }
    return result;
  }
};

// The folder with the vectors; it may not exist.
inline Path cmsis_nn_folder() {
  const char* given = std::getenv("THIMBLE_SHARED_DATA");
  return (given ? Path(given) : Path(THIMBLE_SOURCE_DIR) / "../shared/data") / "conformance/cmsis_nn_testdata";
}

inline std::vector<std::string> cmsis_nn_names() {
  std::vector<std::string> names;
  if (!std::filesystem::is_directory(cmsis_nn_folder())) return names;
  for (const auto& entry : std::filesystem::directory_iterator(cmsis_nn_folder()))
    if (std::filesystem::exists(entry.path() / "test_data.h")) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

namespace cmsis_detail {

inline std::string without_prefix(std::string_view name, const std::string& prefix) {
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  if (name.size() > prefix.size() + 1 && std::equal(prefix.begin(), prefix.end(), name.begin(), same))
    return std::string(name.substr(prefix.size() + 1));
  return std::string(name);
}

// Without casts "(float16_t)", blanks and the suffix f.
inline std::string plain_number(std::string_view item) {
  if (const size_t cast = item.rfind(')'); cast != std::string_view::npos) item.remove_prefix(cast + 1);
  const size_t first = item.find_first_not_of(" \t\n\r");
  if (first == std::string_view::npos) return {};
  item = item.substr(first, item.find_last_not_of(" \t\n\r") - first + 1);
  if (item.ends_with('f') && !item.starts_with("0x")) item.remove_suffix(1);
  return std::string(item);
}

inline void read_define(std::string_view line, CmsisCase& result) {
  line.remove_prefix(std::string_view("#define ").size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return;
  result.settings[without_prefix(line.substr(0, space), result.name)] = plain_number(line.substr(space));
}

// "const int8_t name[3] = {1, 2, 3};", from behind "const ".
inline void read_array(std::string_view text, CmsisCase& result) {
  const size_t open = text.find('{'), close = text.find('}'), end = text.find(';');
  const size_t bracket = text.find('['), space = text.find(' ');
  if (open == std::string_view::npos || close == std::string_view::npos || bracket > open || end < open) return;
  CmsisArray& array = result.arrays[without_prefix(text.substr(space + 1, bracket - space - 1), result.name)];
  array = {std::string(text.substr(0, space)), {}};
  for (size_t at = open + 1; at < close;) {
    const size_t next = std::min(text.find(',', at), close);
    if (std::string item = plain_number(text.substr(at, next - at)); !item.empty())
      array.items.push_back(std::move(item));
    at = next + 1;
  }
}

inline void read_header(const std::string& text, CmsisCase& result) {
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    const std::string_view rest = std::string_view(text).substr(at);
    if (rest.starts_with("#define ")) read_define(rest.substr(0, rest.find('\n')), result);
    if (rest.starts_with("const ")) read_array(rest.substr(6), result);
  }
}

}  // namespace cmsis_detail

inline Result<CmsisCase> load_cmsis_nn(const std::string& name) {
  const Path folder = cmsis_nn_folder() / name;
  THIMBLE_LET(const std::string list, read_text(folder / "test_data.h"));
  CmsisCase result{.name = name};
  constexpr std::string_view kInclude = "#include \"";
  for (size_t at = list.find(kInclude); at != std::string::npos; at = list.find(kInclude, at)) {
    at += kInclude.size();
    THIMBLE_LET(const std::string text, read_text(folder / list.substr(at, list.find('"', at) - at)));
    cmsis_detail::read_header(text, result);
  }
  return result;
}

// Values of an int4 array, two to a byte, low half first.
inline std::vector<int8_t> unpack_int4(const std::vector<int8_t>& packed, size_t count) {
  std::vector<int8_t> values;
  for (size_t i = 0; i < count && i / 2 < packed.size(); ++i) {
    const auto byte = static_cast<uint8_t>(packed[i / 2]);
    values.push_back(static_cast<int8_t>(static_cast<int8_t>((i % 2 ? byte >> 4 : byte & 15) << 4) >> 4));
  }
  return values;
}

}  // namespace thimble::test
