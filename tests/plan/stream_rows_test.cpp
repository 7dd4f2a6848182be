// Streaming: one part of a window's rows after the other gives what the whole window gives.
#include "plan/stream_rows.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/rng.h"
#include "graph/builder.h"
#include "ops/ops.h"
#include "plan/session.h"

namespace thimble {

namespace {

Tensor drawn(Shape shape, uint64_t seed) {
  Tensor tensor{DType::f32, shape, std::vector<std::byte>(static_cast<size_t>(element_count(shape)) * sizeof(float))};
  Rng rng{seed};
  for (size_t i = 0; i < tensor.bytes.size(); i += sizeof(float)) {
    const auto value = static_cast<float>(rng.uniform(-1, 1));
    std::memcpy(&tensor.bytes[i], &value, sizeof(value));
  }
  return tensor;
}

struct Maker {
  GraphBuilder builder{"windows"};
  ValueId at;
  uint64_t seed = 1;

  explicit Maker(Shape input) : at(builder.input("frames", {DType::f32, std::move(input)})) {}
  Maker& add(const OpSpec& op, std::vector<ValueId> constants = {}, Attrs attrs = {}) {
    constants.insert(constants.begin(), at);
    at = builder.node(op, std::string(op.name), constants, std::move(attrs)).value()[0];
    return *this;
  }
  Maker& conv(Shape weights, int64_t stride = 1, int64_t dilation = 1, std::string padding = "valid") {
    const ValueId w = builder.constant("weights", drawn(weights, ++seed));
    return add(ops::conv2d(), {w},
               Attrs()
                   .set("padding", padding)
                   .set("stride_h", stride)
                   .set("dilation_h", dilation)
                   .set("activation", std::string("relu")));
  }
  Graph finish() {
    builder.output(at);
    return builder.finish().value();
  }
};

std::vector<uint8_t> infer(Session& session, std::span<const std::byte> input) {
  std::memcpy(session.input().data(), input.data(), session.input().size());
  session.invoke();
  return {session.output().begin(), session.output().end()};
}

// Every window of a recording, and the same recording streamed: what they answer once a whole window has come.
void expect_equal_to_windows(const Graph& graph, int64_t new_rows) {
  const auto streamed = stream_rows(graph);
  ASSERT_TRUE(streamed) << to_string(streamed.error());
  EXPECT_EQ(streamed->new_rows, new_rows);
  EXPECT_LT(count_macs(streamed->graph), count_macs(graph));
  Session whole = Session::make(make_plan(graph, {}).value()).value();
  Session parts = Session::make(make_plan(streamed->graph, {}).value()).value();
  const size_t row = whole.input().size() / static_cast<size_t>(streamed->window_rows);
  const size_t part = row * static_cast<size_t>(new_rows);
  const Tensor recording = drawn({streamed->window_rows * 3, static_cast<int64_t>(row / sizeof(float))}, 99);
  // Silence before it: the missing rows are zeros.
  std::vector<std::byte> padded(whole.input().size(), std::byte{0});
  padded.insert(padded.end(), recording.bytes.begin(), recording.bytes.end());
  for (size_t at = whole.input().size(); at + part <= padded.size(); at += part)
    ASSERT_EQ(infer(parts, std::span(padded).subspan(at, part)),
              infer(whole, std::span(padded).subspan(at + part - whole.input().size(), whole.input().size())))
        << "after " << (at + part - whole.input().size()) / row << " rows";
}

}  // namespace

TEST(StreamRows, WindowsOverRowsKeepWhatTheyNeed) {
  Maker maker({1, 20, 1, 6});
  maker.conv({8, 3, 1, 6}).conv({4, 1, 1, 8}).conv({4, 5, 1, 4}, 1, 2);
  maker.add(ops::relu6());
  expect_equal_to_windows(maker.finish(), 1);
}

TEST(StreamRows, StridesTakeSeveralNewRows) {
  Maker maker({1, 32, 3, 2});
  maker.conv({4, 4, 3, 2}, 2);
  maker.add(ops::max_pool2d(), {}, Attrs().set("padding", std::string("valid")).set("window_h", 3).set("stride_h", 2));
  expect_equal_to_windows(maker.finish(), 4);
}

TEST(StreamRows, WhatTakesAllRowsKeepsThemAll) {
  Maker maker({1, 12, 1, 4});
  maker.conv({8, 3, 1, 4});
  maker.add(ops::reshape(), {}, Attrs().set("shape", std::vector<int64_t>{1, 80}));
  const ValueId weights = maker.builder.constant("dense", drawn({3, 80}, 7));
  maker.add(ops::fully_connected(), {weights});
  expect_equal_to_windows(maker.finish(), 1);
}

TEST(StreamRows, RefusesPaddingAlongRows) {
  Maker maker({1, 12, 1, 4});
  const auto refused = stream_rows(maker.conv({8, 3, 1, 4}, 1, 1, "same").finish());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().where, "conv2d");
}

TEST(StreamRows, RefusesModelsWithoutRows) {
  Maker maker({1, 12});
  const ValueId weights = maker.builder.constant("dense", drawn({3, 12}, 7));
  EXPECT_FALSE(stream_rows(maker.add(ops::fully_connected(), {weights}).finish()));
}

}  // namespace thimble
