// OpSpec::dtypes is the truth: of a one-node graph of each type the op lowers those that it lists, and refuses the
// others.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/kernel_table.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

// Forms whose inputs are of several types.
struct MixedForm {
  std::string_view op;
  DType data;
  std::vector<std::pair<size_t, DType>> inputs;
};

MixedForm lstm_form(DType data, DType bias) {
  MixedForm form{"unidirectional_sequence_lstm", data, {{19, DType::i16}}};
  for (size_t i = 1; i <= 8; ++i) form.inputs.emplace_back(i, DType::i8);
  for (size_t i = 12; i <= 15; ++i) form.inputs.emplace_back(i, bias);
  return form;
}

const std::vector<MixedForm>& mixed_forms() {
  static const std::vector<MixedForm> forms = {
      {"prelu", DType::i16, {{1, DType::i8}}},
      {"svdf", DType::i8, {{2, DType::i16}, {3, DType::i32}, {4, DType::i16}}},
      lstm_form(DType::i8, DType::i32),
      lstm_form(DType::i16, DType::i64),
  };
  return forms;
}

bool has_reals(const Subject& subject) {
  return std::ranges::any_of(subject.test.inputs, [](const CaseInput& in) { return in.dtype == DType::f32; });
}

// The case with its data in another type: what is float32 in it, or else what has the first input's type.
Subject retyped(Subject subject, DType dtype) {
  if (subject.test.inputs.empty()) return subject;
  const DType from = has_reals(subject) ? DType::f32 : subject.test.inputs[0].dtype;
  for (CaseInput& input : subject.test.inputs)
    if (input.dtype == from) input.dtype = dtype;
  for (const MixedForm& form : mixed_forms())
    if (form.op == subject.op->name && form.data == dtype)
      for (const auto& [input, type] : form.inputs) subject.test.inputs[input].dtype = type;
  return subject;
}

// Scales that any kernel takes for whatever needs one.
void add_scales(Graph& graph) {
  for (Value& value : graph.values) {
    const DType dtype = value.type.dtype;
    if (!value.quantization.empty() || (dtype != DType::i8 && dtype != DType::u8 && dtype != DType::i16)) continue;
    value.quantization = {{1.0f / 32}, {dtype == DType::u8 ? 128 : 0}};
  }
}

Outcome lower_as(const Subject& subject, DType dtype) {
  const Subject typed = retyped(subject, dtype);
  THIMBLE_TRY(infer(typed, types_of(typed.test)));
  const Values inputs = draw_inputs(typed.test, 1);
  const bool by_rule = subject.op->quantize && has_reals(subject) && (dtype == DType::i8 || dtype == DType::i16) &&
                       std::ranges::none_of(mixed_forms(), [&](const MixedForm& form) {
                         return form.op == subject.op->name && form.data == dtype;
                       });
  Graph graph = by_rule ? quantized_graph(subject, draw_inputs(subject.test, 1), dtype) : float_graph(typed, inputs);
  add_scales(graph);
  THIMBLE_TRY(verify(graph));
  THIMBLE_LET(const std::vector<KernelCall> calls, lower_node({graph, graph.nodes[0]}));
  for (const KernelCall& call : calls)
    if (!find_kernel(call.kernel)) return fail(ErrorCode::internal, "there is no kernel " + call.kernel);
  // Without inputs its type is that of its result.
  if (subject.test.inputs.empty() && graph[graph.outputs[0]].type.dtype != dtype)
    return fail(ErrorCode::unsupported, "its result is of another type");
  return {};
}

class EveryOp : public testing::TestWithParam<const OpSpec*> {};

}  // namespace

TEST_P(EveryOp, RunsWithTheTypesItLists) {
  const OpSpec& op = *GetParam();
  if (!op.lower) GTEST_SKIP() << op.lower.reason();
  for (DType dtype : kEveryDType) {
    bool runs = false;
    std::string refusals;
    for (OpCase& test : cases_of(op.name)) {
      const Outcome lowered = lower_as({&op, std::move(test)}, dtype);
      runs = runs || lowered;
      if (lowered) continue;
      refusals += "\n" + to_string(lowered.error());
      EXPECT_TRUE(lowered.error().code == ErrorCode::unsupported || lowered.error().code == ErrorCode::bad_data)
          << name_of(dtype) << refusals;
    }
    EXPECT_EQ(runs, op.dtypes.contains(dtype)) << name_of(dtype) << refusals;
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOp, testing::ValuesIn(ops::all().begin(), ops::all().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace thimble::test
