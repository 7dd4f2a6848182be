// From what people have (folders of recordings, tables) to a Dataset. Recordings stay where they are and only their
// headers are read; rows of a table are read whole. Everything lands in the training split: see data/split.h.
#pragma once
#include "core/progress.h"
#include "data/dataset.h"

namespace thimble {

enum class SourceKind : uint8_t {
  folder,   // <class>/<group>_nohash_<n>.wav, as Speech Commands; other names are each a group of their own
  pattern,  // one folder, meaning in the file names
  csv,      // one table with a header line
};

// "folder", "pattern", "csv". Errors: usage.
Result<SourceKind> parse_source_kind(std::string_view name);

struct ImportOptions {
  SourceKind kind = SourceKind::folder;
  int sample_rate_hz = 0;  // expected; 0 = that of the first recording
  int channels = 1;        // expected
  // pattern: path below the source folder. {label} and {group} are kept, any other {word} only has to be there. To
  // split by take instead of by speaker, name the take the group: "{label}_{speaker}_{group}.wav".
  std::string pattern = "{label}_{group}_{take}.wav";
  // csv: column names, a unit in brackets may be left out ("Torque" finds "Torque [Nm]").
  std::vector<std::string> inputs;   // empty = every column that has no other use
  std::vector<std::string> targets;  // regression; else label
  std::string label;                 // classification; else targets
  std::string group;                 // empty = every row is a group of its own
  double value_scale = 0;  // one int16 step as a real number; 0 = the smallest power of two that holds every input
};

// Errors: not_found (no such folder, column ...; nothing to import), bad_data (a class without recordings, with one
// sample, or alone; recordings that are damaged or differ from what is expected; cells that are not numbers, with their
// line), usage, cancelled.
Result<Dataset> import_dataset(const Path& source, const ImportOptions& options, Progress& progress);

}  // namespace thimble
