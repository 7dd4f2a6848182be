#include "graph/attrs.h"

namespace thimble {

Attrs& Attrs::set(std::string_view name, AttrValue value) {
  values_.insert_or_assign(std::string(name), std::move(value));
  return *this;
}

bool Attrs::has(std::string_view name) const { return values_.contains(name); }

int64_t Attrs::integer(std::string_view name, int64_t fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? fallback : std::get<int64_t>(found->second);
}

double Attrs::real(std::string_view name, double fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? fallback : std::get<double>(found->second);
}

std::string Attrs::word(std::string_view name, std::string_view fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : std::get<std::string>(found->second);
}

std::vector<int64_t> Attrs::integers(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<int64_t>{} : std::get<std::vector<int64_t>>(found->second);
}

std::string to_string(const AttrValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  return fmt::format("[{}]", fmt::join(std::get<std::vector<int64_t>>(value), ","));
}

}  // namespace thimble
