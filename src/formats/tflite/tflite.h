// TensorFlow Lite's model file (.tflite, schema version 3) to and from a Graph. The file's first subgraph is the model;
// what operators are called and how their options are stored is said by src/ops.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace thimble {

// A port of the model under the name that a signature gives it.
struct TflitePort {
  std::string name;
  size_t index = 0;  // in Graph::inputs or outputs
  bool operator==(const TflitePort&) const = default;
};

struct TfliteSignature {
  std::string key;
  std::vector<TflitePort> inputs, outputs;
  bool operator==(const TfliteSignature&) const = default;
};

// What a model file tells beside its graph.
struct TfliteInfo {
  std::string description = "made by thimble";
  std::vector<std::string> labels;  // class names in output order; stored as metadata "labels.txt", one a line
  std::map<std::string, std::string> metadata;  // further named bytes
  // Not given: one, "serving_default", with the tensors' names.
  std::optional<std::vector<TfliteSignature>> signatures = {};
  bool operator==(const TfliteInfo&) const = default;
};

struct TfliteWriteOptions {
  TfliteInfo info;
  // Bytes from the start of the arena for every value of the graph, -1 where the runtime decides; stored as TensorFlow
  // Lite Micro's OfflineMemoryAllocation. Empty: no plan is stored.
  std::vector<int32_t> arena_offsets;
};

// The bytes may be hostile: everything is checked before it is used, and the graph has passed verify(). Nodes are named
// "<op>_<index>"; values keep the file's names. Errors: bad_data (not a model, or one that contradicts itself),
// unsupported (operators, types or structures that thimble does not run, naming all such operators).
Result<Graph> read_tflite(std::span<const uint8_t> bytes);

// Errors: bad_data. Metadata made by write_tflite itself (min_runtime_version, OfflineMemoryAllocation) is left out.
Result<TfliteInfo> read_tflite_info(std::span<const uint8_t> bytes);

// The same graph and options always give the same bytes. Errors: unsupported (an operator that TensorFlow Lite does not
// have, such as batch_norm before it is folded), bad_data.
Result<std::vector<uint8_t>> write_tflite(const Graph& graph, const TfliteWriteOptions& options = {});

}  // namespace thimble
