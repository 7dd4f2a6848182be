// Padding of quantised images becomes padding of the convolution that reads it: taps outside its input read the same
// zero point, and the padded image needs neither time nor memory.
#pragma once
#include "graph/graph.h"

namespace thimble {

Result<Graph> fold_padding(Graph graph);

}  // namespace thimble
