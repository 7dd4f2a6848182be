// Keras models give what TensorFlow Lite gives for the same models converted, where both files are present.
#include "formats/keras/keras.h"

#include <gtest/gtest.h>

#include <cmath>

#include "formats/shared_models.h"
#include "plan/session.h"

using namespace thimble;

namespace {

std::vector<uint8_t> run_samples(const Graph& graph, const std::vector<uint8_t>& inputs) {
  const auto plan = make_plan(graph, {});
  EXPECT_TRUE(plan) << to_string(plan.error());
  auto session = Session::make(*plan);
  EXPECT_TRUE(session) << to_string(session.error());
  std::vector<uint8_t> outputs;
  for (size_t at = 0; at + session->input(0).size() <= inputs.size(); at += session->input(0).size()) {
    std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(at), session->input(0).size(), session->input(0).begin());
    session->invoke();
    outputs.insert(outputs.end(), session->output(0).begin(), session->output(0).end());
  }
  return outputs;
}

struct Pair {
  const char* keras;
  const char* tflite;
};

class KerasModel : public testing::TestWithParam<Pair> {};

}  // namespace

TEST_P(KerasModel, GivesWhatItsTfliteGives) {
  const auto model = read_bytes(shared_models() / GetParam().keras);
  if (!model) GTEST_SKIP() << to_string(model.error());
  const Path stem = shared_models() / GetParam().tflite;
  const auto inputs = read_bytes(stem.string() + ".in.bin"), expected = read_bytes(stem.string() + ".out.bin");
  ASSERT_TRUE(inputs && expected);
  const auto graph = read_keras(*model);
  ASSERT_TRUE(graph) << to_string(graph.error());
  const auto found = run_samples(*graph, *inputs);
  ASSERT_EQ(found.size(), expected->size());
  float largest = 0, difference = 0;
  for (size_t at = 0; at < found.size(); at += sizeof(float)) {
    float a = 0, b = 0;
    std::memcpy(&a, &found[at], sizeof a);
    std::memcpy(&b, &(*expected)[at], sizeof b);
    largest = std::max(largest, std::fabs(b));
    difference = std::max(difference, std::fabs(a - b));
  }
  EXPECT_LE(difference, 1e-5f * largest);
}

INSTANTIATE_TEST_SUITE_P(Keras, KerasModel,
                         testing::Values(Pair{"mlperf_tiny/ic.h5", "mlperf_tiny/ic_float"},
                                         Pair{"tinymaix/h5/cifar10.h5", "tinymaix/tflite/cifar10_f"},
                                         Pair{"tinymaix/h5/mnist_dw.h5", "tinymaix/tflite/mnist_dw_f"},
                                         Pair{"tinymaix/h5/mnist_resnet.h5", "tinymaix/tflite/mnist_resnet_f"},
                                         Pair{"tinymaix/h5/mnist_valid.h5", "tinymaix/tflite/mnist_valid_f"}),
                         [](const auto& info) {
                           std::string name = info.param.keras;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

// Every Keras model at hand is read, or refused in words.
TEST(Keras, ReadsEveryModelAtHand) {
  if (!std::filesystem::is_directory(shared_models())) GTEST_SKIP() << shared_models() << " is not there";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared_models())) {
    if (entry.path().extension() != ".h5" && entry.path().extension() != ".keras") continue;
    const auto bytes = read_bytes(entry.path());
    ASSERT_TRUE(bytes);
    const auto graph = read_keras(*bytes);
    ASSERT_TRUE(graph) << entry.path() << ": " << to_string(graph.error());
    EXPECT_TRUE(make_plan(*graph, {})) << entry.path();
  }
}
