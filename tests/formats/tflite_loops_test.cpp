// WHILE: written out when its rounds are constant, refused when they are not.
#include <gtest/gtest.h>

#include "formats/tflite/tflite.h"
#include "formats/tflite_maker.h"
#include "plan/session.h"

using namespace thimble;
using namespace thimble::test;

namespace {

using Bytes = std::vector<uint8_t>;

MadeTensor number(std::string name) { return {std::move(name), {}, tflite::TensorType_INT32}; }
MadeTensor constant_number(std::string name, int32_t value) {
  return {std::move(name), {}, tflite::TensorType_INT32, bytes_of(std::vector<int32_t>{value})};
}

// for (i = first; i < 3; ++i) y = y + y. The first is a constant, or an input of the model.
Bytes doubling(bool constant_first, int32_t body = 2, int32_t step = 1) {
  const MadeTensor real{"y", {2}}, flag{"more", {}, tflite::TensorType_BOOL};
  const auto options = [body](flatbuffers::FlatBufferBuilder& builder) {
    return tflite::CreateWhileOptions(builder, 1, body).Union();
  };
  const MadeSubgraph main{
      {real, constant_first ? constant_number("i", 0) : number("i"), number("last"), real},
      {{tflite::BuiltinOperator_WHILE, {1, 0}, {2, 3}, tflite::BuiltinOptions_WhileOptions, options}},
      constant_first ? std::vector<int32_t>{0} : std::vector<int32_t>{0, 1},
      {3}};
  const MadeSubgraph condition{
      {number("i"), real, constant_number("end", 3), flag}, {{tflite::BuiltinOperator_LESS, {0, 2}, {3}}}, {0, 1}, {3}};
  const MadeSubgraph loop{{number("i"), real, constant_number("step", step), number("next"), real},
                          {{tflite::BuiltinOperator_ADD, {0, 2}, {3}}, {tflite::BuiltinOperator_ADD, {1, 1}, {4}}},
                          {0, 1},
                          {3, 4}};
  return make_tflite({main, condition, loop});
}

void expect_refused(const Bytes& file, std::string_view says) {
  const auto graph = read_tflite(file);
  ASSERT_FALSE(graph);
  EXPECT_NE(to_string(graph.error()).find(says), std::string::npos) << to_string(graph.error());
}

}  // namespace

TEST(TfliteLoops, ConstantRoundsAreWrittenOut) {
  const auto graph = read_tflite(doubling(true));
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(graph->nodes.size(), 3u) << "the counter folds";
  Session session = Session::make(make_plan(*graph, {}).value()).value();
  const std::vector<float> input = {1, -3}, expected = {8, -24};
  std::memcpy(session.input().data(), input.data(), session.input().size());
  session.invoke();
  EXPECT_EQ(std::memcmp(session.output().data(), expected.data(), session.output().size()), 0);
}

TEST(TfliteLoops, OthersAreRefused) {
  expect_refused(doubling(false), "depends on the input");
  expect_refused(doubling(true, 7), "subgraph 7 of 3");
  expect_refused(doubling(true, 0), "subgraph 0 of 3");
  expect_refused(doubling(true, 2, 0), "more than 1024 rounds");
}

// The numbers of a subgraph's tensors are none of the graph's values: the operator's output is tensor 300 of the body.
TEST(TfliteLoops, AShapeThatIsComputedInsideTheBody) {
  const auto options = [](flatbuffers::FlatBufferBuilder& builder) {
    return tflite::CreateWhileOptions(builder, 1, 2).Union();
  };
  const MadeTensor real{"y", {2}}, flag{"more", {}, tflite::TensorType_BOOL};
  const MadeSubgraph main{
      {real, constant_number("i", 0), number("last"), real},
      {{tflite::BuiltinOperator_WHILE, {1, 0}, {2, 3}, tflite::BuiltinOptions_WhileOptions, options}},
      {0},
      {3}};
  const MadeSubgraph condition{
      {number("i"), real, constant_number("end", 3), flag}, {{tflite::BuiltinOperator_LESS, {0, 2}, {3}}}, {0, 1}, {3}};
  MadeSubgraph loop{
      {number("i"), real}, {{tflite::BuiltinOperator_TRANSPOSE_CONV, {1, 1, 1}, {300}}}, {0, 1}, {0, 300}};
  loop.tensors.resize(301, real);
  expect_refused(make_tflite({main, condition, loop}), "output_shape");
}
