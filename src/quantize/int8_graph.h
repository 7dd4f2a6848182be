// A float32 inference graph as an int8 graph, by each op's QuantizeRule.
#pragma once
#include <vector>

#include "graph/graph.h"

namespace thimble {

struct RealRange {
  double min = 0, max = 0;  // min <= 0 <= max
};

// ranges: by ValueId, for what flows. Values keep their names; constants that several layers share are split where the
// layers need them differently. A layer without an int8 form keeps computing in float32, between dequantize and
// quantize. Errors: unsupported (weights that are not constant), naming the layer.
Result<Graph> make_int8_graph(const Graph& float_graph, std::vector<RealRange> ranges);

}  // namespace thimble
