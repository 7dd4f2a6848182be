// What is done to a graph before it is planned for a device: fewer layers, channels and bytes for the same outputs, bit
// for bit. Names, inputs and outputs of the model stay. What is shown of a model (inspect, convert, diff) is the model
// as it came.
#pragma once
#include "graph/graph.h"

namespace thimble {

// Errors: those of verify. Done again, it changes nothing.
Result<Graph> prepare_for_device(Graph graph);

}  // namespace thimble
