// Temporary folders of generated recordings, good and bad, and the real data where it is present.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <numbers>

#include "data/wav.h"

namespace thimble {

// A new, empty folder that is removed at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ =
        Path(testing::TempDir()) / fmt::format("thimble_{}_{}_{}", test->test_suite_name(), test->name(), ::getpid());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  Path operator/(const Path& name) const { return path_ / name; }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

inline Recording make_tone(double hz, double seconds = 0.1, int rate_hz = 16000, int channels = 1) {
  Recording tone{rate_hz, channels, {}};
  for (int i = 0; i < static_cast<int>(seconds * rate_hz); ++i)
    for (int channel = 0; channel < channels; ++channel)
      tone.samples.push_back(static_cast<int16_t>(8000 * std::sin(2 * std::numbers::pi * hz * i / rate_hz)));
  return tone;
}

// <class>/<speaker>_nohash_<take>.wav for every combination.
inline void make_speech_folder(const Path& root, const std::vector<std::string>& classes,
                               const std::vector<std::string>& speakers, int takes) {
  double hz = 200;
  for (const std::string& name : classes)
    for (const std::string& speaker : speakers)
      for (int take = 0; take < takes; ++take)
        ASSERT_TRUE(write_wav(root / name / fmt::format("{}_nohash_{}.wav", speaker, take), make_tone(hz += 7)));
}

// Where the real recordings are, or an empty path.
inline Path shared_data() {
  const char* named = std::getenv("THIMBLE_SHARED_DATA");
  const Path path = named != nullptr ? Path(named) : Path(THIMBLE_SOURCE_DIR "/../shared/data");
  return std::filesystem::is_directory(path) ? path : Path();
}

}  // namespace thimble
