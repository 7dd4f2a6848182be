// Random int8 graphs for comparison with another implementation: an operator of a random shape, stride, padding, scale
// and zero point, often with a second one behind it.
#pragma once
#include <string>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"

namespace thimble::test {

// The operators that the generator draws from; the first of a graph.
std::vector<std::string> differential_ops();

// The same op and seed give the same graph. Errors: those of the op's shape rule; a generator that fails is a mistake
// in the test.
Result<Graph> random_graph(const std::string& op, uint64_t seed);

}  // namespace thimble::test
