// The C array header compiles wherever firmware is built, and holds the model's bytes at an aligned address.
#include "formats/c_array.h"

#include <gtest/gtest.h>

#include "core/process.h"

using namespace thimble;

namespace {

const std::vector<uint8_t> kBytes = {0, 1, 127, 128, 255, 42, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

// A program that prints the model's length, misalignment and sum, by both sets of names.
constexpr std::string_view kProgram = R"(
#include <stdint.h>
#include <stdio.h>
#include "model_data.h"
int main(void) {
  int sum = 0;
  for (int i = 0; i < g_model_len; ++i) sum += g_key_word_model_data[i];
  printf("%u %d %d", g_key_word_model_data_size, (int)((uintptr_t)g_model % 16), sum);
  return 0;
}
)";

Path folder_with_header() {
  const Path folder = Path(testing::TempDir()) / "thimble_c_array";
  EXPECT_TRUE(write_text(folder / "model_data.h", write_c_array_header(kBytes, "key-word")));
  EXPECT_TRUE(write_text(folder / "main.c", kProgram));
  return folder;
}

void expect_runs(std::vector<std::string> compiler) {
  if (!find_program(compiler[0])) GTEST_SKIP() << compiler[0] << " is not installed";
  const Path folder = folder_with_header();
  for (const char* word : {"-Wall", "-Wextra", "-Werror", "main.c", "-o", "main"}) compiler.emplace_back(word);
  const auto built = run_command({.words = compiler, .folder = folder});
  ASSERT_TRUE(built) << to_string(built.error());
  ASSERT_EQ(built->exit_status, 0) << built->errors;
  const auto ran = run_command({.words = {(folder / "main").string()}});
  ASSERT_TRUE(ran) << to_string(ran.error());
  int sum = 0;
  for (uint8_t byte : kBytes) sum += byte;
  EXPECT_EQ(ran->output, fmt::format("{} 0 {}", kBytes.size(), sum));
}

}  // namespace

TEST(CArray, IsTheWellKnownNames) {
  const std::string text = write_c_array_header(kBytes, "key-word");
  for (const char* part :
       {"alignas(16) const unsigned char g_model[]", "const int g_model_len = 18;", "g_key_word_model_data", "0xff"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(CArray, RunsInC) { expect_runs({"gcc", "-std=c99"}); }
TEST(CArray, RunsInCpp) { expect_runs({"g++", "-std=c++17", "-x", "c++"}); }

TEST(CArray, CompilesForCortexM) {
  if (!find_program("arm-none-eabi-gcc")) GTEST_SKIP() << "arm-none-eabi-gcc is not installed";
  for (const char* language : {"c", "c++"}) {
    const auto built = run_command({.words = {"arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Wall", "-Wextra",
                                              "-Werror", "-x", language, "-fsyntax-only", "model_data.h"},
                                    .folder = folder_with_header()});
    ASSERT_TRUE(built) << to_string(built.error());
    EXPECT_EQ(built->exit_status, 0) << built->errors;
  }
}
