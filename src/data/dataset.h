// A dataset: labelled recordings (or rows of a table), each belonging to a group (speaker, machine, day) and to a
// split. The list is what is kept; the sound itself is read when it is needed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/result.h"

namespace thimble {

enum class Split : uint8_t { train, validation, test };
std::string_view name_of(Split split);  // "train", "validation", "test"

enum class Task : uint8_t { classification, regression };

struct Sample {
  std::string path;   // relative to Dataset::root; for a table row "file.csv:17"
  std::string group;  // who or what it was recorded from; a group is never in two splits
  int label = -1;     // index into classes; -1 for regression
  Split split = Split::train;
  double duration_s = 0;       // 0 for rows
  std::vector<float> values;   // rows: the inputs, as real numbers; empty for recordings
  std::vector<float> targets;  // regression: the wanted outputs
};

struct Dataset {
  Path root;
  Task task = Task::classification;
  int sample_rate_hz = 0;  // 0 for tables
  int channels = 1;
  double value_scale = 0;  // tables: one int16 step as a real number, so that rows reach the device as int16 samples
  std::vector<std::string> classes;  // sorted; the index is the model's output index
  std::vector<std::string> columns;  // tables: names of the inputs, then of the targets
  std::vector<Sample> samples;       // sorted by path; rows in the order of their table
  std::string hash;                  // of the list and the recordings' sizes
};

// What a microphone or sensor delivers: interleaved int16 samples.
struct Recording {
  int sample_rate_hz = 0;
  int channels = 1;
  std::vector<int16_t> samples;  // [time, channels]
};

// The sound of one sample, or a table row as int16 in units of value_scale (rounded, saturated).
// Errors: not_found; bad_data for truncated or non-PCM WAV, wrong rate or channel count, naming the file.
Result<Recording> load_recording(const Dataset& dataset, const Sample& sample);

// The samples of one split, by index.
std::vector<size_t> indices_of(const Dataset& dataset, Split split);

}  // namespace thimble
