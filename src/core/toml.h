// Reading TOML as configuration: every key is asked for by name, and at the end the keys that nobody asked for are an
// error that suggests the nearest known one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace thimble {

class TomlTable {
 public:
  // Errors: bad_data with line and column. `where` is the file's name, for messages.
  static Result<TomlTable> parse(std::string_view text, std::string where);

  bool has(std::string_view key) const;

  // Each leaves `into` alone when the key is absent. A value of the wrong type is kept as an error that finish()
  // returns.
  void read(std::string_view key, std::string& into);
  void read(std::string_view key, int& into);
  void read(std::string_view key, int64_t& into);
  void read(std::string_view key, uint64_t& into);
  void read(std::string_view key, double& into);  // integers too
  void read(std::string_view key, bool& into);
  void read(std::string_view key, std::vector<std::string>& into);
  void read(std::string_view key, std::vector<double>& into);
  void read(std::string_view key, std::vector<int64_t>& into);

  // A sub-table; an empty one when absent. Unknown keys in it are reported by its own finish().
  TomlTable table(std::string_view key);
  // [[key]] tables in order.
  std::vector<TomlTable> tables(std::string_view key);

  // All keys present, in file order; what kind of value a key holds.
  std::vector<std::string> keys() const;
  enum class Kind { none, word, integer, real, boolean, list, table };
  Kind kind(std::string_view key) const;

  // The first error: a value of the wrong type, or a key nobody read. where = "file [section]", with the line.
  Outcome finish() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace thimble
