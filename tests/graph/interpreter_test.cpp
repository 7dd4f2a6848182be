// The interpreter shows what every layer gives, with the numbers that the plan's own run gives.
#include "graph/interpreter.h"

#include <gtest/gtest.h>

#include "formats/sample_graph.h"
#include "graph/samples.h"

using namespace thimble;

TEST(Interpreter, ShowsTheLayersOfAnInt8Model) {
  auto interpreter = Interpreter::make(sample_graph());
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  const Graph& graph = interpreter->graph();
  const std::vector<float> reals = {1, -2, 0.5f, 3};
  const auto codes = codes_of(graph[graph.inputs[0]], reals);
  ASSERT_TRUE(codes);
  std::ranges::copy(*codes, interpreter->value(graph.inputs[0]).begin());
  ASSERT_TRUE(interpreter->run());
  // hidden = relu(W x + b): 0.1 * (1 - 4 + 1.5 + 12) + 5 = 6.05, -20 + 0.2 * (5 - 12 + 3.5 + 24) < 0, ...
  const auto hidden = real_values(graph[graph.nodes[0].outputs[0]], interpreter->value(graph.nodes[0].outputs[0]));
  EXPECT_NEAR(hidden[0], 6.05, 0.13);
  EXPECT_EQ(hidden[1], 0);
}

TEST(Interpreter, CodesRoundAndSaturate) {
  const Value value = int8_value("x", {1, 4}, 0.5f, 10);
  const auto codes = codes_of(value, std::vector<float>{0, 0.74f, 1000, -1000});
  ASSERT_TRUE(codes);
  EXPECT_EQ(real_values(value, *codes), (std::vector<float>{0, 0.5f, 58.5f, -69}));
  EXPECT_FALSE(codes_of(value, std::vector<float>{1}));
}

TEST(Samples, BytesAreSamplesBackToBackAndMustDivide) {
  const Graph graph = sample_graph();
  const std::vector<uint8_t> bytes(12, 1);
  const auto samples = samples_from_bytes(graph, bytes);
  ASSERT_TRUE(samples);
  EXPECT_EQ(samples->count, 3);
  EXPECT_FALSE(samples_from_bytes(graph, std::span(bytes).first(11)));
  EXPECT_FALSE(make_samples(graph, {Tensor::zeros(DType::f32, {3, 3})}));
  EXPECT_FALSE(make_samples(graph, {}));
}
