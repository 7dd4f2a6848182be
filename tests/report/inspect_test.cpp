// `thimble inspect` tells each layer's cost and where the RAM goes.
#include "report/inspect.h"

#include <gtest/gtest.h>

#include "formats/sample_graph.h"

using namespace thimble;

namespace {

Inspection inspect_sample() {
  const Graph graph = sample_graph();
  const auto plan = make_plan(graph, {});
  EXPECT_TRUE(plan) << to_string(plan.error());
  return inspect_model(graph, *plan);
}

}  // namespace

TEST(Inspect, CountsEachLayerAndTheTotal) {
  const Inspection inspection = inspect_sample();
  ASSERT_EQ(inspection.layers.size(), 2u);
  EXPECT_EQ(inspection.layers[0].macs, 12);
  EXPECT_EQ(inspection.layers[1].macs, 6);
  EXPECT_EQ(inspection.macs, 18);
  EXPECT_EQ(inspection.layers[0].weight_bytes, 12 + 12);  // int8 weights, int32 bias
  EXPECT_EQ(inspection.layers[1].weight_bytes, 6);
  EXPECT_EQ(inspection.weight_bytes, 30);
  EXPECT_EQ(inspection.parameters, 12 + 3 + 6);
}

TEST(Inspect, RamOverTimeStaysWithinTheArena) {
  const Inspection inspection = inspect_sample();
  ASSERT_EQ(inspection.calls.size(), 2u);
  int64_t most = 0;
  for (const InspectedCall& call : inspection.calls) {
    EXPECT_GT(call.ram_bytes, 0);
    EXPECT_LE(call.ram_bytes, inspection.arena_bytes);
    most = std::max(most, call.ram_bytes);
  }
  EXPECT_EQ(most, 4 + 3);  // the input and the hidden layer, at the first call
  EXPECT_LE(most, inspection.lower_bound_bytes);
}

TEST(Inspect, JsonHoldsEveryFieldForMachines) {
  const nlohmann::json json = to_json(inspect_sample());
  EXPECT_EQ(json["model"], "sample");
  EXPECT_EQ(json["inputs"][0]["shape"], (std::vector<int>{1, 4}));
  EXPECT_EQ(json["inputs"][0]["dtype"], "int8");
  EXPECT_EQ(json["inputs"][0]["quantization"]["zero_point"][0], -3);
  EXPECT_EQ(json["layers"][0]["op"], "fully_connected");
  EXPECT_EQ(json["layers"][0]["attributes"]["activation"], "relu");
  EXPECT_EQ(json["layers"][0]["inputs"][1]["quantization"]["scale"].size(), 3u);
  EXPECT_EQ(json["macs"], 18);
  EXPECT_EQ(json["weight_bytes"], 30);
  EXPECT_EQ(json["ram_over_time"].size(), 2u);
  EXPECT_EQ(json["ram_over_time"][0]["kernel"], "fully_connected_s8");
}

TEST(Inspect, TextShowsLayersTotalsAndBars) {
  const std::string text = to_text(inspect_sample());
  for (const char* part : {"sample: 2 layers, 18 MACs, 21 parameters", "features", "int8 [1,4]  scale 0.5 zero -3",
                           "total", "RAM over time", "█"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}
