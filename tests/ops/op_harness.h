// Runs a case in each of an operator's forms: float forward and backward, float kernel, int8 kernel. Memory handed to
// kernels is guarded, so that one that writes outside its output is found.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/interpreter.h"
#include "graph/op_spec.h"
#include "ops/op_case.h"

namespace thimble::test {

struct Subject {
  const OpSpec* op = nullptr;
  OpCase test;
  std::string name() const { return std::string(op->name) + "/" + test.name; }
};

// Every case of every op in ops.def.
std::vector<Subject> all_subjects();

std::vector<ValueType> types_of(const OpCase& test, DType dtype = DType::f32);
Result<std::vector<ValueType>> infer(const Subject& subject, const std::vector<ValueType>& inputs);

Values draw_inputs(const OpCase& test, uint64_t seed);

struct ForwardRun {
  Values outputs;
  std::vector<float> saved;
};
// The op's forward stage; where it has none the case's reference, or else the float kernels. inputs: a copy, because
// training moves running statistics.
ForwardRun run_forward(const Subject& subject, Values inputs, bool training);

// Gradients of the inputs, added to what `gradients` holds; an input whose entry is empty is not asked for.
void run_backward(const Subject& subject, Values inputs, ForwardRun forward, Values grad_outputs, Values& gradients);

// A graph of one node, with the constants in it. The int8 and int16 (int8 weights) forms are quantised by the op's own
// rule: inputs and outputs to the ranges of their values, weights symmetric.
Graph float_graph(const Subject& subject, const Values& inputs);
Graph quantized_graph(const Subject& subject, const Values& inputs, DType dtype);
inline Graph int8_graph(const Subject& subject, const Values& inputs) {
  return quantized_graph(subject, inputs, DType::i8);
}

// The real values of a graph's inputs: constants, and `inputs` rounded to what their types can hold.
Values representable_inputs(const Graph& graph, const Values& inputs);

// Lowers the node and runs its kernels on the host; bytes of each input that flows, bytes of each output. in_place: the
// output takes input 0's memory. nearer: calls that allow it write their output over their input, this many bytes
// nearer than they allow. Errors: those of lower and of the kernel table, and writes outside an operand.
Result<std::vector<std::vector<std::byte>>> run_kernels(const Graph& graph,
                                                        const std::vector<std::vector<std::byte>>& inputs,
                                                        bool in_place = false, const KernelForm& form = {},
                                                        std::optional<int64_t> nearer = {});

// The calls of a graph of one node.
Result<std::vector<KernelCall>> calls_of(const Graph& graph, const KernelForm& form);

// Every form of the kernels that a core may get, but the portable one.
std::vector<KernelForm> special_forms();

// Whether the op allows its output to take input 0's memory and that is as large.
bool can_run_in_place(const Graph& graph);

// The bytes of each input that flows.
std::vector<std::vector<std::byte>> input_bytes(const Graph& graph, const Values& inputs);

}  // namespace thimble::test
