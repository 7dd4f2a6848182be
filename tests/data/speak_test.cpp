#include "data/speak.h"

#include <map>
#include <set>

#include "core/process.h"
#include "data/espeak.h"
#include "data/import.h"
#include "data/noise.h"
#include "data/sounds.h"
#include "data/split.h"
#include "data/stats.h"

using namespace thimble;

#define SKIP_WITHOUT_ESPEAK() \
  if (!find_program("espeak-ng")) GTEST_SKIP() << "espeak-ng is not installed"

namespace {

SpeakOptions few_clips(uint64_t seed = 1) {
  return {
      .words = {"yes", "stop"}, .unknown_words = {"bird", "seven"}, .clips_per_class = 10, .voices = 4, .seed = seed};
}

std::map<std::string, std::vector<uint8_t>> contents(const Path& folder) {
  std::map<std::string, std::vector<uint8_t>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder).string()] = *read_bytes(entry.path());
  return files;
}

// Energy of differences between neighbours over energy: grows with the share of high frequencies.
double roughness(const std::vector<float>& samples) {
  double rough = 0, all = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    rough += std::pow(samples[i] - samples[i - 1], 2);
    all += std::pow(samples[i], 2);
  }
  return rough / all;
}

}  // namespace

TEST(Noise, ColoursFallAsTheyShould) {
  Rng rng({1});
  const auto white = coloured_noise(16000, 16000, 0, rng);
  const auto pink = coloured_noise(16000, 16000, 1, rng);
  const auto brown = coloured_noise(16000, 16000, 2, rng);
  EXPECT_GT(roughness(white), 1.0);
  EXPECT_LT(roughness(pink), 0.7 * roughness(white));
  EXPECT_LT(roughness(brown), 0.3 * roughness(pink));
  EXPECT_LT(roughness(mains_hum(16000, 16000, 50, rng)), 0.01);
  for (const auto& noise : {white, pink, brown}) EXPECT_NEAR(root_mean_square(noise), 1, 1e-3);
}

TEST(Espeak, EveryVoiceIsADifferentTimbreAndSpeaksEveryWordApart) {
  SKIP_WITHOUT_ESPEAK();
  const auto voices = find_voices();
  ASSERT_TRUE(voices) << to_string(voices.error());
  EXPECT_GE(voices->size(), 20u);
  std::set<std::string> variants;
  std::set<std::vector<int16_t>> sounds;
  const std::vector<Utterance> words = {{"yes"}, {"stop", 1.3, -0.2, "?"}, {"seven", 0.75, 0.3, "!"}};
  for (const Voice& voice : *voices) {
    const auto spoken = speak(voice, words);
    ASSERT_TRUE(spoken) << to_string(spoken.error());
    ASSERT_EQ(spoken->size(), words.size());
    for (const Recording& word : *spoken) {
      const double seconds = static_cast<double>(word.samples.size()) / word.sample_rate_hz;
      EXPECT_GT(seconds, 0.1) << voice.name();
      EXPECT_LT(seconds, 1.1) << voice.name();
    }
    EXPECT_TRUE(variants.insert(voice.variant).second) << voice.variant;
    EXPECT_TRUE(sounds.insert((*spoken)[0].samples).second) << voice.name() << " sounds like another voice";
  }
}

TEST(Speak, SameSeedSameBytesOtherSeedOtherBytes) {
  SKIP_WITHOUT_ESPEAK();
  const TemporaryFolder folder;
  const auto first = speak_keywords(folder / "a", few_clips(), silent_progress());
  ASSERT_TRUE(first) << to_string(first.error());
  EXPECT_EQ(first->clips, 40);
  EXPECT_EQ(first->made, 40);
  ASSERT_TRUE(speak_keywords(folder / "b", few_clips(), silent_progress()));
  ASSERT_TRUE(speak_keywords(folder / "c", few_clips(2), silent_progress()));
  const auto a = contents(folder / "a"), b = contents(folder / "b"), c = contents(folder / "c");
  ASSERT_EQ(a.size(), 41u);
  EXPECT_EQ(a, b);
  ASSERT_EQ(c.size(), 41u);
  for (const auto& [name, bytes] : a) EXPECT_NE(bytes, c.at(name)) << name;
}

TEST(Speak, ClipsAreGoodRecordingsThatSplitByVoice) {
  SKIP_WITHOUT_ESPEAK();
  const TemporaryFolder folder;
  SpeakOptions options = few_clips();
  options.voices = 8;
  options.clips_per_class = 16;
  ASSERT_TRUE(speak_keywords(folder.path(), options, silent_progress()));
  auto dataset = import_dataset(folder.path(), {.sample_rate_hz = 16000}, silent_progress());
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->classes, (std::vector<std::string>{"silence", "stop", "unknown", "yes"}));
  for (const Sample& sample : dataset->samples) EXPECT_EQ(sample.duration_s, 1.0) << sample.path;
  dataset = split_dataset(*dataset, {});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  const auto stats = compute_stats(*dataset, silent_progress());
  ASSERT_TRUE(stats);
  EXPECT_TRUE(stats->warnings.empty()) << stats->warnings[0];
  EXPECT_EQ(stats->total.groups, 16) << "8 voices and 8 places without speech";
}

TEST(Speak, CalledAgainMakesOnlyWhatIsMissing) {
  SKIP_WITHOUT_ESPEAK();
  const TemporaryFolder folder;
  ASSERT_TRUE(speak_keywords(folder.path(), few_clips(), silent_progress()));
  const auto before = contents(folder.path());
  EXPECT_EQ(speak_keywords(folder.path(), few_clips(), silent_progress())->made, 0);
  std::filesystem::remove_all(folder / "yes");
  EXPECT_EQ(speak_keywords(folder.path(), few_clips(), silent_progress())->made, 10);
  EXPECT_EQ(contents(folder.path()), before);
}

TEST(Speak, InterruptedItGoesOnLater) {
  SKIP_WITHOUT_ESPEAK();
  class StopAfterThree : public Progress {
    void begin(std::string_view, int64_t) override {}
    void update(int64_t done, std::string_view) override { stop_requested = done >= 3; }
    void end(std::string_view) override {}
    void note(std::string_view) override {}
  } stopping;
  const TemporaryFolder folder;
  const auto interrupted = speak_keywords(folder / "a", few_clips(), stopping);
  stop_requested = false;
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code, ErrorCode::cancelled);
  const auto resumed = speak_keywords(folder / "a", few_clips(), silent_progress());
  ASSERT_TRUE(resumed);
  EXPECT_GT(resumed->made, 0);
  EXPECT_LT(resumed->made, 40);
  ASSERT_TRUE(speak_keywords(folder / "b", few_clips(), silent_progress()));
  EXPECT_EQ(contents(folder / "a"), contents(folder / "b"));
}

TEST(Speak, OtherOptionsReplaceItsOwnClipsAndNothingElse) {
  SKIP_WITHOUT_ESPEAK();
  const TemporaryFolder folder;
  ASSERT_TRUE(speak_keywords(folder.path(), few_clips(), silent_progress()));
  ASSERT_TRUE(write_wav(folder / "yes/me_nohash_0.wav", make_tone(300)));
  SpeakOptions other = few_clips();
  other.words = {"yes", "go"};
  ASSERT_TRUE(speak_keywords(folder.path(), other, silent_progress()));
  EXPECT_FALSE(std::filesystem::exists(folder / "stop"));
  EXPECT_TRUE(std::filesystem::exists(folder / "go"));
  EXPECT_TRUE(std::filesystem::exists(folder / "yes/me_nohash_0.wav"));
}

TEST(Speak, LeavesForeignFoldersAlone) {
  SKIP_WITHOUT_ESPEAK();
  const TemporaryFolder folder;
  ASSERT_TRUE(write_text(folder / "thesis.txt", "mine"));
  const auto refused = speak_keywords(folder.path(), few_clips(), silent_progress());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::usage);

  ASSERT_TRUE(write_text(folder / "speak/speak.json",
                         R"({"clips": ["../thesis.txt", "/etc/x_nohash_.wav", "../x_nohash_0.wav"]})"));
  ASSERT_TRUE(write_wav(folder / "x_nohash_0.wav", make_tone(300)));
  SpeakOptions other = few_clips();
  other.clips_per_class = 4;
  ASSERT_TRUE(speak_keywords(folder / "speak", other, silent_progress()));
  EXPECT_TRUE(std::filesystem::exists(folder / "thesis.txt"));
  EXPECT_TRUE(std::filesystem::exists(folder / "x_nohash_0.wav"));
}

TEST(Speak, RefusesWordsAndNumbersThatCannotWork) {
  const TemporaryFolder folder;
  const auto code_for = [&](const SpeakOptions& options) {
    const auto set = speak_keywords(folder / "out", options, silent_progress());
    return set ? ErrorCode::internal : set.error().code;
  };
  for (const char* word : {"", "a/b", "_x", ".", "<b>", "unknown", "silence", "yes"})
    EXPECT_EQ(code_for({.words = {"yes", word}}), ErrorCode::usage) << word;
  EXPECT_EQ(code_for({.words = {}}), ErrorCode::usage);
  EXPECT_EQ(code_for({.clips_per_class = 0}), ErrorCode::usage);
  EXPECT_EQ(code_for({.voices = 49}), ErrorCode::usage);
  EXPECT_EQ(code_for({.sample_rate_hz = 100}), ErrorCode::usage);
  EXPECT_EQ(code_for({.seconds = NAN}), ErrorCode::usage);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}
