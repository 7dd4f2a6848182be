#include "firmware/board.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace thimble;

TEST(Board, EveryBoardFileLoads) {
  const auto boards = all_boards();
  ASSERT_TRUE(boards) << to_string(boards.error());
  for (const std::string id : {"host", "netduinoplus2", "mps2-an386", "mps2-an385", "mps2-an385-m0plus", "mps2-an500",
                               "mps3-an547", "riscv-virt"})
    EXPECT_TRUE(std::ranges::any_of(*boards, [&](const Board& board) { return board.id == id; })) << id;
}

TEST(Board, TakesItsChipsMemory) {
  const auto board = load_board("netduinoplus2");
  ASSERT_TRUE(board) << to_string(board.error());
  EXPECT_EQ(board->ram.length_bytes, 128 * 1024);
  EXPECT_EQ(board->flash.length_bytes, 1024 * 1024);
  EXPECT_EQ(board->flash.origin, 0x08000000u);
  EXPECT_EQ(board->core, "cortex-m4");
}

TEST(Board, UnknownIdNamesTheNearest) {
  const auto board = load_board("netduinoplus");
  ASSERT_FALSE(board);
  EXPECT_EQ(board.error().code, ErrorCode::usage);
  EXPECT_NE(board.error().hint.find("netduinoplus2"), std::string::npos) << board.error().hint;
  EXPECT_FALSE(load_board("chips/stm32f405"));
}

TEST(Board, UnknownKeyNamesTheNearest) {
  const auto board = parse_board("mine", "name = \"x\"\nclock_hertz = 5\n[runner]\nkind = \"host\"\n", "mine.toml");
  ASSERT_FALSE(board);
  EXPECT_NE(board.error().message.find("clock_hertz"), std::string::npos);
  EXPECT_NE(board.error().hint.find("clock_hz"), std::string::npos) << board.error().hint;
}

TEST(Board, RefusesWhatCannotBeABoard) {
  EXPECT_FALSE(parse_board("a", "[runner]\nkind = \"magic\"\n", "a.toml"));
  EXPECT_FALSE(parse_board("a", "chip = \"stm32f405\"\npins = [\"LED\"]\n", "a.toml"));
  EXPECT_FALSE(parse_board("a", "chip = \"no-such-chip\"\n", "a.toml"));
  EXPECT_FALSE(parse_board("a", "name = \"no memory\"\n", "a.toml"));
}
