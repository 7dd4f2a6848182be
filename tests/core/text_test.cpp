#include "core/text.h"

#include <gtest/gtest.h>

namespace thimble {
namespace {

TEST(Text, EditDistanceCountsSlipsOfThePen) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("hop_ms", "hpo_ms"), 1);
}

TEST(Text, UnknownNamesGetTheNearestKnownOne) {
  const std::vector<std::string> names = {"frame_ms", "hop_ms", "mel_bands"};
  EXPECT_EQ(nearest_name("mel_band", names), "mel_bands");
  EXPECT_EQ(nearest_name("HOP_MS", names), "hop_ms");
  EXPECT_EQ(nearest_name("colour", names), "");
  EXPECT_EQ(name_hint("hopms", names), "did you mean \"hop_ms\"?");
  EXPECT_EQ(name_hint("colour", names), "one of: frame_ms, hop_ms, mel_bands");
}

}  // namespace
}  // namespace thimble
