// Builds a graph node by node, as importers do: shapes come from each operator's own rule, so a wrong translation is
// found at the node that is wrong.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace thimble {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name) { graph_.name = std::move(name); }

  ValueId input(std::string name, ValueType type, Quantization quantization = {});
  ValueId constant(std::string name, Tensor data, Quantization quantization = {});
  // State that holds `initial` before the first inference.
  ValueId state(std::string name, Tensor initial, Quantization quantization = {});
  // The node's outputs, named after the node. Errors: those of the op's shape rule, with the node's name.
  Result<std::vector<ValueId>> node(const OpSpec& op, const std::string& name, std::vector<ValueId> inputs,
                                    Attrs attrs = {});
  void output(ValueId id) { graph_.outputs.push_back(id); }

  Graph& graph() { return graph_; }
  const Value& operator[](ValueId id) const { return graph_[id]; }

  // Drops what nothing uses and verifies.
  Result<Graph> finish();

 private:
  Graph graph_;
  // Names that are taken, and the number that the next of that name gets.
  std::map<std::string, int> value_names_, node_names_;
};

}  // namespace thimble
