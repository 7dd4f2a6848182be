// Tables and numbers for a terminal.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace thimble {

// 1234567 -> "1,234,567".
std::string grouped(int64_t number);

// Columns as wide as their widest cell; those named in `right` hold numbers. The first row is the head.
using TableRow = std::vector<std::string>;
std::string table_text(const std::vector<TableRow>& rows, const std::set<size_t>& right);

}  // namespace thimble
