// What the verbs of a project do after its model is trained: evaluate, convert, compile, build, run, and all of it.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>

#include "emulate/runner.h"
#include "firmware/build.h"
#include "project/workspace.h"
#include "report/metrics.h"

namespace thimble {

// Metrics of one model over one list of samples; one of the two, by the task.
struct Evaluation {
  std::optional<ClassificationMetrics> classification;
  std::optional<RegressionMetrics> regression;
  std::vector<float> outputs;  // [samples, outputs], real numbers
};
nlohmann::json to_json(const Evaluation& evaluation);
// Accuracy; for regression R2, so that there is one number of quality to compare.
double quality(const Evaluation& evaluation);

// outputs: of any model, for these rows of the features.
Evaluation evaluate_outputs(const Features& features, std::span<const size_t> rows, std::vector<float> outputs);
std::vector<float> targets_of(const Features& features, std::span<const size_t> rows);

// On rows of the workspace's features.
Result<Evaluation> evaluate_float(Workspace& workspace, std::span<const size_t> indices);
Result<Evaluation> evaluate_int8(Workspace& workspace, std::span<const size_t> indices);

// Feature rows of a split without augmented copies.
std::vector<size_t> rows_of(const Features& features, Split split);

// `count` of the rows (0 = all), as evenly over the classes as they allow, seeded; in the order of the recordings.
std::vector<size_t> choose_stratified(const Features& features, std::vector<size_t> rows, int count, uint64_t seed);

// convert: writes out/model.tflite, out/model_data.h, out/model.bundle.
struct Conversion {
  Path tflite, header, bundle;
  int64_t tflite_bytes = 0, bundle_bytes = 0;
  Evaluation float_test, int8_test;  // the whole test split
};
Result<Conversion> convert(Workspace& workspace);

// compile: writes the model library and the device half to out/library; the folder.
Result<Path> compile_library(Workspace& workspace);

// The firmware of a project: its model behind its pipeline.
Result<FirmwareSpec> firmware_spec(Workspace& workspace);

// build: the firmware for a board under out/firmware/<board>.
Result<FirmwareImage> build(Workspace& workspace, const Board& board);

// run: recordings of the test split through the firmware, every feature, output and decision compared with the host's.
struct BoardRun {
  Board board;
  std::optional<FirmwareImage> image;             // none on the host
  std::vector<size_t> rows;                       // of the features: the recordings that ran
  int64_t test_rows = 0;                          // of the whole test split
  Evaluation float_host, int8_host, int8_device;  // over these rows
  int64_t compared_bytes = 0, differing_bytes = 0;
  int64_t decisions_right = 0;  // recordings whose own actuator was on at the end, or none for a quiet class
  int64_t pin_changes = 0;      // that the emulator saw on the board's pins
  bool pins_as_decided = true;  // and they are those that the decisions ask for
  int64_t inferences = 0;
  double dsp_instructions = 0;    // of the features of one whole window
  double model_instructions = 0;  // of one inference
  RunLog log;
  Path console;  // what the firmware wrote to its UART

  bool same_as_host() const { return differing_bytes == 0 && pins_as_decided; }
};
Result<BoardRun> run_on_board(Workspace& workspace, const Board& board, bool full);
nlohmann::json to_json(const BoardRun& run);

// Writes out/report.html and out/report.json; run: null before the firmware has run. Gives the page's path.
Result<Path> write_report(Workspace& workspace, const Evaluation& float_test, const Evaluation& int8_test,
                          const BoardRun* run);

// all: every step, to the board and the report (out/report.html, out/report.json).
struct AllResult {
  Conversion conversion;
  BoardRun run;
  Path report;
  double seconds = 0;
};
Result<AllResult> run_all(Workspace& workspace, const Board& board, bool full);
// "accuracy" is quality(): for regression the coefficient of determination, beside which "error" holds MAE and MSE.
nlohmann::json to_json(const AllResult& result);

}  // namespace thimble
