// The float32 form of a quantised graph: the same layers and the same (rounded) weights, computed on real numbers. What
// the two differ by is what rounding activations costs.
#pragma once
#include "graph/graph.h"

namespace thimble {

// Values keep their names; quantize and dequantize nodes vanish. Errors: those of the ops' shape rules, for an op that
// has no float32 form.
Result<Graph> float_twin(const Graph& graph);

bool is_quantized(const Graph& graph);

}  // namespace thimble
