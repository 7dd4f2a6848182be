#include "core/files.h"

#include <gtest/gtest.h>

#include "core/process.h"
#include "core/resources.h"
#include "core/threads.h"

using namespace thimble;

TEST(Files, WriteThenReadGivesTheSameBytes) {
  const Path path = Path(testing::TempDir()) / "thimble_files" / "a.bin";
  const std::vector<uint8_t> bytes = {0, 1, 2, 255};
  ASSERT_TRUE(write_bytes(path, bytes));
  EXPECT_EQ(*read_bytes(path), bytes);
}

TEST(Files, MissingFileNamesThePath) {
  const auto content = read_text("/nowhere/at/all.txt");
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::not_found);
  EXPECT_EQ(content.error().where, "/nowhere/at/all.txt");
}

TEST(Files, FullDiskIsAnErrorAndLeavesNothing) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const auto outcome = write_text("/proc/thimble.txt", "x");
  ASSERT_FALSE(outcome);
}

TEST(Process, TakesOutputAndStatus) {
  const auto result = run_command({.words = {"sh", "-c", "cat; echo oops >&2; exit 3"}, .input = "hello"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "hello");
  EXPECT_EQ(result->errors, "oops\n");
  EXPECT_EQ(result->exit_status, 3);
}

TEST(Process, EndsWhatDoesNotEnd) {
  const auto result = run_command({.words = {"sleep", "100"}, .timeout_s = 0.2});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::tool_failed);
}

TEST(Process, MissingProgramNamesItsPackage) {
  const auto result = run_command({.words = {"no-such-program-anywhere"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::tool_missing);
}

TEST(Threads, EveryChunkRunsOnce) {
  std::vector<int> counts(1000, 0);
  parallel_for(1000, [&](int64_t chunk) { ++counts[static_cast<size_t>(chunk)]; });
  for (int count : counts) EXPECT_EQ(count, 1);
}

TEST(Resources, DeviceHeadersTravelInTheProgram) {
  const auto header = resource("device/base/status.h");
  ASSERT_TRUE(header);
  EXPECT_NE(header->find("enum class"), std::string_view::npos);
}
