// A float32 graph from elsewhere becomes int8 by samples of its inputs, stays close, and shares scales where it must.
#include "quantize/imported.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "graph/builder.h"
#include "ops/ops.h"
#include "train/support.h"

namespace thimble {
namespace {

// Two branches of one input joined: concatenation asks for one scale.
Graph branches() {
  GraphBuilder b("branches");
  const ValueId x = b.input("x", {DType::f32, {1, 6}});
  Rng rng{4};
  const auto layer = [&](ValueId from, double gain, const char* name) {
    Tensor weights = Tensor::zeros(DType::f32, {4, 6});
    for (float& value : weights.as<float>()) value = static_cast<float>(gain * rng.normal());
    const ValueId w = b.constant("w", std::move(weights));
    return must(b.node(*ops::find("fully_connected"), name, {from, w}, Attrs().set("activation", "none")))[0];
  };
  const ValueId a = layer(x, 0.1, "small"), c = layer(x, 2, "large");
  const ValueId joined = must(b.node(*ops::find("concatenation"), "join", {a, c}, Attrs().set("axis", int64_t{1})))[0];
  b.output(must(b.node(*ops::find("sin"), "wave", {joined}))[0]);
  return must(b.finish());
}

}  // namespace

TEST(Imported, SharesScalesAndKeepsFloatLayers) {
  const Graph graph = branches();
  const Samples samples = random_samples(graph, 50, 1);
  const QuantizedGraph result = must(quantize_graph(graph, samples, {.method = "minmax"}, silent_progress()));
  EXPECT_EQ(result.float_layers, std::vector<std::string>{"wave"});
  const auto join = std::ranges::find(result.graph.nodes, "join", &Node::name);
  ASSERT_NE(join, result.graph.nodes.end());
  for (ValueId input : join->inputs)
    EXPECT_EQ(result.graph[input].quantization, result.graph[join->outputs[0]].quantization);
  EXPECT_EQ(result.graph[result.graph.inputs[0]].type.dtype, DType::i8);
}

TEST(Imported, AQuantisedModelIsRefused) {
  const Graph graph = branches();
  const Samples samples = random_samples(graph, 10, 1);
  const QuantizedGraph once = must(quantize_graph(graph, samples, {}, silent_progress()));
  const auto twice = quantize_graph(once.graph, samples, {}, silent_progress());
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::unsupported);
}

}  // namespace thimble
