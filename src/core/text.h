// Words in messages: which known name a person probably meant.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace thimble {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string
// alignment).
int edit_distance(std::string_view a, std::string_view b);

// The name nearest to `word`, letter case ignored; empty when none is near enough to be a slip of the pen.
std::string nearest_name(std::string_view word, const std::vector<std::string>& names);

// A hint for an unknown name: `did you mean "hop_ms"?`, or where nothing is near, `one of: frame_ms, hop_ms`.
std::string name_hint(std::string_view word, const std::vector<std::string>& names);

}  // namespace thimble
