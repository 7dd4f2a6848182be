// Damaged .tflite files are refused or read, never a crash: run under -DTHIMBLE_SANITIZE=address,undefined this finds
// reads outside the file too.
#include <gtest/gtest.h>

#include "core/rng.h"
#include "formats/sample_graph.h"
#include "formats/shared_models.h"
#include "formats/tflite/tflite.h"
#include "plan/plan.h"

using namespace thimble;

namespace {

constexpr int kFlipsPerModel = 3000;

// The sample, and two small models made by others where they are present.
std::vector<std::vector<uint8_t>> victims() {
  std::vector<std::vector<uint8_t>> models = {write_tflite(sample_graph()).value()};
  for (const char* name : {"tflm/hello_world/hello_world_int8.tflite", "tinymaix/tflite/mnist_dw_q.tflite"})
    if (auto bytes = read_bytes(shared_models() / name)) models.push_back(std::move(*bytes));
  return models;
}

// Reading ends with a graph that writes again and can be planned, or with an error that says something.
void survive(std::span<const uint8_t> bytes) {
  (void)read_tflite_info(bytes);
  const auto graph = read_tflite(bytes);
  if (!graph) {
    EXPECT_FALSE(graph.error().message.empty());
    return;
  }
  EXPECT_TRUE(write_tflite(*graph));
  const auto plan = make_plan(*graph, {});
  if (!plan) {
    EXPECT_FALSE(plan.error().message.empty());
  }
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
      for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips) {
        // Half of the flips hit the structure rather than weights: the tables lie at both ends.
        const uint64_t range = rng.below(2) ? bytes.size() : std::min<size_t>(bytes.size(), 1024);
        const uint64_t at = rng.below(2) ? rng.below(range) : bytes.size() - 1 - rng.below(range);
        bytes[at] = static_cast<uint8_t>(rng.next());
      }
      survive(bytes);
    }
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
