// From recordings to features, and what augmentation does to them.
#include "train/features.h"

#include <algorithm>

#include "train/augment.h"
#include "train/support.h"

using namespace thimble;

namespace {

void append_u32(std::vector<uint8_t>& bytes, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

// One channel of 16-bit PCM.
void write_wav(const Path& path, int sample_rate_hz, const std::vector<int16_t>& samples) {
  std::vector<uint8_t> bytes;
  const auto text = [&](std::string_view word) { bytes.insert(bytes.end(), word.begin(), word.end()); };
  const auto data_bytes = static_cast<uint32_t>(2 * samples.size());
  text("RIFF"), append_u32(bytes, 36 + data_bytes), text("WAVEfmt "), append_u32(bytes, 16),
      append_u32(bytes, 1 | 1 << 16);
  append_u32(bytes, static_cast<uint32_t>(sample_rate_hz)),
      append_u32(bytes, static_cast<uint32_t>(2 * sample_rate_hz)), append_u32(bytes, 2 | 16 << 16);
  text("data"), append_u32(bytes, data_bytes);
  for (int16_t sample : samples)
    bytes.push_back(static_cast<uint8_t>(sample)), bytes.push_back(static_cast<uint8_t>(sample >> 8));
  ASSERT_TRUE(write_bytes(path, bytes));
}

// Tones of two pitches from three speakers.
Dataset tones(const Path& folder) {
  Dataset dataset{.root = folder, .sample_rate_hz = 8000, .classes = {"high", "low"}};
  for (int speaker = 0; speaker < 3; ++speaker)
    for (int label = 0; label < 2; ++label) {
      std::vector<int16_t> samples;
      for (int i = 0; i < 8000; ++i) samples.push_back(static_cast<int16_t>(8000 * std::sin(i * (label ? 0.1 : 0.6))));
      const std::string name = fmt::format("{}_{}.wav", label, speaker);
      write_wav(folder / name, 8000, samples);
      dataset.samples.push_back({.path = name,
                                 .group = std::to_string(speaker),
                                 .label = label,
                                 .split = static_cast<Split>(speaker),
                                 .duration_s = 1});
    }
  return dataset;
}

Signal signal_8k() { return must(make_signal({.block = "log_mel", .sample_rate_hz = 8000})); }

}  // namespace

TEST(Features, AreWhatTheSignalComputes) {
  const Dataset dataset = tones(fresh_folder("tones"));
  const Signal signal = signal_8k();
  const Features features = must(compute_features(dataset, signal, {}, silent_progress()));
  ASSERT_EQ(features.labels.size(), dataset.samples.size());
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    const Recording recording = must(load_recording(dataset, dataset.samples[i]));
    const std::vector<int16_t> expected = compute_features(signal, recording.samples);
    EXPECT_TRUE(std::ranges::equal(features.sample(i), expected)) << i;
    EXPECT_EQ(features.labels[i], dataset.samples[i].label);
    EXPECT_EQ(features.splits[i], dataset.samples[i].split);
  }
}

TEST(Features, OnlyTrainingRecordingsComeAtOtherSpeeds) {
  const Dataset dataset = tones(fresh_folder("speeds"));
  const Features features = must(compute_features(dataset, signal_8k(), {.speeds = {0.9, 1, 1.1}}, silent_progress()));
  EXPECT_EQ(of_split(features, Split::train).size(), 6u);
  EXPECT_EQ(of_split(features, Split::validation).size(), 2u);
  EXPECT_EQ(of_split(features, Split::test).size(), 2u);
  const std::vector<size_t> train = of_split(features, Split::train);
  EXPECT_EQ(features.sample_of[train[0]], features.sample_of[train[2]]);
  EXPECT_FALSE(std::ranges::equal(features.sample(train[0]), features.sample(train[2])));
}

TEST(Features, AreNormalisedOverTheTrainingSplit) {
  const Features features = must(compute_features(tones(fresh_folder("normal")), signal_8k(), {}, silent_progress()));
  double sum = 0, squares = 0, count = 0;
  for (size_t index : of_split(features, Split::train))
    for (int16_t q : features.sample(index)) {
      const double x = features.normalized(q);
      sum += x, squares += x * x, ++count;
    }
  EXPECT_NEAR(sum / count, 0, 1e-4);
  EXPECT_NEAR(squares / count, 1, 1e-3);
}

TEST(Features, ARecordingThatIsGoneIsNamed) {
  const Path folder = fresh_folder("gone");
  const Dataset dataset = tones(folder);
  std::filesystem::remove(folder / "1_1.wav");
  const auto features = compute_features(dataset, signal_8k(), {}, silent_progress());
  ASSERT_FALSE(features);
  EXPECT_NE(features.error().where.find("1_1.wav"), std::string::npos);
}

TEST(Features, ASignalForAnotherRateIsRefused) {
  const auto features = compute_features(tones(fresh_folder("rate")), must(make_signal({})), {}, silent_progress());
  ASSERT_FALSE(features);
  EXPECT_EQ(features.error().code, ErrorCode::usage);
}

class Augment : public testing::Test {
 protected:
  std::vector<float> draw(const TrainOptions& options, uint64_t epoch, size_t index) {
    std::vector<float> input(static_cast<size_t>(features_.feature_count()));
    target_.assign(3, -1.0f);
    draw_example(features_, options, train_, epoch, index, {input, target_});
    return input;
  }
  std::vector<float> plain(size_t index) { return draw({}, 0, index); }

  Features features_ = stripe_features(60);
  std::vector<size_t> train_ = of_split(features_, Split::train);
  std::vector<float> target_;
};

TEST_F(Augment, WithoutOptionsIsTheSampleItself) {
  const std::vector<float> input = plain(4);
  for (size_t i = 0; i < input.size(); ++i) EXPECT_EQ(input[i], features_.normalized(features_.sample(4)[i]));
  EXPECT_EQ(target_, (std::vector<float>{0, 1, 0}));
}

TEST_F(Augment, DependsOnSeedEpochAndSampleOnly) {
  TrainOptions options{.augment = {.shift_frames = 3, .gain = 1, .mixup = 0.3, .noise = 0.2}, .seed = 9};
  const std::vector<float> first = draw(options, 2, 7);
  draw(options, 3, 8);
  EXPECT_EQ(draw(options, 2, 7), first);
  EXPECT_NE(draw(options, 3, 7), first);
  options.seed = 10;
  EXPECT_NE(draw(options, 2, 7), first);
}

TEST_F(Augment, ShiftsMoveWholeFramesAndRepeatTheEdge) {
  const std::vector<float> before = plain(5);
  bool earlier = false, later = false;
  for (uint64_t epoch = 0; epoch < 40; ++epoch) {
    const std::vector<float> after = draw({.augment = {.shift_frames = 1}}, epoch, 5);
    earlier |= std::equal(before.begin() + 9, before.end(), after.begin()) &&
               std::equal(before.end() - 9, before.end(), after.end() - 9);
    later |= std::equal(before.begin(), before.end() - 9, after.begin() + 9) &&
             std::equal(before.begin(), before.begin() + 9, after.begin());
  }
  EXPECT_TRUE(earlier);
  EXPECT_TRUE(later);
}

TEST_F(Augment, MasksPutTheMeanOverARunOfFramesAndOfBands) {
  size_t most_frames = 0, most_bands = 0;
  for (uint64_t epoch = 0; epoch < 60; ++epoch) {
    const std::vector<float> input = draw({.augment = {.time_mask_frames = 3, .band_mask = 2}}, epoch, 5);
    size_t frames = 0, bands = 0;
    for (size_t frame = 0; frame < 12; ++frame)
      frames += std::count(&input[frame * 9], &input[frame * 9] + 9, 0.0f) == 9;
    for (size_t band = 0; band < 9; ++band) {
      bool masked = true;
      for (size_t frame = 0; frame < 12; ++frame) masked = masked && input[frame * 9 + band] == 0;
      bands += masked;
    }
    most_frames = std::max(most_frames, frames);
    most_bands = std::max(most_bands, bands);
  }
  EXPECT_EQ(most_frames, 3u);
  EXPECT_EQ(most_bands, 2u);
}

TEST_F(Augment, TargetsStayDistributions) {
  TrainOptions options{.label_smoothing = 0.1, .augment = {.mixup = 0.5}};
  bool mixed = false;
  for (uint64_t epoch = 0; epoch < 30; ++epoch) {
    draw(options, epoch, 3);
    EXPECT_NEAR(target_[0] + target_[1] + target_[2], 1, 1e-6);
    mixed |= *std::ranges::max_element(target_) < 0.9f;
    EXPECT_GE(*std::ranges::min_element(target_), 0.1f / 3 - 1e-6f);
  }
  EXPECT_TRUE(mixed);
}
