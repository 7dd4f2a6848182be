// Samples for a model: what its inputs hold, many times over. The currency of calibration, comparison and error
// reports.
#pragma once
#include <vector>

#include "core/tensor.h"
#include "graph/interpreter.h"

namespace thimble {

struct Samples {
  std::vector<Tensor> inputs;  // one per model input: [count, the input's elements]
  int64_t count = 0;
};

// arrays: one per model input; all hold a whole number of that input's elements, the same number each. Errors: bad_data
// with found and expected shapes.
Result<Samples> make_samples(const Graph& graph, std::vector<Tensor> arrays);

// Raw bytes as `thimble run` takes them: samples back to back, the inputs of one sample in order. Errors: bad_data.
Result<Samples> samples_from_bytes(const Graph& graph, std::span<const uint8_t> bytes);

// Random samples where there is no data: floats from a normal distribution, all codes of quantised inputs, small
// integers elsewhere.
Samples random_samples(const Graph& graph, int64_t count, uint64_t seed);

// Writes sample `index` to the inputs; real numbers become codes where the input is quantised, and codes stay codes
// where the types agree.
Outcome set_inputs(Interpreter& interpreter, const Samples& samples, int64_t index);

}  // namespace thimble
