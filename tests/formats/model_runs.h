// Model files run against known results, and written and read again.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "formats/tflite/tflite.h"
#include "plan/session.h"

namespace thimble::test {

constexpr float kFloatTolerance = 1e-5f;

using Bytes = std::vector<uint8_t>;

// Each sample begins with the first state.
inline Bytes run_samples(const Graph& graph, const Bytes& inputs) {
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
    session->reset();
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

inline void expect_close(const Bytes& found, const Bytes& expected) {
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

inline void expect_same(const Graph& graph, const Bytes& inputs, const Bytes& expected) {
  const Bytes found = run_samples(graph, inputs);
  if (graph[graph.outputs[0]].type.dtype == DType::f32) return expect_close(found, expected);
  ASSERT_EQ(found.size(), expected.size());
  size_t different = 0;
  for (size_t i = 0; i < found.size(); ++i) different += found[i] != expected[i];
  EXPECT_EQ(different, 0u) << "of " << found.size() << " bytes";
}

// From the first write on, the bytes of the file stay the same and so do those it computes.
inline void expect_rewrites(const Bytes& model, const Graph& graph, const Bytes& inputs) {
  const TfliteInfo info = read_tflite_info(model).value();
  const auto written = write_tflite(graph, {.info = info});
  ASSERT_TRUE(written) << to_string(written.error());
  const auto again = read_tflite(*written);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(read_tflite_info(*written).value(), info);
  EXPECT_EQ(write_tflite(*again, {.info = info}).value(), *written);
  EXPECT_EQ(run_samples(*again, inputs), run_samples(graph, inputs));
}

}  // namespace thimble::test
