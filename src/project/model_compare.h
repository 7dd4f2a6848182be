// What can be asked about a model on data: how far int8 is from float32, where two models or two machines part.
#pragma once
#include "core/progress.h"
#include "firmware/board.h"
#include "graph/samples.h"
#include "project/model_tools.h"
#include "quantize/imported.h"
#include "report/compare.h"

namespace thimble {

// One .npy file per model input; or one file of raw bytes as `thimble run` takes them; or the folder of a project,
// whose features of the training split, as real numbers, are the samples. Errors: usage, bad_data, those of reading.
Result<Samples> read_samples(const Graph& graph, const std::vector<Path>& files, Progress& progress);

// Everything `thimble inspect` shows. data: empty, or samples for the error of each layer: of a quantised model against
// its float32 twin, of a float32 model against its int8 form calibrated on them.
Result<Inspection> inspect_file(const ModelFile& model, const std::vector<Path>& data, Progress& progress);

// Layer by layer. data: empty for random samples.
Result<Comparison> diff_models(const ModelFile& a, const ModelFile& b, const std::vector<Path>& data,
                               const CompareOptions& options, Progress& progress);

// The host against a board that runs the model with every layer as an output: bytes must be equal.
Result<Comparison> diff_on_board(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                                 const std::vector<Path>& data, Progress& progress);

}  // namespace thimble
