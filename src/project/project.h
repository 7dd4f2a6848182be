// A project: a folder with a thimble.toml that says everything its verbs need. Every section and key has a default;
// unknown keys are errors. Artefacts go to <folder>/out.
#pragma once
#include <string>
#include <vector>

#include "core/files.h"
#include "data/import.h"
#include "data/speak.h"
#include "firmware/stream_spec.h"
#include "quantize/quantize.h"
#include "signal/signal.h"
#include "train/architecture.h"
#include "train/train.h"

namespace thimble {

// [data]
struct DataConfig {
  std::string kind = "folder";  // folder, pattern, csv: recordings of one's own; speech, sine: made here
  Path source = "data";         // relative to the project; speech and sine write there
  ImportOptions import;
  double train = 0.7, validation = 0.15, test = 0.15;
  std::vector<std::string> validation_groups, test_groups;  // explicit; the rest is split by the fractions
  SpeakOptions speech;
  // sine
  int rows = 2000;
  double noise = 0.05;
};

// [deploy]
struct DeployConfig {
  std::string board = "netduinoplus2";
  int clips = 200;       // of the test split that `run` sends through the board, stratified; 0 = all
  double stride_ms = 0;  // from inference to inference; 0 = one per window
  DecisionSettings decision{.on_threshold = 0.6, .off_threshold = 0.4, .suppress_ms = 0};
  std::vector<std::string> quiet = {"unknown", "silence"};  // classes that drive no actuator
  double pwm_low = -1, pwm_high = 1;                        // regression: the outputs that mean 0 % and 100 % duty
};

struct Project {
  Path folder;
  std::string name;
  uint64_t seed = 1;
  DataConfig data;
  SignalConfig signal;
  std::vector<double> speeds;  // [train] speeds: extra copies of training recordings
  ArchitectureOptions model;   // without input and outputs, which follow from the data
  TrainOptions train;
  QuantizeOptions quantize;
  DeployConfig deploy;

  Path out(std::string_view file) const { return folder / "out" / file; }
};

// Errors: not_found (no thimble.toml here: says how to make one); usage (unknown or wrong keys, with line and nearest
// name).
Result<Project> load_project(const Path& folder);

// Writes a template ("keyword", "sine") to a folder that does not exist or is empty. Errors: usage, io.
Outcome new_project(const std::string& template_name, const Path& folder);
std::vector<std::string> project_templates();

}  // namespace thimble
