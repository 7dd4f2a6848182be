// What a device can tell about a run without keeping any of it: counts per class, features that did not fit the model's
// input, and the range and mean of winning scores. Integers only.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

// Least, greatest and mean of a series.
struct RunningRange {
  int32_t min, max;
  uint32_t count;
  int64_t sum;

  void add(int32_t value) {
    if (count == 0 || value < min) min = value;
    if (count == 0 || value > max) max = value;
    sum += value;
    ++count;
  }
  // Rounded towards zero; 0 when there is none.
  int32_t mean() const { return count ? static_cast<int32_t>(sum / static_cast<int64_t>(count)) : 0; }
};

template <int kClasses>
struct RunStats {
  uint32_t frames;
  uint64_t features;
  uint64_t clamped_features;  // beyond the ends of int8: the sound is outside what calibration saw
  uint32_t inferences;
  uint32_t undecided;            // inferences without a winner
  uint32_t decisions[kClasses];  // that began, per class
  RunningRange scores;           // of the winner, averaged score * 256
  int32_t last_winner;

  void reset() {
    *this = RunStats{};
    last_winner = -1;
  }
  void add_frame(int32_t feature_count, int32_t clamped) {
    ++frames;
    features += static_cast<uint32_t>(feature_count);
    clamped_features += static_cast<uint32_t>(clamped);
  }
  // winner: class decided, or -1.
  void add_inference(int32_t winner, int32_t score) {
    ++inferences;
    if (winner < 0)
      ++undecided;
    else
      scores.add(score);
    if (winner >= 0 && winner < kClasses && winner != last_winner) ++decisions[winner];
    last_winner = winner;
  }
};

}  // namespace device
}  // namespace thimble
