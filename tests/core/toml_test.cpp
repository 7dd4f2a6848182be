#include "core/toml.h"

#include <gtest/gtest.h>

using namespace thimble;

TEST(Toml, ReadsWhatIsThereAndKeepsDefaults) {
  auto root = TomlTable::parse("[train]\nepochs = 3\nrate = 1\nnames = [\"a\", \"b\"]\n", "thimble.toml");
  ASSERT_TRUE(root);
  TomlTable train = root->table("train");
  int epochs = 20, batch = 64;
  double rate = 0;
  std::vector<std::string> names;
  train.read("epochs", epochs);
  train.read("batch", batch);
  train.read("rate", rate);
  train.read("names", names);
  EXPECT_EQ(epochs, 3);
  EXPECT_EQ(batch, 64);
  EXPECT_EQ(rate, 1.0);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(train.finish());
  EXPECT_TRUE(root->finish());
}

TEST(Toml, UnknownKeySuggestsTheNearest) {
  auto root = TomlTable::parse("[train]\nepoch = 3\n", "thimble.toml");
  TomlTable train = root->table("train");
  int epochs = 20;
  train.read("epochs", epochs);
  const auto outcome = train.finish();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().where, "thimble.toml:2 [train]");
  EXPECT_NE(outcome.error().hint.find("epochs"), std::string::npos);
}

TEST(Toml, WrongTypeSaysWhatWasExpected) {
  auto root = TomlTable::parse("epochs = \"many\"\n", "thimble.toml");
  int epochs = 20;
  root->read("epochs", epochs);
  const auto outcome = root->finish();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("whole number"), std::string::npos);
}

TEST(Toml, SyntaxErrorHasLineAndColumn) {
  const auto root = TomlTable::parse("a = \n", "thimble.toml");
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().where.substr(0, 14), "thimble.toml:1");
}
