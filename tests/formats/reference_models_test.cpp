// Models made by others give, through the plan and the device's own loop and kernels, the bytes that TensorFlow Lite
// Micro's reference kernels give: int8 exactly, float32 within 1e-5 of the largest value. Written out and read again
// they still do.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "formats/shared_models.h"
#include "formats/tflite/tflite.h"
#include "plan/session.h"

using namespace thimble;

namespace {

constexpr float kFloatTolerance = 1e-5f;

using Bytes = std::vector<uint8_t>;

Bytes run_samples(const Graph& graph, const Bytes& inputs) {
  const auto plan = make_plan(graph, {});
  if (!plan) {
    ADD_FAILURE() << to_string(plan.error());
    return {};
  }
  auto session = Session::make(*plan);
  if (!session) {
    ADD_FAILURE() << to_string(session.error());
    return {};
  }
  Bytes outputs;
  size_t at = 0;
  while (at < inputs.size()) {
    for (size_t i = 0; i < plan->inputs.size(); ++i) {
      const auto input = session->input(i);
      if (input.empty() || at + input.size() > inputs.size()) {
        ADD_FAILURE() << "the inputs are not whole samples";
        return outputs;
      }
      std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(at), input.size(), input.begin());
      at += input.size();
    }
    session->invoke();
    for (size_t i = 0; i < plan->outputs.size(); ++i)
      outputs.insert(outputs.end(), session->output(i).begin(), session->output(i).end());
  }
  return outputs;
}

void expect_close(const Bytes& found, const Bytes& expected) {
  ASSERT_EQ(found.size(), expected.size());
  std::vector<float> a(found.size() / sizeof(float)), b(a.size());
  std::memcpy(a.data(), found.data(), found.size());
  std::memcpy(b.data(), expected.data(), expected.size());
  float largest = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(b[i]));
    difference = std::max(difference, std::fabs(a[i] - b[i]));
  }
  EXPECT_LE(difference, kFloatTolerance * largest);
}

void expect_same(const Graph& graph, const Bytes& inputs, const Bytes& expected) {
  const Bytes found = run_samples(graph, inputs);
  if (graph[graph.outputs[0]].type.dtype == DType::f32) return expect_close(found, expected);
  ASSERT_EQ(found.size(), expected.size());
  size_t different = 0;
  for (size_t i = 0; i < found.size(); ++i) different += found[i] != expected[i];
  EXPECT_EQ(different, 0u) << "of " << found.size() << " bytes";
}

class ReferenceModel : public testing::TestWithParam<const char*> {};

}  // namespace

TEST_P(ReferenceModel, GivesTheReferenceBytes) {
  const Path stem = shared_models() / GetParam();
  const auto model = read_bytes(stem.string() + ".tflite");
  if (!model) GTEST_SKIP() << to_string(model.error());
  const auto inputs = read_bytes(stem.string() + ".in.bin"), expected = read_bytes(stem.string() + ".out.bin");
  ASSERT_TRUE(inputs && expected);
  const auto graph = read_tflite(*model);
  ASSERT_TRUE(graph) << to_string(graph.error());
  expect_same(*graph, *inputs, *expected);

  const auto written = write_tflite(*graph);
  ASSERT_TRUE(written) << to_string(written.error());
  const auto again = read_tflite(*written);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(write_tflite(*again).value(), *written);
  expect_same(*again, *inputs, *expected);
}

INSTANTIATE_TEST_SUITE_P(
    Tflite, ReferenceModel,
    testing::Values("mlperf_tiny/kws_int8", "mlperf_tiny/vww_int8", "mlperf_tiny/ic_int8", "mlperf_tiny/ic_large_int8",
                    "mlperf_tiny/ad_int8", "mlperf_tiny/sww_int8", "mlperf_tiny/ad_float", "mlperf_tiny/ic_float",
                    "mlperf_tiny/vww_float", "tflm/hello_world/hello_world_int8", "tflm/hello_world/hello_world_float",
                    "tflm/python/sine_float", "tflm/memory_footprint/simple_add_model",
                    "tflm/micro_speech/micro_speech_quantized", "tinymaix/tflite/cifar10_q",
                    "tinymaix/tflite/cifar10_f", "tinymaix/tflite/mnist_arduino_q", "tinymaix/tflite/mnist_dw_q",
                    "tinymaix/tflite/mnist_dw_f", "tinymaix/tflite/mnist_rect_q", "tinymaix/tflite/mnist_resnet_q",
                    "tinymaix/tflite/mnist_resnet_f", "tinymaix/tflite/mnist_valid_q", "tinymaix/tflite/mnist_valid_f",
                    "mlonmcu/cifar10/cifar10", "mlonmcu/magic_wand/magic_wand",
                    "mlonmcu/micro_kws_m_fp32/micro_kws_m_fp32", "mlonmcu/micro_kws_m_quantized/micro_kws_m_quantized",
                    "mlonmcu/micro_speech/micro_speech", "mlonmcu/sine_model/hello_world",
                    "mlonmcu/sine_model/sine_model", "mlonmcu/tests/model_with_add/model_with_add",
                    "mlonmcu/tests/model_with_multiple_outputs/model_with_multiple_outputs"),
    [](const auto& info) {
      std::string name = info.param;
      std::ranges::replace(name, '/', '_');
      return name;
    });
