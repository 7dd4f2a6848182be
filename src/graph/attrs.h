// Named attributes of an operator: integers, reals, words and integer lists. Also the two small interfaces through
// which a file format hands them over, so that operators know names and formats know encodings.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"

namespace thimble {

using AttrValue = std::variant<int64_t, double, std::string, std::vector<int64_t>>;

class Attrs {
 public:
  Attrs& set(std::string_view name, AttrValue value);
  bool has(std::string_view name) const;
  // The value, or the fallback where the attribute is not set. A value of another type is a broken promise inside
  // thimble (throws std::bad_variant_access), because readers check types on the way in.
  int64_t integer(std::string_view name, int64_t fallback = 0) const;
  double real(std::string_view name, double fallback = 0) const;
  std::string word(std::string_view name, std::string_view fallback = "") const;
  std::vector<int64_t> integers(std::string_view name) const;
  const std::map<std::string, AttrValue, std::less<>>& all() const { return values_; }
  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, AttrValue, std::less<>> values_;
};

// One attribute's value as text: 2, 0.5, same, [1,2].
std::string to_string(const AttrValue& value);

// Reads the fields of one operator's options in some file format, by the format's own field names.
class AttrReader {
 public:
  virtual ~AttrReader() = default;
  virtual int64_t integer(std::string_view field,
                          int64_t fallback = 0) const = 0;  // also enums (by number) and booleans
  virtual double real(std::string_view field, double fallback = 0) const = 0;
  virtual std::vector<int64_t> integers(std::string_view field) const = 0;
};

class AttrWriter {
 public:
  virtual ~AttrWriter() = default;
  virtual void integer(std::string_view field, int64_t value) = 0;
  virtual void real(std::string_view field, double value) = 0;
  virtual void integers(std::string_view field, const std::vector<int64_t>& values) = 0;
};

}  // namespace thimble
