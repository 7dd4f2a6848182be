// Offsets for TensorFlow Lite Micro: no two values that live during one node overlap, whatever this planner shares.
#include "plan/offline_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "random_graph.h"

using namespace thimble;

namespace {

bool lives_during(const Graph& graph, ValueId id, size_t node) {
  size_t first = graph.nodes.size(), last = 0;
  const auto touch = [&](const std::vector<ValueId>& ids, size_t n) {
    if (std::ranges::count(ids, id) == 0) return;
    first = std::min(first, n);
    last = std::max(last, n);
  };
  touch(graph.inputs, 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    touch(graph.nodes[n].inputs, n);
    touch(graph.nodes[n].outputs, n);
  }
  touch(graph.outputs, graph.nodes.size());
  return first <= node && node <= last;
}

}  // namespace

TEST(OfflinePlan, ValuesOfOneNodeNeverOverlap) {
  size_t given = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Graph graph = test::GraphMaker::random(seed, 12);
    const Plan plan = make_plan(graph, {}).value();
    const std::vector<int32_t> offsets = offline_offsets(graph, plan);
    ASSERT_EQ(offsets.size(), graph.values.size());
    for (size_t n = 0; n <= graph.nodes.size(); ++n) {
      std::vector<std::pair<int64_t, int64_t>> ranges;
      for (size_t v = 0; v < offsets.size(); ++v) {
        if (offsets[v] < 0 || !lives_during(graph, static_cast<ValueId>(v), n)) continue;
        const int64_t bytes = element_count(graph.values[v].type.shape);
        EXPECT_FALSE(graph.values[v].constant);
        EXPECT_LE(offsets[v] + bytes, plan.arena_bytes);
        for (const auto& [begin, end] : ranges)
          EXPECT_TRUE(offsets[v] + bytes <= begin || end <= offsets[v]) << "seed " << seed << " node " << n;
        ranges.emplace_back(offsets[v], offsets[v] + bytes);
        ++given;
      }
    }
  }
  EXPECT_GT(given, 100u);
}
