// Damaged .tflite files are refused or read, never a crash: run under -DTHIMBLE_SANITIZE=address,undefined this finds
// reads outside the file too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/rng.h"
#include "formats/op_files.h"
#include "formats/sample_graph.h"
#include "formats/shared_models.h"
#include "formats/tflite/tflite.h"
#include "graph/builder.h"
#include "graph/op_spec.h"
#include "ops/ops.h"
#include "plan/plan.h"

using namespace thimble;

namespace {

constexpr int kFlipsPerModel = 3000;
constexpr int kFlipsPerOperator = 25;

// The sample, and two small models made by others where they are present.
std::vector<std::vector<uint8_t>> victims() {
  std::vector<std::vector<uint8_t>> models = {write_tflite(sample_graph()).value()};
  for (const char* name : {"tflm/hello_world/hello_world_int8.tflite", "tinymaix/tflite/mnist_dw_q.tflite"})
    if (auto bytes = read_bytes(shared_models() / name)) models.push_back(std::move(*bytes));
  return models;
}

// A session of what is small enough: kernels see the parameters of a damaged file.
void run(const Plan& plan) {
  constexpr int64_t kMostMacs = 1 << 20, kMostBytes = 1 << 20;
  if (plan.macs > kMostMacs || plan.arena_bytes > kMostBytes) return;
  auto session = Session::make(plan);
  ASSERT_TRUE(session) << to_string(session.error());
  for (size_t i = 0; i < plan.inputs.size(); ++i) std::ranges::fill(session->input(i), uint8_t{0x41});
  session->invoke();
}

// Reading ends with a graph that writes again and can be planned and run, or with an error that says something.
void survive(std::span<const uint8_t> bytes) {
  (void)read_tflite_info(bytes);
  const auto graph = read_tflite(bytes);
  if (!graph) {
    EXPECT_FALSE(graph.error().message.empty());
    return;
  }
  const auto written = write_tflite(*graph);
  ASSERT_TRUE(written) << to_string(written.error());
  const auto plan = make_plan(*graph, {});
  if (plan) return run(*plan);
  EXPECT_FALSE(plan.error().message.empty());
}

void flip(std::vector<uint8_t>& bytes, Rng& rng) {
  for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips) {
    // Half of the flips hit the structure rather than weights: the tables lie at both ends.
    const uint64_t range = rng.below(2) ? bytes.size() : std::min<size_t>(bytes.size(), 1024);
    const uint64_t at = rng.below(2) ? rng.below(range) : bytes.size() - 1 - rng.below(range);
    bytes[at] = static_cast<uint8_t>(rng.next());
  }
}

// A 32-bit number somewhere in the file becomes one that is easily got wrong: negative, huge, NaN, infinite, 0.
void plant(std::vector<uint8_t>& bytes, Rng& rng) {
  constexpr uint32_t kNumbers[] = {0,          1,          0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x00010000,
                                   0x7FC00000, 0x7F800000, 0xFF800000, 0x00000001, 0x3F800000, 0xBF800000};
  const uint32_t number = kNumbers[rng.below(std::size(kNumbers))];
  std::memcpy(bytes.data() + rng.below(bytes.size() / 4) * 4, &number, sizeof(number));
}

}  // namespace

TEST(TfliteHostile, Truncated) {
  for (const auto& model : victims())
    for (size_t size = 0; size < model.size(); size += 64) {
      EXPECT_FALSE(read_tflite(std::span(model).first(size))) << size;
      survive(std::span(model).first(size));
    }
}

TEST(TfliteHostile, BytesFlipped) {
  uint64_t seed = 0;
  for (const auto& model : victims()) {
    Rng rng({20240601, seed++});
    for (int i = 0; i < kFlipsPerModel; ++i) {
      std::vector<uint8_t> bytes = model;
      flip(bytes, rng);
      survive(bytes);
    }
  }
}

// The parameters of every operator, damaged.
TEST(TfliteHostile, OperatorsWithDamagedParameters) {
  uint64_t seed = 0;
  for (const test::OpFile& file : test::op_files()) {
    SCOPED_TRACE(file.name);
    const std::vector<uint8_t> model = write_tflite(file.graph).value();
    Rng rng({20250101, seed++});
    for (int i = 0; i < kFlipsPerOperator; ++i) {
      std::vector<uint8_t> bytes = model;
      plant(bytes, rng);
      if (i % 2) flip(bytes, rng);
      survive(bytes);
    }
  }
}

// Damaged weights make numbers that are none, which kernels must not turn into integers.
TEST(TfliteHostile, NotANumberGoesThroughTheExponential) {
  for (const char* op : {"exp", "softmax"}) {
    GraphBuilder b("model");
    const ValueId x = b.input("x", {DType::f32, {1, 2}});
    b.output(b.node(*ops::find(op), op, {x}).value().at(0));
    const auto graph = read_tflite(write_tflite(b.finish().value()).value());
    ASSERT_TRUE(graph) << op;
    auto session = Session::make(make_plan(*graph, {}).value()).value();
    const float inputs[] = {std::numeric_limits<float>::quiet_NaN(), 0};
    float outputs[2] = {};
    std::memcpy(session.input(0).data(), inputs, sizeof(inputs));
    session.invoke();
    std::memcpy(outputs, session.output(0).data(), sizeof(outputs));
    EXPECT_TRUE(std::isnan(outputs[0])) << op;
    if (std::string_view(op) == "exp") {
      EXPECT_EQ(outputs[1], 1.0f);
    }
  }
}

// An absent input has the shape of a scalar, and is none.
TEST(TfliteHostile, AbsentInputsThatAreNeeded) {
  for (const char* op : {"add", "maximum", "less", "pack", "add_n"}) {
    GraphBuilder b("model");
    const ValueId x = b.input("x", {DType::f32, {}}), y = b.input("y", {DType::f32, {}});
    Attrs attrs;
    if (std::string_view(op) == "pack") attrs.set("axis", int64_t{0}).set("count", int64_t{2});
    auto made = b.node(*ops::find(op), op, {x, y}, attrs);
    ASSERT_TRUE(made) << to_string(made.error());
    b.output(made->at(0));
    Graph graph = b.finish().value();
    ASSERT_TRUE(verify(graph)) << op;
    graph.nodes[0].inputs[1] = kNoValue;
    EXPECT_FALSE(verify(graph)) << op;
  }
}

TEST(TfliteHostile, EveryModelOfOthersIsReadOrRefusedWithOneError) {
  const auto files = shared_tflite_files();
  if (files.empty()) GTEST_SKIP() << "no models in " << shared_models();
  for (const Path& file : files) {
    SCOPED_TRACE(file.string());
    survive(read_bytes(file).value());
  }
}
