#include "data/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "core/text.h"

namespace thimble {

namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The separator that occurs most in the header line.
char find_separator(std::string_view text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  char best = ',';
  size_t most = 0;
  for (char candidate : {',', ';', '\t'}) {
    const size_t count = static_cast<size_t>(std::count(line.begin(), line.end(), candidate));
    if (count > most) {
      best = candidate;
      most = count;
    }
  }
  return best;
}

// Splits text into rows of cells; blank lines are left out.
class Reader {
 public:
  Reader(std::string_view text, std::string_view name) : text_(text), name_(name), separator_(find_separator(text)) {}

  bool at_end() const { return at_ >= text_.size(); }

  Result<CsvRow> next() {
    CsvRow row{line_, {}};
    for (bool more = true; more;) {
      THIMBLE_LET(std::string cell, next_cell());
      row.cells.push_back(std::move(cell));
      more = !at_end() && text_[at_] == separator_;
      if (more) ++at_;
    }
    end_line();
    return row;
  }

 private:
  Result<std::string> next_cell() {
    const size_t start = text_.find_first_not_of(" ", at_);
    if (start == std::string_view::npos || text_[start] != '"') return plain_cell();
    at_ = start + 1;
    return quoted_cell();
  }

  std::string plain_cell() {
    const size_t start = at_;
    while (!at_end() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
    return std::string(trim(text_.substr(start, at_ - start)));
  }

  Result<std::string> quoted_cell() {
    const int64_t opened = line_;
    std::string cell;
    for (; !at_end(); ++at_) {
      const char c = text_[at_];
      if (c == '"' && at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        ++at_;
      } else if (c == '"') {
        ++at_;
        if (!plain_cell().empty()) return error(line_, "expected a separator after the closing quote");
        return cell;
      }
      if (c == '\n') ++line_;
      cell += c;
    }
    return error(opened, "the quote that opens here is never closed");
  }

  void end_line() {
    if (!at_end() && text_[at_] == '\r') ++at_;
    if (!at_end() && text_[at_] == '\n') ++at_;
    ++line_;
  }

  tl::unexpected<Error> error(int64_t line, std::string message) const {
    return fail(ErrorCode::bad_data, std::move(message), fmt::format("{}:{}", name_, line),
                "correct this line of the table");
  }

  std::string_view text_, name_;
  char separator_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

bool is_blank(const CsvRow& row) { return row.cells.size() == 1 && row.cells[0].empty(); }

std::string_view without_unit(std::string_view name) { return trim(name.substr(0, name.find_first_of("[("))); }

Outcome check_header(const CsvTable& table, int64_t line) {
  std::set<std::string_view> seen;
  for (size_t column = 0; column < table.header.size(); ++column) {
    const std::string& name = table.header[column];
    const std::string where = fmt::format("{}:{}", table.name, line);
    if (name.empty())
      return fail(ErrorCode::bad_data, fmt::format("column {} has no name", column + 1), where,
                  "the first line names every column");
    double number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ptr == name.data() + name.size())
      return fail(ErrorCode::bad_data,
                  fmt::format("expected column names in the first line, found the number {}", name), where,
                  "add a first line that names every column");
    if (!seen.insert(name).second)
      return fail(ErrorCode::bad_data, fmt::format("two columns are called \"{}\"", name), where, "rename one of them");
  }
  return {};
}

}  // namespace

std::string CsvTable::place(const CsvRow& row) const { return fmt::format("{}:{}", name, row.line); }

Result<CsvTable> parse_csv(std::string_view text, std::string name) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvTable table{std::move(name), {}, {}};
  for (Reader reader(text, table.name); !reader.at_end();) {
    THIMBLE_LET(CsvRow row, reader.next());
    if (is_blank(row)) continue;
    if (table.header.empty()) {
      table.header = std::move(row.cells);
      THIMBLE_TRY(check_header(table, row.line));
      continue;
    }
    if (row.cells.size() != table.header.size())
      return fail(ErrorCode::bad_data,
                  fmt::format("expected {} cells, found {}", table.header.size(), row.cells.size()), table.place(row),
                  "every row needs one cell for each name in the first line");
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty())
    return fail(ErrorCode::bad_data, "the table has no rows", table.name,
                "it needs a line of names, then lines of values");
  return table;
}

Result<size_t> find_column(const CsvTable& table, std::string_view name) {
  for (size_t column = 0; column < table.header.size(); ++column)
    if (table.header[column] == name) return column;
  for (size_t column = 0; column < table.header.size(); ++column)
    if (without_unit(table.header[column]) == name) return column;
  return fail(ErrorCode::not_found, fmt::format("there is no column \"{}\"", name), table.name,
              name_hint(name, table.header));
}

Result<double> number_in(const CsvTable& table, const CsvRow& row, size_t column) {
  std::string_view cell = row.cells[column];
  if (cell.starts_with('+')) cell.remove_prefix(1);
  double number = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  if (code == std::errc() && end == cell.data() + cell.size() && std::isfinite(number)) return number;
  return fail(ErrorCode::bad_data,
              cell.empty() ? fmt::format("the cell in column \"{}\" is empty, expected a number", table.header[column])
                           : fmt::format("expected a finite number in column \"{}\", found \"{}\"",
                                         table.header[column], row.cells[column]),
              table.place(row), "correct the cell, remove the row, or leave the column out of inputs and targets");
}

}  // namespace thimble
