// What every operator promises, checked on all of its cases: the list is complete, gradients are right, kernels agree
// with training, nonsense is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/rng.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

double largest(const std::vector<float>& values) {
  double most = 0;
  for (float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

Values weights_of_outputs(const ForwardRun& run) {
  Values result;
  for (size_t i = 0; i < run.outputs.size(); ++i) {
    Rng rng{11, i};
    for (size_t j = 0; j < run.outputs[i].size(); ++j)
      result.resize(i + 1), result[i].push_back(static_cast<float>(rng.uniform(-1, 1)));
  }
  return result;
}

// A random weighted sum of the outputs: the function whose gradient is checked.
double objective(const Subject& subject, const Values& inputs, const Values& weights) {
  const ForwardRun run = run_forward(subject, inputs, subject.test.training);
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i)
    for (size_t j = 0; j < weights[i].size(); ++j)
      sum += static_cast<double>(weights[i][j]) * static_cast<double>(run.outputs[i][j]);
  return sum;
}

class EveryCase : public testing::TestWithParam<Subject> {};

std::string test_name(const testing::TestParamInfo<Subject>& info) {
  return std::string(info.param.op->name) + "_" + info.param.test.name;
}

// Compares analytic gradients of one input with central differences. Where the two one-sided differences disagree, the
// function has a kink between them (relu, maximum) and the element says nothing.
void check_gradient(const Subject& subject, Values inputs, size_t input, const Values& weights,
                    const std::vector<float>& analytic) {
  constexpr float kStep = 1.0f / 512;
  constexpr size_t kChecked = 48;
  double square = 0;
  for (float value : analytic) square += static_cast<double>(value) * static_cast<double>(value);
  const double tolerance = 0.01 * std::max(0.1, std::sqrt(square / static_cast<double>(analytic.size())));
  const double here = objective(subject, inputs, weights);
  const size_t stride = std::max<size_t>(1, analytic.size() / kChecked);
  size_t checked = 0, smooth = 0;
  for (size_t i = 0; i < analytic.size(); i += stride, ++checked) {
    const float original = inputs[input][i];
    inputs[input][i] = original + kStep;
    const double right =
        (objective(subject, inputs, weights) - here) / static_cast<double>(inputs[input][i] - original);
    inputs[input][i] = original - kStep;
    const double left = (here - objective(subject, inputs, weights)) / static_cast<double>(original - inputs[input][i]);
    inputs[input][i] = original;
    if (std::abs(right - left) > 4 * tolerance) continue;
    ++smooth;
    EXPECT_NEAR((left + right) / 2, static_cast<double>(analytic[i]), 2 * tolerance)
        << "input " << input << ", element " << i;
  }
  EXPECT_GE(4 * smooth, 3 * checked) << "input " << input << ": too few smooth points to judge";
}

}  // namespace

TEST_P(EveryCase, GradientsAreThoseOfForward) {
  const Subject& subject = GetParam();
  if (!subject.op->backward) GTEST_SKIP() << subject.op->backward.reason();
  const Values inputs = draw_inputs(subject.test, 1);
  const ForwardRun run = run_forward(subject, inputs, subject.test.training);
  const Values weights = weights_of_outputs(run);
  constexpr float kBefore = 0.5f;  // backward adds to what is there
  Values gradients;
  for (const auto& values : inputs) gradients.emplace_back(values.size(), kBefore);
  run_backward(subject, inputs, run, weights, gradients);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!subject.test.inputs[i].differentiable) continue;
    for (float& value : gradients[i]) value -= kBefore;
    check_gradient(subject, inputs, i, weights, gradients[i]);
  }
}

TEST_P(EveryCase, GradientsNobodyWantsAreLeftOut) {
  const Subject& subject = GetParam();
  if (!subject.op->backward) GTEST_SKIP() << subject.op->backward.reason();
  const Values inputs = draw_inputs(subject.test, 1);
  const ForwardRun run = run_forward(subject, inputs, subject.test.training);
  Values all;
  for (const auto& values : inputs) all.emplace_back(values.size(), 0.0f);
  run_backward(subject, inputs, run, weights_of_outputs(run), all);
  for (size_t wanted = 0; wanted < inputs.size(); ++wanted) {
    Values one(inputs.size());
    one[wanted].assign(inputs[wanted].size(), 0.0f);
    run_backward(subject, inputs, run, weights_of_outputs(run), one);
    EXPECT_EQ(one[wanted], all[wanted]) << "input " << wanted;
  }
}

TEST_P(EveryCase, FloatKernelGivesWhatTrainingGives) {
  const Subject& subject = GetParam();
  if (subject.test.training) GTEST_SKIP() << "kernels only infer";
  if (!subject.op->lower && !subject.op->traits.alias) GTEST_SKIP() << subject.op->lower.reason();
  const Values inputs = draw_inputs(subject.test, 2);
  const ForwardRun run = run_forward(subject, inputs, false);
  const Graph graph = float_graph(subject, inputs);
  ASSERT_TRUE(verify(graph)) << to_string(verify(graph).error());
  for (const bool in_place : {false, true}) {
    if (in_place && !can_run_in_place(graph)) continue;
    const auto outputs = run_kernels(graph, input_bytes(graph, inputs), in_place);
    ASSERT_TRUE(outputs) << to_string(outputs.error());
    for (size_t i = 0; i < run.outputs.size(); ++i) {
      const std::vector<float> kernel = real_values(graph[graph.outputs[i]], (*outputs)[i]);
      ASSERT_EQ(kernel.size(), run.outputs[i].size());
      const double tolerance = 1e-5 * std::max(1e-3, largest(run.outputs[i]));
      for (size_t j = 0; j < kernel.size(); ++j)
        ASSERT_NEAR(kernel[j], run.outputs[i][j], tolerance) << "element " << j;
    }
  }
}

namespace {

// Integer kernels against the float form on the same representable inputs. The error is counted in steps of the
// output's scale; outputs without a scale (indices, conditions) must be equal.
void expect_close_to_float(const Subject& subject, DType dtype, double steps) {
  for (uint64_t seed = 3; seed < 8; ++seed) {
    const Values inputs = draw_inputs(subject.test, seed);
    const Graph graph = quantized_graph(subject, inputs, dtype);
    ASSERT_TRUE(verify(graph)) << to_string(verify(graph).error());
    const ForwardRun run = run_forward(subject, representable_inputs(graph, inputs), false);
    for (const bool in_place : {false, true}) {
      if (in_place && !can_run_in_place(graph)) continue;
      const auto outputs = run_kernels(graph, input_bytes(graph, inputs), in_place);
      if (!outputs && outputs.error().code == ErrorCode::unsupported && dtype != DType::i8)
        GTEST_SKIP() << to_string(outputs.error());
      ASSERT_TRUE(outputs) << to_string(outputs.error());
      for (size_t i = 0; i < run.outputs.size(); ++i) {
        const Value& value = graph[graph.outputs[i]];
        const std::vector<float> kernel = real_values(value, (*outputs)[i]);
        ASSERT_EQ(kernel.size(), run.outputs[i].size());
        const bool scaled = !value.quantization.empty();
        const double scale = scaled ? static_cast<double>(value.quantization.scale[0]) : 1;
        const double zero = scaled ? value.quantization.zero_point[0] : 0;
        const double least = dtype == DType::i16 ? -32768 : -128, most = -1 - least;
        for (size_t j = 0; j < kernel.size(); ++j) {
          double exact = static_cast<double>(run.outputs[i][j]) / scale;
          if (scaled) exact = std::clamp(exact, least - zero, most - zero);
          ASSERT_NEAR(static_cast<double>(kernel[j]) / scale, exact, scaled ? steps + 1e-3 : 1e-6)
              << "element " << j << ", seed " << seed;
        }
      }
    }
  }
}

}  // namespace

// The kernels that a core gets instead of the portable ones differ in speed alone.
TEST_P(EveryCase, EveryFormGivesThePortableKernelsBytes) {
  const Subject& subject = GetParam();
  if (subject.test.training || !subject.op->lower || !subject.op->quantize) GTEST_SKIP() << "no integer kernels";
  for (const DType dtype : {DType::i8, DType::i16})
    for (uint64_t seed = 20; seed < 23; ++seed) {
      const Values inputs = draw_inputs(subject.test, seed);
      const Graph graph = quantized_graph(subject, inputs, dtype);
      const auto bytes = input_bytes(graph, inputs);
      const auto portable = run_kernels(graph, bytes);
      if (!portable) continue;
      for (const KernelForm& form : special_forms()) {
        const auto own = run_kernels(graph, bytes, false, form);
        ASSERT_TRUE(own) << to_string(own.error());
        const std::string setting = fmt::format("{}{}{}, seed {}", form.isa, form.wide_weights ? ", wide weights" : "",
                                                form.scratch ? "" : ", no scratch", seed);
        ASSERT_EQ(*own, *portable) << setting;
      }
    }
}

// An output over its input, as near as the call allows, has the bytes of one that lies apart.
TEST_P(EveryCase, OutputsMayLieOverInputsAsCallsAllow) {
  const Subject& subject = GetParam();
  if (subject.test.training || (!subject.op->lower && !subject.op->traits.alias)) GTEST_SKIP() << "kernels only infer";
  std::vector<KernelForm> forms = special_forms();
  forms.emplace_back();
  for (const DType dtype : {DType::f32, DType::i8, DType::i16}) {
    if (dtype != DType::f32 && !subject.op->quantize) continue;
    const Values inputs = draw_inputs(subject.test, 31);
    const Graph graph = dtype == DType::f32 ? float_graph(subject, inputs) : quantized_graph(subject, inputs, dtype);
    const auto bytes = input_bytes(graph, inputs);
    for (const KernelForm& form : forms) {
      const auto apart = run_kernels(graph, bytes, false, form);
      if (!apart) continue;
      const auto over = run_kernels(graph, bytes, false, form, 0);
      ASSERT_TRUE(over) << to_string(over.error());
      ASSERT_EQ(*over, *apart) << name_of(dtype) << ", " << form.isa;
    }
  }
}

TEST_P(EveryCase, Int8KernelStaysCloseToFloat) {
  const Subject& subject = GetParam();
  if (subject.test.training) GTEST_SKIP() << "kernels only infer";
  if (!subject.op->quantize) GTEST_SKIP() << subject.op->quantize.reason();
  if (!subject.op->lower && !subject.op->traits.alias) GTEST_SKIP() << subject.op->lower.reason();
  expect_close_to_float(subject, DType::i8, subject.test.int8_steps);
}

TEST_P(EveryCase, Int16KernelStaysCloseToFloat) {
  const Subject& subject = GetParam();
  if (subject.test.training) GTEST_SKIP() << "kernels only infer";
  if (!subject.op->quantize) GTEST_SKIP() << subject.op->quantize.reason();
  if (!subject.op->lower && !subject.op->traits.alias) GTEST_SKIP() << subject.op->lower.reason();
  expect_close_to_float(subject, DType::i16, subject.test.int16_steps);
}

namespace {

// What becomes of a case with other input types or attributes: shapes of the outputs, or the error of the shape rule or
// of verify.
Result<std::vector<ValueType>> judge(const Subject& subject, const std::vector<ValueType>& inputs) {
  THIMBLE_LET(const std::vector<ValueType> outputs, infer(subject, inputs));
  Graph graph;
  Node node{subject.op, "nonsense", {}, {}, subject.test.attrs};
  for (size_t i = 0; i < inputs.size(); ++i) {
    node.inputs.push_back(graph.add({.name = "input", .type = inputs[i]}));
    if (inputs[i].shape.empty() && subject.test.inputs[i].absent)
      node.inputs[i] = kNoValue;
    else if (subject.test.inputs[i].state)
      graph[node.inputs[i]].initial = std::make_shared<Tensor>(Tensor::zeros(inputs[i].dtype, inputs[i].shape));
    else
      graph.inputs.push_back(node.inputs[i]);
  }
  for (const ValueType& type : outputs) node.outputs.push_back(graph.add({.name = "output", .type = type}));
  graph.nodes.push_back(std::move(node));
  THIMBLE_TRY(verify(graph));
  return outputs;
}

void expect_error_or_shapes(const Result<std::vector<ValueType>>& outputs, const std::string& cause) {
  if (!outputs) {
    EXPECT_FALSE(outputs.error().message.empty()) << cause;
    return;
  }
  for (const ValueType& output : *outputs)
    for (int64_t extent : output.shape) EXPECT_GT(extent, 0) << to_string(output.shape) << " from " << cause;
}

}  // namespace

TEST_P(EveryCase, NonsenseShapesAreRefusedNotFatal) {
  const Subject& subject = GetParam();
  const std::vector<ValueType> good = types_of(subject.test);
  if (good.empty()) GTEST_SKIP() << "it has no inputs";
  ASSERT_TRUE(judge(subject, good)) << to_string(judge(subject, good).error());
  Rng rng{5};
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<ValueType> types = good;
    Shape& shape = types[rng.below(types.size())].shape;
    const uint64_t kind = shape.empty() ? 1 : rng.below(4);
    if (kind == 0)
      shape.clear();
    else if (kind == 1)
      shape.push_back(1 + static_cast<int64_t>(rng.below(3)));
    else if (kind == 2 && !shape.empty())
      shape[rng.below(shape.size())] = 1 + static_cast<int64_t>(rng.below(8));
    else
      shape.assign(rng.below(6), 1 + static_cast<int64_t>(rng.below(4)));
    expect_error_or_shapes(judge(subject, types), to_string(shape));
  }
}

TEST_P(EveryCase, NonsenseAttributesAreRefusedNotFatal) {
  const Subject& subject = GetParam();
  using Integers = std::vector<int64_t>;
  for (const auto& [name, value] : subject.test.attrs.all()) {
    std::vector<AttrValue> nonsense;
    if (std::holds_alternative<int64_t>(value))
      nonsense = {int64_t{0}, int64_t{-1}, int64_t{1} << 40, INT64_MIN, INT64_MAX};
    if (std::holds_alternative<std::string>(value)) nonsense = {"", "nonsense"};
    if (std::holds_alternative<Integers>(value)) nonsense = {Integers{}, Integers{-1}, Integers(16, INT64_MAX)};
    for (const AttrValue& bad : nonsense) {
      Subject broken = subject;
      broken.test.attrs.set(name, bad);
      const auto outputs = judge(broken, types_of(broken.test));
      const std::string cause = name + " = " + to_string(bad);
      expect_error_or_shapes(outputs, cause);
      EXPECT_TRUE(!std::holds_alternative<std::string>(bad) || !outputs) << cause << " is accepted";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryCase, testing::ValuesIn(all_subjects()), test_name);

void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name(); }

// The distances are no larger than need be: nearer than that, bytes are lost.
TEST(OpCases, OneElementNearerThanCallsAllowLosesBytes) {
  int cases = 0, lost = 0;
  for (const Subject& subject : all_subjects()) {
    const std::string_view op = subject.op->name;
    if (op != "conv2d" && op != "depthwise_conv2d" && op != "max_pool2d") continue;
    const Values inputs = draw_inputs(subject.test, 32);
    const Graph graph = int8_graph(subject, inputs);
    const auto calls = calls_of(graph, {});
    if (!calls || !calls->at(0).overlap || calls->at(0).overlap->distance == 0) continue;
    ++cases;
    const auto bytes = input_bytes(graph, inputs);
    lost += *run_kernels(graph, bytes, false, {}, 1) != *run_kernels(graph, bytes);
  }
  EXPECT_GT(cases, 5);
  EXPECT_GT(2 * lost, cases);
}

TEST(OpCases, EveryOpHasCasesAndEveryCaseAnOp) {
  std::set<std::string> known;
  for (const OpSpec* op : ops::all()) {
    known.emplace(op->name);
    std::set<std::string> names;
    for (const OpCase& test : cases_of(op->name))
      EXPECT_TRUE(names.insert(test.name).second) << op->name << " has two cases named " << test.name;
    EXPECT_FALSE(names.empty()) << op->name << " has no cases: add tests/ops/" << op->name << "_cases.cpp";
  }
  for (const std::string& name : ops_with_cases())
    EXPECT_TRUE(known.contains(name)) << "cases of " << name << ", which is not in ops.def";
}

}  // namespace thimble::test
