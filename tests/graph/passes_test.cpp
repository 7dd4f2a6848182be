// What the graph passes promise: the same outputs from fewer operators, and the caller's graph untouched.
#include "graph/passes/fold_batch_norm.h"
#include "graph/passes/fuse_activation.h"
#include "graph/passes/remove_identity.h"
#include "graph_fixture.h"

namespace thimble::test {
namespace {

TEST(RemoveIdentity, DropsDropout) {
  GraphBuilder b(1);
  ValueId x = b.node("fully_connected", {b.input({2, 6}), b.weights({5, 6}), b.weights({5})});
  x = b.node("dropout", {x}, Attrs().set("rate", 0.4));
  x = b.node("softmax", {x});
  const Graph graph = b.finish({b.node("dropout", {x})});
  const auto result = remove_identity(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(count_ops(*result, "dropout"), 0);
  EXPECT_EQ(count_ops(graph, "dropout"), 2);
  expect_same_outputs(graph, *result);
}

TEST(FoldBatchNorm, IntoFullyConnectedBefore) {
  for (const bool with_bias : {true, false}) {
    GraphBuilder b(2);
    std::vector<ValueId> inputs{b.input({3, 7}), b.weights({5, 7})};
    if (with_bias) inputs.push_back(b.weights({5}));
    const ValueId x = b.batch_norm(b.node("fully_connected", inputs));
    const Graph graph = b.finish({b.node("relu", {x})});
    const std::vector<float> untouched = evaluate(graph, 5);
    const auto result = fold_batch_norm(graph);
    ASSERT_TRUE(result) << to_string(result.error());
    EXPECT_EQ(result->nodes.size(), 2u);
    EXPECT_EQ(result->nodes[0].inputs.size(), 3u);
    expect_same_outputs(graph, *result);
    EXPECT_EQ(evaluate(graph, 5), untouched);
  }
}

TEST(FoldBatchNorm, IntoConvolutionsBefore) {
  GraphBuilder b(3);
  const Attrs same = Attrs().set("padding", "same").set("stride_h", int64_t{2});
  ValueId x = b.batch_norm(b.node("conv2d", {b.input({2, 7, 5, 3}), b.weights({4, 3, 2, 3}), b.weights({4})}, same));
  x = b.node("relu", {x});
  x = b.batch_norm(b.node("depthwise_conv2d", {x, b.weights({1, 3, 3, 4})}, same));
  x = b.batch_norm(b.node("conv2d", {b.node("relu6", {x}), b.weights({6, 1, 1, 4})}));
  const Graph graph = b.finish({x});
  const auto result = fold_batch_norm(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(count_ops(*result, "batch_norm"), 0);
  expect_same_outputs(graph, *result);
}

TEST(FoldBatchNorm, SharedWeightsStayAsTheyWere) {
  GraphBuilder b(4);
  const ValueId shared = b.weights({4, 4}), x = b.input({2, 4});
  const ValueId left = b.batch_norm(b.node("fully_connected", {x, shared}));
  const ValueId right = b.node("fully_connected", {x, shared});
  const Graph graph = b.finish({b.node("add", {left, right})});
  const auto result = fold_batch_norm(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  expect_same_outputs(graph, *result);
}

TEST(FoldBatchNorm, IntoOpsAfter) {
  GraphBuilder b(5);
  ValueId x = b.batch_norm(b.input({2, 6, 5, 3}));
  x = b.node("relu", {b.node("conv2d", {x, b.weights({4, 3, 3, 3})}, Attrs().set("padding", "valid"))});
  x = b.node("depthwise_conv2d", {b.batch_norm(x), b.weights({1, 2, 2, 8}), b.weights({8})},
             Attrs().set("padding", "valid").set("depth_multiplier", int64_t{2}));
  x = b.batch_norm(b.node("relu", {x}));
  x = b.node("reshape", {x}, Attrs().set("shape", std::vector<int64_t>{-1, 3 * 2 * 8}));
  const Graph graph = b.finish({b.node("fully_connected", {x, b.weights({5, 3 * 2 * 8}), b.weights({5})})});
  const auto result = fold_batch_norm(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(count_ops(*result, "batch_norm"), 0);
  expect_same_outputs(graph, *result);
}

TEST(FoldBatchNorm, RefusesWhatIsNotExact) {
  const auto expect_refused = [](const Graph& graph, std::string_view layer) {
    const auto result = fold_batch_norm(graph);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::unsupported);
    EXPECT_EQ(result.error().where, layer);
    EXPECT_FALSE(result.error().hint.empty());
  };
  {
    GraphBuilder b(6);  // zero padding after the shift
    const ValueId x = b.batch_norm(b.input({1, 4, 4, 2}));
    expect_refused(b.finish({b.node("conv2d", {x, b.weights({3, 3, 3, 2})}, Attrs().set("padding", "same"))}),
                   "batch_norm_0");
  }
  {
    GraphBuilder b(7);  // another reader needs the output before it
    const ValueId x = b.node("fully_connected", {b.input({1, 4}), b.weights({3, 4})});
    expect_refused(b.finish({b.batch_norm(x), x}), "batch_norm_1");
  }
  {
    GraphBuilder b(8);  // an activation stands between
    const ValueId x =
        b.node("fully_connected", {b.input({1, 4}), b.weights({3, 4})}, Attrs().set("activation", "relu"));
    expect_refused(b.finish({b.node("softmax", {b.batch_norm(x)})}), "batch_norm_1");
  }
}

TEST(FuseActivation, IntoEveryOpThatHasIt) {
  GraphBuilder b(9);
  ValueId x = b.node("relu6", {b.node("conv2d", {b.input({1, 6, 6, 2}), b.weights({4, 3, 3, 2}, -3, 3)})});
  x = b.node("relu", {b.node("max_pool2d", {x}, Attrs().set("window_h", int64_t{2}).set("window_w", int64_t{2}))});
  x = b.node("relu", {b.node("add", {x, x})});
  x = b.node("relu", {b.node("fully_connected", {x, b.weights({5, 36}), b.weights({5})})});
  const Graph graph = b.finish({x});
  const auto result = fuse_activation(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  ASSERT_EQ(result->nodes.size(), 4u);
  EXPECT_EQ(result->nodes[0].attrs.word("activation"), "relu6");
  EXPECT_EQ(result->nodes[3].attrs.word("activation"), "relu");
  EXPECT_EQ((*result)[result->outputs[0]].name, graph[graph.outputs[0]].name);
  expect_same_outputs(graph, *result);
}

TEST(FuseActivation, LeavesWhatOthersReadAndWhatIsTaken) {
  GraphBuilder b(10);
  const ValueId shared = b.node("fully_connected", {b.input({2, 4}), b.weights({3, 4})});
  const ValueId twice = b.node("relu6", {b.node("relu", {b.node("fully_connected", {shared, b.weights({3, 3})})})});
  const ValueId pooled = b.node("relu", {b.node("softmax", {b.node("relu", {shared})})});
  const Graph graph = b.finish({shared, twice, pooled});
  const auto result = fuse_activation(graph);
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(count_ops(*result, "relu"), 2);
  EXPECT_EQ(count_ops(*result, "relu6"), 1);
  expect_same_outputs(graph, *result);
}

}  // namespace
}  // namespace thimble::test
