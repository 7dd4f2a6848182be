// A comparison names the first layer where two models part, and the right reason to believe it.
#include "report/compare.h"

#include <gtest/gtest.h>

#include "formats/sample_graph.h"
#include "quantize/float_twin.h"

using namespace thimble;

namespace {

Comparison compared(const Graph& a, const Graph& b, const CompareOptions& options = {}) {
  auto comparison = compare_graphs(a, b, random_samples(a, 20, 3), options);
  if (!comparison) throw std::runtime_error(to_string(comparison.error()));
  return std::move(*comparison);
}

}  // namespace

TEST(Compare, AModelAgreesWithItself) {
  const Comparison comparison = compared(sample_graph(), sample_graph());
  EXPECT_FALSE(comparison.first);
  ASSERT_EQ(comparison.layers.size(), 2u);
  EXPECT_EQ(comparison.layers[1].differing, 0);
  EXPECT_EQ(comparison.outputs[0].same_largest, 20);
}

TEST(Compare, NamesTheLayerThatWasChanged) {
  Graph changed = deep_copy(sample_graph());
  for (Value& value : changed.values)
    if (value.name == "scores/weights") value.constant->as<int8_t>()[2] = 100;
  const Comparison comparison = compared(sample_graph(), changed);
  ASSERT_TRUE(comparison.first);
  EXPECT_EQ(comparison.layers[*comparison.first].layer, "scores");
  EXPECT_NE(to_text(comparison).find("they part at scores"), std::string::npos);
  EXPECT_EQ(to_json(comparison)["first_different_layer"], "scores");
}

TEST(Compare, LayersOfOtherNamesAreMatchedByOperatorAndSize) {
  Graph renamed = deep_copy(sample_graph());
  for (Value& value : renamed.values) value.name = "other/" + value.name;
  EXPECT_EQ(compared(sample_graph(), renamed).layers.size(), 2u);
}

TEST(Compare, AQuantisedModelStaysCloseToItsFloatTwin) {
  const auto twin = float_twin(sample_graph());
  ASSERT_TRUE(twin) << to_string(twin.error());
  EXPECT_TRUE(is_quantized(sample_graph()));
  EXPECT_FALSE(is_quantized(*twin));
  Samples samples = random_samples(*twin, 20, 3);
  // What int8 holds exactly, and small enough not to saturate: only the layers' outputs are rounded.
  int step = 0;
  for (float& value : samples.inputs[0].as<float>()) value = 0.5f * static_cast<float>(step++ % 3 - 1);
  const auto comparison = compare_graphs(*twin, sample_graph(), samples);
  ASSERT_TRUE(comparison);
  EXPECT_GT(comparison->layers[0].sqnr_db, 30);
  EXPECT_GT(comparison->layers[0].differing, 0);
}

TEST(Compare, ModelsOfOtherPortsAreRefused) {
  Graph graph = sample_graph();
  graph.outputs.push_back(graph.nodes[0].outputs[0]);
  EXPECT_FALSE(compare_graphs(sample_graph(), graph, random_samples(graph, 2, 1)));
}
