// TensorFlow Lite refuses convolutions without a bias, or leaves its fast kernels; TensorFlow Lite Micro takes them.
#pragma once
#include "graph/graph.h"

namespace thimble {

// The graph with a bias of zeros in every convolution that had none. Results stay what they are.
Graph with_biases(Graph graph);

}  // namespace thimble
