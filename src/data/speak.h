// A keyword data set out of nothing: many synthetic voices speak every word, and each clip gets its own pitch, pace,
// level, place within the second and noise. A start for a project without recordings, and no substitute for people's
// voices.
#pragma once
#include "core/progress.h"
#include "data/dataset.h"

namespace thimble {

struct SpeakOptions {
  std::vector<std::string> words = {"yes", "no", "up", "down", "left", "right", "stop", "go"};
  // Spoken for the class "unknown"; empty = no such class. Words that are also keywords are left out.
  std::vector<std::string> unknown_words = {"family",  "happy",  "monday", "marvin",  "three",  "seven",  "water",
                                            "music",   "window", "table",  "garden",  "visual", "summer", "people",
                                            "kitchen", "six",    "eight",  "morning", "paper",  "zero"};
  bool silence = true;  // the class "silence": noises of many colours, hum, hardly anything
  int clips_per_class = 432;
  int voices = 48;  // at most; fewer when this espeak-ng has fewer
  int sample_rate_hz = 16000;
  double seconds = 1;         // of each clip
  double lowest_snr_db = 15;  // of a word to its noise; the highest is 30 dB more
  uint64_t seed = 1;
};

struct SpokenSet {
  int64_t clips = 0;  // in the folder now
  int64_t made = 0;   // by this call; the rest was there from an earlier one
  int64_t voices = 0;
};

// Writes <folder>/<class>/<voice>_nohash_<n>.wav and speak.json, which tells what was asked for. Called again, also
// after Ctrl-C, makes only what is missing; after a change of options replaces the clips it made, and only those. The
// same options give the same bytes. Errors: usage (a word that cannot name a folder, a number out of range, a folder
// that holds something else), tool_missing, tool_failed, io, cancelled.
Result<SpokenSet> speak_keywords(const Path& folder, const SpeakOptions& options, Progress& progress);

}  // namespace thimble
