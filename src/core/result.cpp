#include "core/result.h"

namespace thimble {

std::string to_string(const Error& error) {
  std::string text = error.where.empty() ? error.message : error.where + ": " + error.message;
  if (!error.hint.empty()) text += "\n  " + error.hint;
  return text;
}

}  // namespace thimble
