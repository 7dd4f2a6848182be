// What the generic cases of moving operators cannot say: bytes that follow TFLite Micro rather than the real numbers,
// indices outside their axis, and how copies become kernel calls.
#include "ops/movement.h"

#include <gtest/gtest.h>

#include "device/kernels/gather.h"
#include "graph/builder.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// A graph of one node with int8 input and output.
Graph int8_node(const OpSpec& op, Shape shape, Attrs attrs) {
  GraphBuilder builder("one");
  const Quantization q{{0.5f}, {7}};
  const ValueId input = builder.input("x", {DType::i8, std::move(shape)}, q);
  const ValueId output = builder.node(op, "node", {input}, std::move(attrs)).value()[0];
  builder.graph()[output].quantization = q;
  builder.output(output);
  return builder.finish().value();
}

}  // namespace

TEST(Movement, PadsWithTheZeroPointButBlocksWithTheNumberZero) {
  using Integers = std::vector<int64_t>;
  const Graph padded = int8_node(ops::pad(), {1, 2}, Attrs().set("paddings", Integers{0, 0, 1, 1}));
  EXPECT_EQ((*run_kernels(padded, {bytes_of<int8_t>({1, 2})}))[0], bytes_of<int8_t>({7, 1, 2, 7}));
  const Graph blocks = int8_node(ops::space_to_batch_nd(), {1, 2, 1},
                                 Attrs().set("block_shape", Integers{2}).set("paddings", Integers{1, 1}));
  EXPECT_EQ((*run_kernels(blocks, {bytes_of<int8_t>({1, 2})}))[0], bytes_of<int8_t>({0, 2, 1, 0}));
}

TEST(Movement, ConcatenationWantsOneScale) {
  GraphBuilder builder("one");
  const ValueId a = builder.input("a", {DType::i8, {1, 2}}, {{0.5f}, {0}});
  const ValueId b = builder.input("b", {DType::i8, {1, 2}}, {{0.25f}, {0}});
  const ValueId output =
      builder.node(ops::concatenation(), "joined", {a, b}, Attrs().set("axis", int64_t{1})).value()[0];
  builder.graph()[output].quantization = {{0.5f}, {0}};
  builder.output(output);
  const Graph graph = builder.finish().value();
  const auto calls = (*ops::concatenation().lower)({graph, graph.nodes[0], "portable"});
  ASSERT_FALSE(calls);
  EXPECT_EQ(calls.error().code, ErrorCode::unsupported);
  EXPECT_EQ(calls.error().where, "joined");
}

TEST(Movement, IndicesOutsideTheirAxisGiveZeros) {
  const float input[] = {1, 2, 3, 4};
  const int16_t narrow[] = {1, 2, -1};
  const int64_t wide[] = {1, (int64_t{1} << 32) + 1, INT64_MIN};
  for (const auto& [indices, bytes] : {std::pair<const void*, int32_t>{narrow, 2}, {wide, 8}}) {
    float output[6] = {9, 9, 9, 9, 9, 9};
    device::gather({1, 1, 3, 1, 8, bytes, 2, 1, 1, 1, 1, 1, 8, 8, 8, 8, 8, 8}, input, indices, output);
    EXPECT_EQ(std::vector<float>(output, output + 6), (std::vector<float>{3, 4, 0, 0, 0, 0}));
  }
}

TEST(Movement, ConstantIndicesOutsideTheirAxisAreRefused) {
  GraphBuilder builder("one");
  const ValueId input = builder.input("x", {DType::f32, {2, 3}});
  const ValueId indices = builder.constant("i", Tensor::from<int32_t>({2}, std::vector<int32_t>{0, 3}));
  const ValueId output =
      builder.node(ops::gather(), "picked", {input, indices}, Attrs().set("axis", int64_t{1})).value()[0];
  builder.output(output);
  const Graph graph = builder.finish().value();
  const auto calls = (*ops::gather().lower)({graph, graph.nodes[0], "portable"});
  ASSERT_FALSE(calls);
  EXPECT_EQ(calls.error().where, "picked");
}

TEST(Movement, SlicesAtAPlaceThatIsComputed) {
  GraphBuilder builder("one");
  const ValueId input = builder.input("x", {DType::i16, {3, 4}});
  const ValueId begin = builder.input("begin", {DType::i64, {2}});
  const ValueId output =
      builder.node(ops::slice(), "part", {input, begin}, Attrs().set("size", std::vector<int64_t>{2, 2})).value()[0];
  builder.output(output);
  const Graph graph = builder.finish().value();
  const auto data = bytes_of<int16_t>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  EXPECT_EQ((*run_kernels(graph, {data, bytes_of<int64_t>({1, 1})}))[0], bytes_of<int16_t>({5, 6, 9, 10}));
  // Moved inside.
  EXPECT_EQ((*run_kernels(graph, {data, bytes_of<int64_t>({-5, INT64_MAX})}))[0], bytes_of<int16_t>({2, 3, 6, 7}));
}

TEST(Movement, NeighboursAreMovedTogether) {
  const auto calls = [](const ops::Copy& copy, DType dtype) { return copy_calls(copy, dtype, 0, 1); };
  const ops::Copy all = ops::whole({2, 6, 4});
  EXPECT_EQ(calls(all, DType::i8)[0].kernel, "strided_copy_b32");
  EXPECT_EQ(calls(all, DType::i16)[0].kernel, "strided_copy_b32");
  EXPECT_EQ(calls(all, DType::i64)[0].kernel, "strided_copy_b64");
  ops::Copy odd = all;
  odd.to = 1;
  EXPECT_EQ(calls(odd, DType::i8)[0].kernel, "strided_copy_b8");
  // Axes that lie together become one; seven that do not take a call for each index of the first.
  EXPECT_EQ(ops::simplified({0, 0, {2, 1, 6, 4}, {24, 24, 4, 1}, {24, 24, 4, 1}}).extents, Shape{48});
  const ops::Copy scattered{0, 0, {3, 2, 2, 2, 2, 2, 2}, {64, 1, 2, 4, 8, 16, 32}, {64, 32, 16, 8, 4, 2, 1}};
  EXPECT_EQ(calls(scattered, DType::f32).size(), 3u);
}

}  // namespace thimble::test
