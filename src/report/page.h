// The pieces of a self-contained HTML page (no scripts, no network): what all reports look like.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thimble::page {

// Up to the headline: big numbers, each a label and a value.
std::string head(std::string_view title, std::span<const std::pair<std::string, std::string>> headline);
inline constexpr std::string_view kEnd = "</body></html>\n";

// body is HTML; all other texts are escaped here.
std::string section(std::string_view title, std::string_view body);
std::string cell(std::string_view text, bool number = false);

// Column names with a leading '#' hold numbers.
std::string table(std::span<const std::string> columns, std::span<const std::vector<std::string>> rows);

// 1234567 as "1,234,567".

}  // namespace thimble::page
