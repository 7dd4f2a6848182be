// A keyword project in small: three kinds of sound, "spoken" by several voices, learnt within a second or two.
#pragma once
#include "core/rng.h"
#include "data/sounds.h"
#include "project/program.h"

namespace thimble::testing_program {

constexpr int kToneRate = 8000;

// A tone of the class's pitch as this voice makes it, or noise, in some noise. Voices differ in how long they last: 300
// ms and 90 ms more from voice to voice.
inline Recording make_sound(const std::string& label, int voice, int take) {
  Rng rng({static_cast<uint64_t>(label[0]), static_cast<uint64_t>(voice), static_cast<uint64_t>(take)});
  const double pitch = (label == "low" ? 300 : 1500) * (1 + 0.06 * voice);
  Recording sound{kToneRate, 1, {}};
  for (int i = 0; i < kToneRate * (300 + 90 * voice) / 1000; ++i) {
    const double phase = 2 * std::numbers::pi * pitch * i / kToneRate;
    const double tone = label == "noise" ? 0 : 6000 * std::sin(phase) * (i > 400 + 200 * take);
    sound.samples.push_back(static_cast<int16_t>(tone + 600 * (rng.uniform() - 0.5)));
  }
  return sound;
}

inline void make_tones(const Path& folder, int voices = 8, int takes = 2) {
  for (const std::string label : {"high", "low", "noise"})
    for (int voice = 0; voice < voices; ++voice)
      for (int take = 0; take < takes; ++take)
        ASSERT_TRUE(
            write_wav(folder / label / fmt::format("v{}_nohash_{}.wav", voice, take), make_sound(label, voice, take)));
}

constexpr const char* kToneProject = R"([project]
name = "tones"
seed = 3

[data]
kind = "folder"
source = "data"
sample_rate_hz = 8000
split = [0.5, 0.2, 0.3]

[signal]
block = "log_mel"
window_ms = 500
frame_ms = 32
hop_ms = 20
mel_bands = 12

[model]
architecture = "ds_cnn"
channels = 8
blocks = 1

[train]
epochs = 30
batch = 8
learning_rate = 0.01

[deploy]
board = "netduinoplus2"
clips = 9
stride_ms = 100

[deploy.decision]
smooth = 2
quiet = ["noise"]
)";

// The project's text with lines changed: each pair is what stands there and what shall.
inline std::string tone_project(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  std::string text = kToneProject;
  for (const auto& [from, to] : changes) {
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    if (at != text.npos) text.replace(at, from.size(), to);
  }
  return text;
}

inline void write_project(const Path& folder, const std::string& text) {
  ASSERT_TRUE(write_text(folder / "thimble.toml", text));
}

// A folder with the sounds and the project.
inline void make_tone_project(const Path& folder,
                              const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  make_tones(folder / "data");
  write_project(folder, tone_project(changes));
}

}  // namespace thimble::testing_program
