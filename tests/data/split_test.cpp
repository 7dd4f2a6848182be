#include "data/split.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/rng.h"
#include "data/sounds.h"
#include "data/stats.h"

using namespace thimble;

namespace {

// Random groups of random size and classes.
Dataset random_dataset(uint64_t seed, int groups, int classes, int most_per_group) {
  Rng rng({seed, 99});
  Dataset dataset;
  for (int c = 0; c < classes; ++c) dataset.classes.push_back(fmt::format("class{}", c));
  for (int group = 0; group < groups; ++group) {
    const uint64_t count = 1 + rng.below(static_cast<uint64_t>(most_per_group));
    for (uint64_t i = 0; i < count; ++i)
      dataset.samples.push_back({.path = fmt::format("{:03}/{}", group, i),
                                 .group = fmt::format("speaker{}", group),
                                 .label = static_cast<int>(rng.below(static_cast<uint64_t>(classes)))});
  }
  return dataset;
}

std::vector<Split> splits_of(const Dataset& dataset) {
  std::vector<Split> splits;
  for (const Sample& sample : dataset.samples) splits.push_back(sample.split);
  return splits;
}

double share_of(const Dataset& dataset, Split split) {
  return static_cast<double>(indices_of(dataset, split).size()) / static_cast<double>(dataset.samples.size());
}

}  // namespace

TEST(Split, NoGroupIsInTwoPartsAndSharesAreKept) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto dataset = split_dataset(random_dataset(seed, 40, 6, 30), {.seed = seed});
    ASSERT_TRUE(dataset) << to_string(dataset.error());
    std::map<std::string, Split> part_of;
    std::map<Split, std::set<int>> classes_in;
    for (const Sample& sample : dataset->samples) {
      EXPECT_EQ(part_of.try_emplace(sample.group, sample.split).first->second, sample.split) << sample.path;
      classes_in[sample.split].insert(sample.label);
    }
    EXPECT_NEAR(share_of(*dataset, Split::train), 0.7, 0.05) << seed;
    EXPECT_NEAR(share_of(*dataset, Split::validation), 0.15, 0.04) << seed;
    EXPECT_NEAR(share_of(*dataset, Split::test), 0.15, 0.04) << seed;
    for (const auto& [split, classes] : classes_in)
      EXPECT_EQ(classes.size(), 6u) << name_of(split) << ", seed " << seed;
  }
}

TEST(Split, SameSeedSamePartsOtherSeedOtherParts) {
  const Dataset dataset = random_dataset(1, 40, 4, 10);
  EXPECT_EQ(splits_of(*split_dataset(dataset, {.seed = 5})), splits_of(*split_dataset(dataset, {.seed = 5})));
  EXPECT_NE(splits_of(*split_dataset(dataset, {.seed = 5})), splits_of(*split_dataset(dataset, {.seed = 6})));
  EXPECT_EQ(split_dataset(dataset, {.seed = 5})->hash, split_dataset(dataset, {.seed = 5})->hash);
}

TEST(Split, RowsWithoutGroupsAreStratified) {
  Dataset dataset;
  dataset.classes = {"common", "rare"};
  for (int i = 0; i < 1000; ++i) dataset.samples.push_back({.path = fmt::format("t.csv:{}", i), .label = i % 50 == 0});
  const auto split = split_dataset(dataset, {});
  ASSERT_TRUE(split);
  std::map<Split, int> rare;
  for (const Sample& sample : split->samples) rare[sample.split] += sample.label;
  EXPECT_EQ(indices_of(*split, Split::test).size(), 150u);
  EXPECT_EQ(rare[Split::train], 14);
  EXPECT_EQ(rare[Split::validation], 3);
  EXPECT_EQ(rare[Split::test], 3);
}

TEST(Split, ARareClassReachesEveryPartWhenItsGroupsAllow) {
  Dataset dataset = random_dataset(3, 30, 2, 10);
  dataset.classes.push_back("rare");
  for (int group : {2, 11, 23})
    dataset.samples.push_back({.path = "r", .group = fmt::format("speaker{}", group), .label = 2});
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto split = split_dataset(dataset, {.seed = seed});
    ASSERT_TRUE(split);
    std::set<Split> parts;
    for (const Sample& sample : split->samples)
      if (sample.label == 2) parts.insert(sample.split);
    EXPECT_EQ(parts.size(), 3u) << seed;
  }
}

TEST(Split, NamedGroupsGoWhereTheyAreSent) {
  const auto split = split_dataset(random_dataset(1, 12, 3, 10),
                                   {.validation_groups = {"speaker3"}, .test_groups = {"speaker0", "speaker7"}});
  ASSERT_TRUE(split) << to_string(split.error());
  for (const Sample& sample : split->samples) {
    const Split expected = sample.group == "speaker3"                                 ? Split::validation
                           : sample.group == "speaker0" || sample.group == "speaker7" ? Split::test
                                                                                      : Split::train;
    EXPECT_EQ(sample.split, expected) << sample.group;
  }
}

TEST(Split, RefusesWhatCannotBeDone) {
  const Dataset dataset = random_dataset(1, 12, 3, 10);
  const auto unknown = split_dataset(dataset, {.test_groups = {"speaker33"}});
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_NE(unknown.error().hint.find("speaker3"), std::string::npos);
  EXPECT_EQ(split_dataset(dataset, {.validation_groups = {"speaker1"}, .test_groups = {"speaker1"}}).error().code,
            ErrorCode::usage);
  EXPECT_EQ(split_dataset(dataset, {.validation = 0.6, .test = 0.4}).error().code, ErrorCode::usage);
  EXPECT_EQ(split_dataset(dataset, {.validation = -0.1}).error().code, ErrorCode::usage);
  EXPECT_EQ(split_dataset(dataset, {.test = NAN}).error().code, ErrorCode::usage);

  const auto few = split_dataset(random_dataset(1, 2, 2, 20), {});
  EXPECT_EQ(few.error().code, ErrorCode::bad_data);
  EXPECT_NE(few.error().message.find("at least 3 groups"), std::string::npos) << few.error().message;
  EXPECT_TRUE(split_dataset(random_dataset(1, 2, 2, 20), {.validation = 0}));

  Dataset one_speaker_class = dataset;
  one_speaker_class.classes.push_back("only");
  one_speaker_class.samples.push_back({.path = "x", .group = "speaker4", .label = 3});
  const auto nothing_left = split_dataset(one_speaker_class, {.test_groups = {"speaker4"}});
  EXPECT_EQ(nothing_left.error().code, ErrorCode::bad_data);
  EXPECT_NE(nothing_left.error().message.find("\"only\""), std::string::npos);
}

TEST(Split, EveryPartGetsSomethingEvenWithTinyShares) {
  const auto split = split_dataset(random_dataset(4, 10, 2, 30), {.validation = 0.01, .test = 0.01});
  ASSERT_TRUE(split);
  EXPECT_FALSE(indices_of(*split, Split::validation).empty());
  EXPECT_FALSE(indices_of(*split, Split::test).empty());
}

TEST(Stats, CountsAndWarnsAboutBadRecordings) {
  const TemporaryFolder folder;
  Dataset dataset{.root = folder.path(), .sample_rate_hz = 16000, .classes = {"no", "yes"}};
  const auto add = [&](const std::string& name, const Recording& recording, int label, Split split) {
    ASSERT_TRUE(write_wav(folder / name, recording));
    dataset.samples.push_back({.path = name,
                               .group = "g" + name,
                               .label = label,
                               .split = split,
                               .duration_s = static_cast<double>(recording.samples.size()) / 16000});
  };
  add("a.wav", make_tone(300, 0.5), 0, Split::train);
  add("b.wav", make_tone(400, 0.5), 1, Split::train);
  add("same.wav", make_tone(300, 0.5), 0, Split::test);
  Recording loud = make_tone(500, 0.5), faint = make_tone(600, 0.1);
  for (int16_t& sample : loud.samples) sample = sample > 0 ? 32767 : -32768;
  for (int16_t& sample : faint.samples) sample = static_cast<int16_t>(sample / 1000);
  add("loud.wav", loud, 1, Split::train);
  add("faint.wav", faint, 1, Split::train);

  const auto stats = compute_stats(dataset, silent_progress());
  ASSERT_TRUE(stats) << to_string(stats.error());
  EXPECT_EQ(stats->total.samples, 5);
  EXPECT_EQ(stats->parts[0].groups, 4);
  EXPECT_NEAR(stats->total.seconds, 2.1, 1e-9);
  EXPECT_EQ(stats->classes[1].samples, (std::array<int64_t, 3>{3, 0, 0}));
  EXPECT_NEAR(stats->classes[0].level_db, 20 * std::log10(8000 / std::sqrt(2.0) / 32768), 0.1);
  std::string all;
  for (const std::string& warning : stats->warnings) all += warning + "\n";
  for (const char* expected : {"class yes has no samples in the test part", "-60 dB of full scale: faint.wav",
                               "clipped: loud.wav", "another part", "lengths differ"})
    EXPECT_NE(all.find(expected), std::string::npos) << expected << " in\n" << all;
  EXPECT_EQ(to_json(*stats)["splits"]["train"]["samples"], 4);
}

TEST(Stats, AGoodDatasetHasNoWarnings) {
  const TemporaryFolder folder;
  Dataset dataset{.root = folder.path(), .sample_rate_hz = 16000, .classes = {"no", "yes"}};
  for (int i = 0; i < 12; ++i) {
    const std::string name = fmt::format("{}.wav", i);
    ASSERT_TRUE(write_wav(folder / name, make_tone(200 + 50 * i)));
    dataset.samples.push_back({.path = name, .group = name, .label = i % 2, .duration_s = 0.1});
  }
  const auto stats = compute_stats(*split_dataset(dataset, {.validation = 0.2, .test = 0.2}), silent_progress());
  ASSERT_TRUE(stats);
  EXPECT_TRUE(stats->warnings.empty()) << stats->warnings[0];
}
