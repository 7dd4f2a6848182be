#include "device/base/crc32.h"

#include <gtest/gtest.h>

namespace thimble::device {
namespace {

TEST(Crc32, MatchesThePublishedCheckValue) {
  EXPECT_EQ(crc32("123456789", 9), 0xCBF43926u);
  EXPECT_EQ(crc32("", 0), 0u);
}

TEST(Crc32, PiecesGiveTheSameAsTheWhole) { EXPECT_EQ(crc32("6789", 4, crc32("12345", 5)), crc32("123456789", 9)); }

}  // namespace
}  // namespace thimble::device
