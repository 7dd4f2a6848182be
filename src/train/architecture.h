// Model architectures as data: models/<name>.toml inside the program, or a file of the user's, becomes an untrained
// float32 Graph.
#pragma once
#include <string>

#include "core/files.h"
#include "graph/graph.h"

namespace thimble {

struct ArchitectureOptions {
  std::string name = "ds_cnn";  // of an architecture that travels with the program, or a path to a .toml
  Attrs settings;               // overrides of the file's [settings], e.g. channels = 32
  Shape input;                  // with batch 1, e.g. [1, 49, 10, 1]
  int outputs = 0;              // classes or targets
  bool classification = true;   // ends in softmax
  uint64_t seed = 1;            // initial weights
};

// Errors: usage (unknown architecture or key, with the nearest), not_found (no such .toml), bad_data (shapes that do
// not fit, naming the layer).
Result<Graph> make_architecture(const ArchitectureOptions& options);

std::vector<std::string> architecture_names();

}  // namespace thimble
