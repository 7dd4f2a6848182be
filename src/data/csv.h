// Comma-separated tables (RFC 4180), read into words. Also separated by semicolons or tabs, with or without a byte
// order mark, with any line ends.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

namespace thimble {

struct CsvRow {
  int64_t line = 0;  // in the file, from 1
  std::vector<std::string> cells;
};

struct CsvTable {
  std::string name;                 // of the file, for messages
  std::vector<std::string> header;  // trimmed
  std::vector<CsvRow> rows;         // each as wide as the header

  std::string place(const CsvRow& row) const;  // "file.csv:17"
};

// Errors: bad_data with the line (no header, a name missing or twice, a row of another width, an open quote).
Result<CsvTable> parse_csv(std::string_view text, std::string name);

// Index of the column called `name`, with or without its unit in brackets. Errors: not_found with the nearest name.
Result<size_t> find_column(const CsvTable& table, std::string_view name);

// Errors: bad_data when the cell is empty or no finite number.
Result<double> number_in(const CsvTable& table, const CsvRow& row, size_t column);

}  // namespace thimble
