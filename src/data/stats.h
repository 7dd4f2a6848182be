// What is in a dataset, and what looks wrong with it: `thimble data stats`.
#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>

#include "core/progress.h"
#include "data/dataset.h"

namespace thimble {

struct DatasetStats {
  struct Part {
    int64_t samples = 0;
    int64_t groups = 0;  // samples without a group do not count
    double seconds = 0;
  };
  struct Class {
    std::string name;
    std::array<int64_t, 3> samples = {};  // [split]
    double seconds = 0;
    double level_db = 0;  // root mean square of all its sound, 0 = full scale; recordings only
  };
  struct Column {
    std::string name;
    double lowest = 0, highest = 0, mean = 0;
  };
  int sample_rate_hz = 0;
  std::array<Part, 3> parts = {};  // [split]
  Part total;
  std::vector<Class> classes;
  std::vector<Column> columns;  // tables
  double shortest_s = 0, longest_s = 0;
  std::vector<std::string> warnings;  // one sentence each: what, where, what it may cost
};

// Reads every recording. Errors: those of load_recording; cancelled.
Result<DatasetStats> compute_stats(const Dataset& dataset, Progress& progress);

nlohmann::ordered_json to_json(const DatasetStats& stats);

}  // namespace thimble
