// Runs a graph on the host node by node, each value in memory of its own, through the kernels a device would call: what
// every layer gives can be looked at. For calibration, comparison and error reports; inference itself is the plan's.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/kernel_call.h"

namespace thimble {

class Interpreter {
 public:
  // Errors: those of verify and of the ops' lowering (unsupported, naming the layer).
  static Result<Interpreter> make(const Graph& graph, const KernelForm& form = {});

  const Graph& graph() const { return graph_; }
  // The bytes of any value: inputs are written before a run, everything is read after it.
  std::span<std::byte> value(ValueId id);
  std::span<const std::byte> value(ValueId id) const;
  // One inference; state moves on.
  Outcome run();
  // State as before the first inference.
  void reset();

 private:
  struct Step {
    size_t node = 0;
    std::vector<KernelCall> calls;  // none: an alias, whose bytes are copied
  };

  Graph graph_;
  std::vector<std::vector<std::max_align_t>> memory_;  // by value
  std::vector<Step> steps_;
};

// The numbers behind a value's bytes: floats as they are, quantised ones as scale * (code - zero point), others as
// integers; booleans 0 and 1.
std::vector<float> real_values(const Value& value, std::span<const std::byte> bytes);

// The inverse, rounded to nearest and clamped. Errors: bad_data when the counts differ.
Result<std::vector<std::byte>> codes_of(const Value& value, std::span<const float> reals);

}  // namespace thimble
