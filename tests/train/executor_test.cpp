// The executor against its own definition: gradients of whole graphs by finite differences, also where values have
// several readers.
#include "train/executor.h"

#include <algorithm>

#include "train/loss.h"
#include "train/support.h"

using namespace thimble;

namespace {

// Sum of outputs weighted by fixed random numbers: a loss whose gradient at the output is those numbers.
double weighted_sum(Executor& executor, const Graph& graph, const std::vector<float>& weights) {
  executor.forward(true, 1);
  double sum = 0;
  const auto output = executor.value(graph.outputs[0]);
  for (size_t i = 0; i < output.size(); ++i) sum += output[i] * weights[i];
  return sum;
}

std::vector<float> random_numbers(size_t count, uint64_t seed) {
  Rng rng{seed};
  std::vector<float> numbers(count);
  for (float& number : numbers) number = static_cast<float>(rng.normal());
  return numbers;
}

void expect_gradients_match(Graph graph, double tolerance) {
  constexpr int64_t kBatch = 5;
  Executor executor = must(Executor::make(graph, kBatch, graph.outputs[0]));
  const auto input = executor.value(graph.inputs[0]);
  std::ranges::copy(random_numbers(input.size(), 1), input.begin());
  const std::vector<float> weights = random_numbers(executor.value(graph.outputs[0]).size(), 2);
  executor.zero_gradients();
  weighted_sum(executor, graph, weights);
  std::ranges::copy(weights, executor.gradient(graph.outputs[0]).begin());
  executor.backward();
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!graph.values[v].trainable) continue;
    const auto numbers = executor.value(static_cast<ValueId>(v)), gradient = executor.gradient(static_cast<ValueId>(v));
    ASSERT_EQ(gradient.size(), numbers.size());
    for (size_t i = 0; i < numbers.size(); i += 1 + numbers.size() / 7) {
      constexpr float kStep = 2e-3f;
      const float kept = numbers[i];
      numbers[i] = kept + kStep;
      const double up = weighted_sum(executor, graph, weights);
      numbers[i] = kept - kStep;
      const double down = weighted_sum(executor, graph, weights);
      numbers[i] = kept;
      const double expected = (up - down) / (2.0 * static_cast<double>(kStep));
      EXPECT_NEAR(gradient[i], expected, tolerance * std::max(1.0, std::abs(expected)))
          << graph.values[v].name << "[" << i << "]";
    }
  }
}

Graph from_toml(const std::string& text, Shape input, int outputs) {
  const Path path = fresh_folder("executor") / "net.toml";
  EXPECT_TRUE(write_text(path, text));
  return must(make_architecture(
      {.name = path.string(), .input = std::move(input), .outputs = outputs, .classification = false}));
}

}  // namespace

TEST(Executor, GradientsOfAPlainNetwork) { expect_gradients_match(sine_network(), 0.02); }

TEST(Executor, GradientsWhereAValueHasTwoReaders) {
  // Smooth throughout, so that finite differences are good: a residual block whose input is read twice.
  expect_gradients_match(from_toml(R"(
[[layer]]
op = "conv2d"
filters = 3
kernel = 3
padding = "same"
[[layer]]
repeat = 2
residual = true
layers = [{ op = "depthwise_conv2d", kernel = 3, padding = "same" }, { op = "conv2d", filters = 3, kernel = 1 }]
[[layer]]
op = "mean"
axes = [1, 2]
[[layer]]
op = "fully_connected"
filters = "outputs"
)",
                                   {1, 5, 4, 2}, 2),
                         0.01);
}

TEST(Executor, GradientsThroughBatchNormalisation) {
  expect_gradients_match(from_toml(R"(
[[layer]]
op = "conv2d"
filters = 4
kernel = [3, 2]
stride = [2, 1]
padding = "same"
batch_norm = true
[[layer]]
op = "average_pool2d"
kernel = 2
stride = 2
padding = "same"
[[layer]]
op = "fully_connected"
filters = "outputs"
)",
                                   {1, 7, 6, 1}, 3),
                         0.02);
}

TEST(Executor, BackwardAddsToWhatIsThere) {
  Graph graph = sine_network();
  Executor executor = must(Executor::make(graph, 4, graph.outputs[0]));
  const ValueId weights = graph.nodes[0].inputs[1];
  std::ranges::copy(random_numbers(4, 1), executor.value(graph.inputs[0]).begin());
  executor.forward(true, 1);
  std::ranges::fill(executor.gradient(graph.outputs[0]), 1.0f);
  executor.zero_gradients();
  executor.backward();
  const std::vector<float> once(executor.gradient(weights).begin(), executor.gradient(weights).end());
  executor.backward();
  for (size_t i = 0; i < once.size(); ++i) EXPECT_FLOAT_EQ(executor.gradient(weights)[i], 2 * once[i]);
}

TEST(Executor, ABatchGivesWhatItsSamplesGiveAlone) {
  Graph graph = sine_network();
  Executor batch = must(Executor::make(graph, 3)), alone = must(Executor::make(graph, 1));
  const std::vector<float> inputs = random_numbers(3, 4);
  std::ranges::copy(inputs, batch.value(graph.inputs[0]).begin());
  batch.forward(false, 0);
  for (size_t i = 0; i < inputs.size(); ++i) {
    alone.value(graph.inputs[0])[0] = inputs[i];
    alone.forward(false, 0);
    EXPECT_NEAR(alone.value(graph.outputs[0])[0], batch.value(graph.outputs[0])[i], 1e-6);
  }
}

TEST(Executor, QuantisedGraphsAreRefused) {
  Graph graph = sine_network();
  graph[graph.inputs[0]].type.dtype = DType::i8;
  const auto executor = Executor::make(graph, 1);
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().code, ErrorCode::bad_data);
}

TEST(Loss, CrossEntropyIsThatOfItsDefinition) {
  const std::vector<float> logits = {1, 2, 3, 1000, 0, 0}, targets = {0, 0.5, 0.5, 1, 0, 0};
  std::vector<float> gradient(6);
  const double loss = softmax_cross_entropy(logits, targets, 3, gradient);
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  EXPECT_NEAR(loss, 0.5 * (std::log(sum) - 2.5), 1e-9);  // the second row has none
  EXPECT_NEAR(gradient[0], 0.5 * std::exp(1.0) / sum, 1e-6);
  EXPECT_NEAR(gradient[2], 0.5 * (std::exp(3.0) / sum - 0.5), 1e-6);
  EXPECT_EQ(gradient[3], 0);
  EXPECT_EQ(count_correct(logits, targets, 3), 1);
}

TEST(Loss, SquaredErrorIsThatOfItsDefinition) {
  std::vector<float> gradient(2);
  EXPECT_DOUBLE_EQ(mean_squared_error(std::vector<float>{1, 4}, std::vector<float>{0, 2}, gradient), 2.5);
  EXPECT_EQ(gradient, (std::vector<float>{1, 2}));
}
