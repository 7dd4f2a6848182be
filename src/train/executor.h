// Runs a float32 graph forward and backward over batches, with all buffers allocated once.
#pragma once
#include <map>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace thimble {

class Executor {
 public:
  // The graph's constants are used (and, through training, changed) in place. with_gradients: allocate for backward.
  // Errors: bad_data when shapes do not hold for this batch.
  static Result<Executor> make(Graph& graph, int64_t batch, bool with_gradients);

  std::span<float> value(ValueId id);     // activations [batch, ...] or a constant's data
  std::span<float> gradient(ValueId id);  // same size; zeroed by zero_gradients()
  void zero_gradients();
  void forward(bool training, uint64_t seed);
  // Gradients of the outputs must be set first. Stops before node `last_node` when the loss already accounts for it (softmax).
  void backward(size_t node_count);

 private:
  struct Buffers;
  std::shared_ptr<Buffers> buffers_;
};

}  // namespace thimble
