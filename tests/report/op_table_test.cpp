// The table of operators: what it says about a few of them, and that docs/ops.md says the same.
#include "report/op_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/files.h"

namespace thimble::test {

namespace {

OpRow row_of(std::string_view name) {
  const std::vector<OpRow> rows = op_table();
  return *std::ranges::find(rows, name, [](const OpRow& row) { return row.op->name; });
}

}  // namespace

TEST(OpTable, SaysWhatAnOpCanDo) {
  const OpRow conv = row_of("conv2d");
  EXPECT_TRUE(conv.trains && conv.quantizes);
  EXPECT_EQ(conv.types, (std::vector<std::string_view>{"float32", "int8", "int16"}));
  EXPECT_EQ(conv.tflite, "CONV_2D");
  EXPECT_EQ(conv.notes, "");
  const OpRow logic = row_of("logical_and");
  EXPECT_FALSE(logic.trains || logic.quantizes);
  EXPECT_EQ(logic.types, std::vector<std::string_view>{"bool"});
  EXPECT_EQ(row_of("lstm").tflite, "-");
}

TEST(OpTable, AnOpWithoutKernelsRunsWithNoType) {
  const OpRow dropout = row_of("dropout");
  EXPECT_TRUE(dropout.trains);
  EXPECT_TRUE(dropout.types.empty());
  EXPECT_NE(dropout.notes, "");
  EXPECT_EQ(row_of("reshape").types.size(), std::size(kEveryDType)) << "an alias moves nothing";
}

TEST(OpTable, TextAndJsonHaveEveryOp) {
  const std::vector<OpRow> rows = op_table();
  const std::string text = text_of(rows);
  EXPECT_EQ(json_of(rows).size(), rows.size());
  for (const OpRow& row : rows) EXPECT_NE(text.find("\n" + std::string(row.op->name) + " "), std::string::npos);
}

TEST(OpTable, IsInTheDocumentation) {
  const Result<std::string> page = read_text(Path(THIMBLE_SOURCE_DIR) / "docs/ops.md");
  ASSERT_TRUE(page) << to_string(page.error());
  EXPECT_TRUE(*page == markdown_of(op_table()))
      << "docs/ops.md is not what the registry says; refresh it: build/thimble ops --markdown > docs/ops.md";
}

}  // namespace thimble::test
