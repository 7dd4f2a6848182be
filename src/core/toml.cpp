#include "core/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "core/text.h"

namespace thimble {

struct TomlTable::State {
  std::shared_ptr<const toml::table> root;  // keeps nodes alive
  const toml::table* table = nullptr;
  std::string where;
  std::string section;
  std::vector<std::string> known;
  std::optional<Error> first_error;

  std::string place(const toml::node* node) const {
    std::string text = where;
    if (node) text += fmt::format(":{}", node->source().begin.line);
    if (!section.empty()) text += fmt::format(" [{}]", section);
    return text;
  }
  const toml::node* want(std::string_view key) {
    known.emplace_back(key);
    return table ? table->get(key) : nullptr;
  }
  void wrong_type(std::string_view key, const toml::node& node, std::string_view expected) {
    if (first_error) return;
    std::ostringstream found;
    found << node.type();
    first_error =
        Error{ErrorCode::usage, fmt::format("{} must be {}, found a {}", key, expected, found.str()), place(&node), ""};
  }
  template <class Wanted, class Into>
  void scalar(std::string_view key, Into& into, std::string_view expected) {
    const toml::node* node = want(key);
    if (!node) return;
    if (const auto value = node->value_exact<Wanted>())
      into = static_cast<Into>(*value);
    else
      wrong_type(key, *node, expected);
  }
  template <class Wanted>
  void list(std::string_view key, std::vector<Wanted>& into, std::string_view expected) {
    const toml::node* node = want(key);
    if (!node) return;
    const toml::array* array = node->as_array();
    if (!array) return wrong_type(key, *node, expected);
    into.clear();
    for (const toml::node& item : *array) {
      const auto value = item.value<Wanted>();
      if (!value) return wrong_type(key, item, expected);
      into.push_back(*value);
    }
  }
};

Result<TomlTable> TomlTable::parse(std::string_view text, std::string where) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return fail(ErrorCode::bad_data, std::string(error.description()),
                fmt::format("{}:{}:{}", where, at.line, at.column));
  }
  TomlTable result;
  result.state_ = std::make_shared<State>();
  result.state_->root = std::make_shared<const toml::table>(std::move(parsed));
  result.state_->table = result.state_->root.get();
  result.state_->where = std::move(where);
  return result;
}

bool TomlTable::has(std::string_view key) const { return state_->table && state_->table->contains(key); }

void TomlTable::read(std::string_view key, std::string& into) {
  state_->scalar<std::string>(key, into, "a word in quotes");
}
void TomlTable::read(std::string_view key, int& into) { state_->scalar<int64_t>(key, into, "a whole number"); }
void TomlTable::read(std::string_view key, int64_t& into) { state_->scalar<int64_t>(key, into, "a whole number"); }
void TomlTable::read(std::string_view key, uint64_t& into) { state_->scalar<int64_t>(key, into, "a whole number"); }
void TomlTable::read(std::string_view key, bool& into) { state_->scalar<bool>(key, into, "true or false"); }

void TomlTable::read(std::string_view key, double& into) {
  const toml::node* node = state_->want(key);
  if (!node) return;
  if (node->is_number())
    into = *node->value<double>();
  else
    state_->wrong_type(key, *node, "a number");
}

void TomlTable::read(std::string_view key, std::vector<std::string>& into) {
  state_->list(key, into, "a list of words");
}
void TomlTable::read(std::string_view key, std::vector<double>& into) { state_->list(key, into, "a list of numbers"); }
void TomlTable::read(std::string_view key, std::vector<int64_t>& into) {
  state_->list(key, into, "a list of whole numbers");
}

TomlTable TomlTable::table(std::string_view key) {
  TomlTable result;
  result.state_ = std::make_shared<State>();
  result.state_->root = state_->root;
  result.state_->where = state_->where;
  result.state_->section = state_->section.empty() ? std::string(key) : state_->section + "." + std::string(key);
  if (const toml::node* node = state_->want(key)) {
    result.state_->table = node->as_table();
    if (!node->is_table()) state_->wrong_type(key, *node, "a [table]");
  }
  return result;
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  std::vector<TomlTable> result;
  const toml::node* node = state_->want(key);
  if (!node) return result;
  if (!node->is_array_of_tables()) {
    state_->wrong_type(key, *node, fmt::format("a list of [[{}]] tables", key));
    return result;
  }
  for (const toml::node& item : *node->as_array()) {
    TomlTable entry;
    entry.state_ = std::make_shared<State>();
    entry.state_->root = state_->root;
    entry.state_->where = state_->where;
    entry.state_->section = fmt::format("{} {}", key, result.size() + 1);
    entry.state_->table = item.as_table();
    result.push_back(std::move(entry));
  }
  return result;
}

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::pair<toml::source_position, std::string>> found;
  if (state_->table)
    for (const auto& [key, node] : *state_->table) found.emplace_back(key.source().begin, std::string(key.str()));
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
  });
  std::vector<std::string> names;
  for (auto& entry : found) names.push_back(std::move(entry.second));
  return names;
}

TomlTable::Kind TomlTable::kind(std::string_view key) const {
  const toml::node* node = state_->table ? state_->table->get(key) : nullptr;
  if (!node) return Kind::none;
  if (node->is_string()) return Kind::word;
  if (node->is_integer()) return Kind::integer;
  if (node->is_floating_point()) return Kind::real;
  if (node->is_boolean()) return Kind::boolean;
  if (node->is_array()) return Kind::list;
  return Kind::table;
}

Outcome TomlTable::finish() const {
  if (state_->first_error) return tl::unexpected<Error>(*state_->first_error);
  if (!state_->table) return {};
  for (const std::string& key : keys())
    if (std::ranges::find(state_->known, key) == state_->known.end())
      return fail(ErrorCode::usage, fmt::format("unknown key {}", key), state_->place(state_->table->get(key)),
                  name_hint(key, state_->known));
  return {};
}

}  // namespace thimble
