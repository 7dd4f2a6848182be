// Constant folding: what follows from constants and shapes alone is known before the model runs.
#include "graph/passes/fold_constants.h"

#include <gtest/gtest.h>

#include "graph/builder.h"
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble::test {
namespace {

using Integers = std::vector<int64_t>;

ValueId numbers(GraphBuilder& b, std::vector<int32_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return b.constant("numbers", Tensor::from<int32_t>({count}, values));
}

ValueId only(const Result<std::vector<ValueId>>& outputs) { return outputs.value().at(0); }

// The first extent of x, followed by -1, as converters write it.
ValueId batch_and_rest(GraphBuilder& b, ValueId x) {
  const ValueId shape = only(b.node(ops::shape(), "shape", {x}, Attrs().set("type", "int32")));
  const Attrs first = Attrs()
                          .set("begin", Integers{0})
                          .set("end", Integers{1})
                          .set("strides", Integers{1})
                          .set("shrink_axis_mask", int64_t{1});
  const ValueId batch = only(b.node(ops::strided_slice(), "batch", {shape}, first));
  const ValueId rest = b.constant("rest", Tensor::from<int32_t>({}, std::vector<int32_t>{-1}));
  return only(b.node(ops::pack(), "wanted", {batch, rest}, Attrs().set("axis", int64_t{0}).set("count", int64_t{2})));
}

}  // namespace

TEST(FoldConstants, ShapesThatAreComputed) {
  GraphBuilder b("model");
  const ValueId x = b.input("x", {DType::f32, {3, 4, 2}});
  const ValueId wanted = batch_and_rest(b, x);
  Graph& graph = b.graph();
  ASSERT_TRUE(fold_constants(graph));
  EXPECT_TRUE(graph.nodes.empty());
  ASSERT_TRUE(graph[wanted].constant);
  const auto values = graph[wanted].constant->as<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(values.begin(), values.end()), (std::vector<int32_t>{3, -1}));
}

TEST(FoldConstants, OneNodeAtATime) {
  GraphBuilder b("model");
  const ValueId x = b.input("x", {DType::f32, {3}});
  const ValueId turned =
      only(b.node(ops::reverse_v2(), "turned", {numbers(b, {1, 2, 3})}, Attrs().set("axes", Integers{0})));
  FoldBudget budget;
  EXPECT_TRUE(fold_node(b.graph(), b.graph().nodes.back(), budget));
  EXPECT_EQ(b[turned].constant->as<int32_t>()[0], 3);
  const ValueId flows = only(b.node(ops::reverse_v2(), "flows", {x}, Attrs().set("axes", Integers{0})));
  EXPECT_FALSE(fold_node(b.graph(), b.graph().nodes.back(), budget));
  EXPECT_FALSE(b[flows].constant);
}

TEST(FoldConstants, EndsWithItsBudget) {
  GraphBuilder b("model");
  const ValueId first =
      only(b.node(ops::reverse_v2(), "first", {numbers(b, {1, 2, 3})}, Attrs().set("axes", Integers{0})));
  FoldBudget budget{.bytes = 20};
  EXPECT_TRUE(fold_node(b.graph(), b.graph().nodes.back(), budget));
  EXPECT_EQ(budget.bytes, 8);
  const ValueId second = only(b.node(ops::reverse_v2(), "second", {first}, Attrs().set("axes", Integers{0})));
  EXPECT_FALSE(fold_node(b.graph(), b.graph().nodes.back(), budget));
  EXPECT_FALSE(b[second].constant);
}

TEST(FoldConstants, AnOutputOfTheModelIsStillWritten) {
  GraphBuilder b("model");
  b.input("x", {DType::f32, {3}});
  const ValueId turned =
      only(b.node(ops::reverse_v2(), "turned", {numbers(b, {1, 2})}, Attrs().set("axes", Integers{0})));
  const ValueId again = only(b.node(ops::reverse_v2(), "again", {turned}, Attrs().set("axes", Integers{0})));
  b.output(turned);
  ASSERT_TRUE(fold_constants(b.graph()));
  ASSERT_EQ(b.graph().nodes.size(), 1u);
  EXPECT_EQ(b.graph().nodes[0].name, "turned");
  EXPECT_EQ(b[again].constant->as<int32_t>()[0], 1);
  const auto finished = b.finish();
  EXPECT_TRUE(finished) << to_string(finished.error());
}

TEST(FoldConstants, WhatPreparesANodeSeesTheConstantsBeforeIt) {
  GraphBuilder b("model");
  const ValueId x = b.input("x", {DType::f32, {2, 3}});
  const ValueId wanted = batch_and_rest(b, x);
  b.output(only(b.node(ops::relu(), "last", {x})));
  bool known = false;
  ASSERT_TRUE(fold_constants(b.graph(), [&](Node& node) -> Outcome {
    if (node.name == "last") known = b[wanted].constant != nullptr;
    return {};
  }));
  EXPECT_TRUE(known);
  const auto refused =
      fold_constants(b.graph(), [](Node& node) -> Outcome { return fail(ErrorCode::unsupported, "no", node.name); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "last");
}

TEST(FoldConstants, LeavesWhatIsWrongToTheVerifier) {
  GraphBuilder b("model");
  b.input("x", {DType::f32, {3}});
  const ValueId turned =
      only(b.node(ops::reverse_v2(), "turned", {numbers(b, {1, 2})}, Attrs().set("axes", Integers{0})));
  Graph& graph = b.graph();
  graph[turned].type.shape = {5};
  graph.nodes[0].outputs.push_back(99);
  ASSERT_TRUE(fold_constants(graph));
  EXPECT_EQ(graph.nodes.size(), 1u);
  graph.nodes[0].outputs.pop_back();
  ASSERT_TRUE(fold_constants(graph));
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_FALSE(graph[turned].constant);
}

}  // namespace thimble::test
