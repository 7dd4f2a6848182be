#include "data/name_pattern.h"

#include <algorithm>

namespace thimble {

Result<NamePattern> NamePattern::parse(std::string_view text) {
  const auto error = [&](std::string_view problem) {
    return fail(ErrorCode::usage, fmt::format("the file-name pattern \"{}\" {}", text, problem), "pattern",
                "for example \"{label}_{group}_{take}.wav\" reads 7_theo_12.wav");
  };
  NamePattern pattern;
  for (size_t at = 0; at < text.size();) {
    const bool is_field = text[at] == '{';
    const size_t end = text.find(is_field ? '}' : '{', at);
    if (is_field && end == std::string_view::npos) return error("has a { without }");
    if (is_field && !pattern.parts_.empty() && pattern.parts_.back().is_field)
      return error("needs some text between two fields");
    const size_t stop = std::min(end, text.size());
    const size_t start = is_field ? at + 1 : at;
    pattern.parts_.push_back({is_field, std::string(text.substr(start, stop - start))});
    at = is_field ? stop + 1 : stop;
  }
  if (std::ranges::none_of(pattern.parts_, [](const Part& part) { return part.is_field && part.text == "label"; }))
    return error("has no {label}");
  return pattern;
}

std::optional<NamePattern::Match> NamePattern::match(std::string_view path) const {
  Match match;
  size_t at = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (!part.is_field) {
      if (!path.substr(at).starts_with(part.text)) return std::nullopt;
      at += part.text.size();
      continue;
    }
    size_t end = path.size();
    if (i + 2 == parts_.size()) {
      const std::string& tail = parts_[i + 1].text;
      if (!path.ends_with(tail)) return std::nullopt;
      end -= tail.size();
    } else if (i + 1 < parts_.size()) {
      end = path.find(parts_[i + 1].text, at + 1);
    }
    if (end == std::string_view::npos || end <= at) return std::nullopt;
    const std::string_view value = path.substr(at, end - at);
    if (value.find('/') != std::string_view::npos) return std::nullopt;
    if (part.text == "label") match.label = value;
    if (part.text == "group") match.group = value;
    at = end;
  }
  return at == path.size() ? std::optional(match) : std::nullopt;
}

}  // namespace thimble
