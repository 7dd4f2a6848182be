// A recurrent layer written out step by step gives what its operator gives.
#include "formats/recurrent_steps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"
#include "formats/tflite/tflite.h"
#include "graph/builder.h"
#include "ops/ops.h"
#include "plan/session.h"

using namespace thimble;

namespace {

struct Case {
  const char* op;
  int64_t gates;
  bool reverse, reset_after, with_bias;
};

class RecurrentStepsTest : public testing::TestWithParam<Case> {};

Tensor noise(Shape shape, Rng& random) {
  Tensor tensor = Tensor::zeros(DType::f32, std::move(shape));
  for (float& number : tensor.as<float>()) number = static_cast<float>(random.next() % 2001) / 1000.0f - 1.0f;
  return tensor;
}

constexpr int64_t kSteps = 30, kInputs = 3, kUnits = 4;

Graph layer_graph(const Case& c) {
  Rng random{7};
  GraphBuilder builder("layer");
  const bool gru = std::string_view(c.op) == "gru";
  std::vector<ValueId> inputs{builder.input("x", {DType::f32, {1, kSteps, kInputs}}),
                              builder.constant("w", noise({c.gates * kUnits, kInputs}, random)),
                              builder.constant("r", noise({c.gates * kUnits, kUnits}, random))};
  if (c.with_bias) inputs.push_back(builder.constant("b", noise({c.gates * kUnits}, random)));
  if (c.with_bias && gru) inputs.push_back(builder.constant("rb", noise({c.gates * kUnits}, random)));
  Attrs attrs = Attrs().set("time_major", int64_t{0}).set("reverse", int64_t{c.reverse});
  if (gru) attrs.set("reset_after", int64_t{c.reset_after});
  const auto outputs = builder.node(*ops::find(c.op), "layer", inputs, attrs).value();
  for (ValueId output : outputs) builder.output(output);
  return builder.finish().value();
}

std::vector<float> run(const Graph& graph) {
  const auto plan = make_plan(graph, {}).value();
  auto session = Session::make(plan).value();
  Rng random{11};
  const Tensor x = noise({kSteps, kInputs}, random);
  std::memcpy(session.input(0).data(), x.bytes.data(), x.bytes.size());
  session.invoke();
  std::vector<float> all;
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const auto bytes = session.output(i);
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

}  // namespace

TEST_P(RecurrentStepsTest, GiveWhatTheOperatorGives) {
  const Graph graph = layer_graph(GetParam());
  const auto written = write_out_recurrent(graph);
  ASSERT_TRUE(written) << to_string(written.error());
  for (const Node& node : written->nodes) EXPECT_NE(node.op->name, GetParam().op);
  const auto expected = run(graph), found = run(*written);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5f) << i;
  EXPECT_TRUE(write_tflite(*written));
}

INSTANTIATE_TEST_SUITE_P(Layers, RecurrentStepsTest,
                         testing::Values(Case{"lstm", 4, false, false, true}, Case{"lstm", 4, true, false, false},
                                         Case{"gru", 3, false, true, true}, Case{"gru", 3, true, true, false},
                                         Case{"gru", 3, false, false, true}, Case{"gru", 3, true, false, false},
                                         Case{"simple_rnn", 1, false, false, true},
                                         Case{"simple_rnn", 1, true, false, false}));
