#include "report/op_table.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "ops/ops.h"

namespace thimble {

namespace {

constexpr DType kColumns[] = {DType::f32, DType::i8, DType::i16};  // the types with a column of their own

OpRow row_of(const OpSpec& op) {
  OpRow row{.op = &op};
  const auto stage = [&](const auto& s) {
    if (!s && row.notes.find(s.reason()) == std::string::npos)
      row.notes += (row.notes.empty() ? "" : "; ") + std::string(s.reason());
    return static_cast<bool>(s);
  };
  const bool forward = stage(op.forward), backward = stage(op.backward);
  row.trains = forward && backward;
  row.quantizes = stage(op.quantize);
  if (stage(op.lower) || op.traits.alias) row.types = op.dtypes.names();
  row.tflite = stage(op.tflite) ? op.tflite->builtin : "-";
  return row;
}

std::string_view yes(bool value) { return value ? "yes" : "-"; }

std::string other_types(const OpRow& row) {
  std::vector<std::string_view> others;
  for (std::string_view type : row.types)
    if (std::ranges::find(kColumns, type, name_of) == std::end(kColumns)) others.push_back(type);
  return others.empty() ? "-" : fmt::format("{}", fmt::join(others, ", "));
}

}  // namespace

bool OpRow::runs(DType dtype) const { return std::ranges::find(types, name_of(dtype)) != types.end(); }

std::vector<OpRow> op_table() {
  std::vector<OpRow> rows;
  for (const OpSpec* op : ops::all()) rows.push_back(row_of(*op));
  return rows;
}

std::string text_of(const std::vector<OpRow>& rows) {
  constexpr std::string_view kRow = "{:<28} {:<5} {:<8} {:<7} {:<4} {:<5} {:<26} {:<28} {}";
  std::string text =
      fmt::format(kRow, "op", "train", "quantize", "float32", "int8", "int16", "other types", "tflite", "notes");
  for (const OpRow& row : rows) {
    text += "\n" + fmt::format(kRow, row.op->name, yes(row.trains), yes(row.quantizes), yes(row.runs(DType::f32)),
                               yes(row.runs(DType::i8)), yes(row.runs(DType::i16)), other_types(row), row.tflite,
                               row.notes);
    text.erase(text.find_last_not_of(' ') + 1);
  }
  return text;
}

nlohmann::json json_of(const std::vector<OpRow>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const OpRow& row : rows)
    json.push_back({{"op", row.op->name},
                    {"doc", row.op->doc},
                    {"train", row.trains},
                    {"quantize", row.quantizes},
                    {"types", row.types},
                    {"tflite", row.tflite},
                    {"notes", row.notes}});
  return json;
}

std::string markdown_of(const std::vector<OpRow>& rows) {
  std::string text =
      "# Operators\n"
      "Made from the registry by `thimble ops --markdown > docs/ops.md`; a test compares the two.\n"
      "\n"
      "train: there is a forward and a backward pass. quantize: `thimble convert` can make it int8. float32, int8, "
      "int16 and\n"
      "other types: of the data it runs with on the host and on boards (what it reads, where its result is of another "
      "type).\n"
      "tflite: the operator of a `.tflite` file. notes: why a stage is missing.\n"
      "\n"
      "| op | what it does | train | quantize | float32 | int8 | int16 | other types | tflite | notes |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const OpRow& row : rows)
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.op->name, row.op->doc,
                        yes(row.trains), yes(row.quantizes), yes(row.runs(DType::f32)), yes(row.runs(DType::i8)),
                        yes(row.runs(DType::i16)), other_types(row), row.tflite, row.notes);
  return text;
}

}  // namespace thimble
