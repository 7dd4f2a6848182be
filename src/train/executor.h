// Runs a float32 graph forward and backward over batches, with all buffers allocated once. Activations keep their own
// memory; gradients of activations share memory as soon as they have been passed on.
#pragma once
#include <memory>
#include <span>

#include "graph/graph.h"

namespace thimble {

class Executor {
 public:
  // The graph's constants are used (and, through training, changed) in place; the graph must outlive the executor.
  // backward_from: the value whose gradient the caller will set, usually the logits; kNoValue = forward only.
  // Errors: bad_data (a value that flows has no batch extent of 1), unsupported (an op that cannot run or be trained,
  // naming the layer).
  static Result<Executor> make(Graph& graph, int64_t batch, ValueId backward_from = kNoValue);

  int64_t batch() const;
  std::span<float> value(ValueId id);     // activations [batch, ...] or a constant's data
  std::span<float> gradient(ValueId id);  // of trainable constants and of backward_from
  void zero_gradients();                  // of trainable constants, which backward() adds to
  void forward(bool training, uint64_t seed);
  void backward();

 private:
  struct Buffers;
  std::shared_ptr<Buffers> buffers_;
};

}  // namespace thimble
