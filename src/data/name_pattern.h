// Meaning in file names: "{label}_{group}_{take}.wav" reads 7_theo_12.wav as label 7, group theo, take 12.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace thimble {

class NamePattern {
 public:
  // Errors: usage (no {label}, an open brace, two fields without text between them).
  static Result<NamePattern> parse(std::string_view text);

  struct Match {
    std::string label, group;
  };
  // A field takes at least one character, never '/', and ends where the text after it first occurs.
  std::optional<Match> match(std::string_view path) const;

 private:
  struct Part {
    bool is_field;
    std::string text;  // of a field, its name
  };
  std::vector<Part> parts_;
};

}  // namespace thimble
