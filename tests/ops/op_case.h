// The cases of operators. Each op has one file, tests/ops/<op>_cases.cpp, that lists them with THIMBLE_OP_CASES; every
// generic test and benchmark walks all cases of all ops of ops.def. An op without cases fails.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace thimble::test {

using Values = std::vector<std::vector<float>>;  // one per input or output

// One input of a case. Its values are drawn uniformly from [low, high].
struct CaseInput {
  Shape shape;            // with the batch: [N, ...]
  bool constant = false;  // weights: known when the model is made
  float low = -1, high = 1;
  bool differentiable = true;  // false: backward owes it no gradient (running statistics)
  DType dtype = DType::f32;    // another: this type in every form of the op (indices, conditions), values rounded
  bool state = false;          // survives an inference; its values are what it holds before
  bool absent = false;         // an optional input that is not there
};

inline CaseInput flows(Shape shape, float low = -1, float high = 1) { return {std::move(shape), false, low, high}; }
inline CaseInput constant(Shape shape, float low = -1, float high = 1) { return {std::move(shape), true, low, high}; }
inline CaseInput statistics(Shape shape, float low, float high) { return {std::move(shape), true, low, high, false}; }
inline CaseInput integers(Shape shape, float low, float high, DType dtype = DType::i32, bool constant = false) {
  return {std::move(shape), constant, low, high, false, dtype};
}
inline CaseInput state(Shape shape, float low = -1, float high = 1) {
  return {std::move(shape), false, low, high, false, DType::f32, true};
}
inline CaseInput absent() { return {{}, false, 0, 0, false, DType::f32, false, true}; }
inline CaseInput conditions(Shape shape) { return integers(std::move(shape), 0, 1, DType::boolean); }

struct OpCase {
  std::string name;  // unique in its op: "same_stride2"
  std::vector<CaseInput> inputs;
  Attrs attrs = {};
  bool training = false;  // forward runs in training mode; the kernels, which only infer, are not compared
  double int8_steps = 1;  // int8 kernel may differ from float forward by this many steps of the output's scale
  // The op's formula, written plainly; asked where the op has no forward stage. Without it such an op's integer kernels
  // are compared with its float kernel.
  std::function<Values(const Values& inputs)> reference = {};
  double int16_steps = 4;  // as int8_steps
  // Scales of inputs and then outputs in every form of the op, where its own meaning needs them.
  std::vector<Quantization> scales = {};
};

using CaseList = std::vector<OpCase> (*)();

// Registered cases of an op, empty when there are none; the names of all registered ops.
std::vector<OpCase> cases_of(std::string_view op);
std::vector<std::string> ops_with_cases();
bool register_op_cases(std::string op, CaseList list);

// THIMBLE_OP_CASES(add) { return {{"same_shape", {flows({2, 3}), flows({2, 3})}}}; }
#define THIMBLE_OP_CASES(op)                                                                                \
  static std::vector<OpCase> op##_cases();                                                                  \
  [[maybe_unused]] static const bool op##_registered = ::thimble::test::register_op_cases(#op, op##_cases); \
  static std::vector<OpCase> op##_cases()

}  // namespace thimble::test
