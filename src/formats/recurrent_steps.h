// Recurrent layers written out step by step in operators that every format has: the input's product with its weights is
// one matrix product for all steps, then come the nodes of each step.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace thimble {

enum class CellKind { lstm, gru, simple_rnn };

// How nodes are added, and what the layer's activations are.
struct StepNodes {
  std::function<Result<ValueId>(std::string_view op, std::vector<ValueId> inputs, Attrs attrs)> add;
  std::function<ValueId(Tensor)> constant;
  std::function<Result<ValueId>(ValueId)> activation, gate_activation;
};

// Weights as the operators lstm, gru and simple_rnn have them: [gates * units, ...], gates in the order input, forget,
// cell, output (LSTM) and update, reset, candidate (GRU). For one sample.
struct RecurrentSteps {
  CellKind kind = CellKind::lstm;
  int64_t steps = 0, units = 0;
  bool reverse = false;      // from the last step to the first
  bool reset_after = false;  // GRU: the reset gate acts after the recurrent product
  ValueId input = kNoValue;  // [steps, inputs]
  ValueId weights = kNoValue, bias = kNoValue, recurrent_bias = kNoValue;
  const Tensor* recurrent_weights = nullptr;
  std::vector<ValueId> initial;  // [1, units] each; empty: zeros
};

struct SteppedLayer {
  std::vector<ValueId> hidden;  // of each step, in the order of time, [1, units]
  std::vector<ValueId> states;  // the last hidden state, and the cell state of an LSTM
};

// Errors: unsupported (too many steps), and those of StepNodes.
Result<SteppedLayer> write_steps(const RecurrentSteps& layer, const StepNodes& nodes);

// [1, units] each -> [count, units].
Result<ValueId> join_rows(std::vector<ValueId> rows, const StepNodes& nodes);

// Writes out the operators lstm, gru and simple_rnn of a graph, for formats that do not have them. Errors: unsupported,
// naming the layer, for batches and weights that are not constant.
Result<Graph> write_out_recurrent(Graph graph);

}  // namespace thimble
