// Removes channels of quantised values that carry nothing: those that hold one constant, whose effect moves into the
// biases of the layers that read them, and those that no layer reads. A filter of zeros gives the one kind, weights
// that are all zero the other. Exact: sums of int8 layers are taken modulo 2^32, where a constant's part may as well be
// in the bias.
#pragma once
#include "graph/graph.h"

namespace thimble {

// Inputs and outputs of the model keep their channels, and so does what passes through operators that do not say how
// their channels depend on each other (OpTraits::channels).
Result<Graph> eliminate_channels(Graph graph);

}  // namespace thimble
