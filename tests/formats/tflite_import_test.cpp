// What importing .tflite files of other makers takes, and what it refuses: types, packed weights, variables, ports.
#include <gtest/gtest.h>

#include "formats/tflite/tflite.h"
#include "formats/tflite_maker.h"
#include "ops/ops.h"
#include "plan/session.h"

using namespace thimble;
using namespace thimble::test;

namespace {

using tflite::BuiltinOperator_ADD;
using tflite::BuiltinOperator_DEQUANTIZE;
using Bytes = std::vector<uint8_t>;

Graph read(const Bytes& file) {
  auto graph = read_tflite(file);
  EXPECT_TRUE(graph) << to_string(graph.error());
  return graph ? *graph : Graph{};
}

void expect_refused(const Bytes& file, std::string_view says) {
  const auto graph = read_tflite(file);
  ASSERT_FALSE(graph);
  EXPECT_NE(to_string(graph.error()).find(says), std::string::npos) << to_string(graph.error());
}

// Outputs of one inference after another, in one session.
Bytes run(const Graph& graph, const Bytes& inputs) {
  const auto plan = make_plan(graph, {});
  EXPECT_TRUE(plan) << to_string(plan.error());
  if (!plan) return {};
  auto session = Session::make(*plan);
  EXPECT_TRUE(session) << to_string(session.error());
  Bytes outputs;
  for (size_t at = 0; at < inputs.size();) {
    for (size_t i = 0; i < plan->inputs.size(); ++i) {
      const auto to = session->input(i);
      std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(at), to.size(), to.begin());
      at += to.size();
    }
    session->invoke();
    for (size_t i = 0; i < plan->outputs.size(); ++i)
      outputs.insert(outputs.end(), session->output(i).begin(), session->output(i).end());
  }
  return outputs;
}

void expect_rewrites(const Bytes& file, const Bytes& inputs) {
  const Graph graph = read(file);
  const TfliteInfo info = read_tflite_info(file).value();
  const auto written = write_tflite(graph, {.info = info});
  ASSERT_TRUE(written) << to_string(written.error());
  const Graph again = read(*written);
  EXPECT_EQ(read_tflite_info(*written).value(), info);
  EXPECT_EQ(write_tflite(again, {.info = info}).value(), *written);
  EXPECT_EQ(run(again, inputs), run(graph, inputs));
}

MadeTensor real(std::string name, std::vector<int32_t> shape) { return {std::move(name), std::move(shape)}; }
MadeTensor constant(std::string name, std::vector<int32_t> shape, const std::vector<float>& data) {
  return {std::move(name), std::move(shape), tflite::TensorType_FLOAT32, bytes_of(data)};
}

}  // namespace

TEST(TfliteImport, Float16WeightsBecomeFloat32) {
  // 1, -2, 0.5, the smallest half, 65504.
  const std::vector<uint16_t> halves = {0x3C00, 0xC000, 0x3800, 0x0001, 0x7BFF};
  const Bytes file = make_tflite({{{real("x", {1, 5}),
                                    {"w16", {1, 5}, tflite::TensorType_FLOAT16, bytes_of(halves)},
                                    real("w", {1, 5}),
                                    real("y", {1, 5})},
                                   {{BuiltinOperator_DEQUANTIZE, {1}, {2}}, {BuiltinOperator_ADD, {0, 2}, {3}}},
                                   {0},
                                   {3}}});
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(run(graph, bytes_of(std::vector<float>(5, 0.0f))),
            bytes_of(std::vector<float>{1, -2, 0.5f, std::ldexp(1.0f, -24), 65504}));
  expect_rewrites(file, bytes_of(std::vector<float>{1, 2, 3, 4, 5}));
}

TEST(TfliteImport, QuantisedConstantsBeforeFloatOperators) {
  const std::vector<int8_t> weights = {-128, 0, 127};
  const auto with_scales = [&](std::vector<float> scale, std::vector<int64_t> zero) {
    return make_tflite({{{real("x", {3}),
                          {"w8", {3}, tflite::TensorType_INT8, bytes_of(weights), std::move(scale), std::move(zero)},
                          real("w", {3}),
                          real("y", {3})},
                         {{BuiltinOperator_DEQUANTIZE, {1}, {2}}, {BuiltinOperator_ADD, {0, 2}, {3}}},
                         {0},
                         {3}}});
  };
  EXPECT_EQ(run(read(with_scales({0.5f}, {10})), bytes_of(std::vector<float>(3, 0.0f))),
            bytes_of(std::vector<float>{-69, -5, 58.5f}));
  EXPECT_EQ(run(read(with_scales({0.5f, 0.25f, 1}, {0, 8, -1})), bytes_of(std::vector<float>(3, 0.0f))),
            bytes_of(std::vector<float>{-64, -2, 128}));
  expect_refused(with_scales({}, {}), "0 scales before DEQUANTIZE");
}

TEST(TfliteImport, Int4WeightsAreUnpackedAndPackedAgain) {
  // Three channels of five: an odd number, so that one half byte is left.
  const Bytes packed = {0x21, 0x43, 0x85, 0x7F, 0x0F, 0xCE, 0x98, 0x0A};
  const std::vector<int8_t> unpacked = {1, 2, 3, 4, 5, -8, -1, 7, -1, 0, -2, -4, -8, -7, -6};
  const Bytes file = make_tflite({{{{"x", {1, 5}, tflite::TensorType_INT8, {}, {0.5f}, {3}},
                                    {"w", {3, 5}, tflite::TensorType_INT4, packed, {0.1f, 0.2f, 0.3f}, {0, 0, 0}},
                                    {"y", {1, 3}, tflite::TensorType_INT8, {}, {0.25f}, {-4}}},
                                   {{tflite::BuiltinOperator_FULLY_CONNECTED, {0, 1, -1}, {2}}},
                                   {0},
                                   {2}}});
  const Graph graph = read(file);
  const Value& weights = graph[graph.nodes[0].inputs[1]];
  EXPECT_EQ(weights.stored_bits, 4);
  EXPECT_TRUE(std::ranges::equal(weights.constant->as<int8_t>(), unpacked));
  const Bytes written = write_tflite(graph).value();
  const auto& model = *tflite::GetModel(written.data());
  const auto& stored = *model.subgraphs()->Get(0)->tensors()->Get(1);
  EXPECT_EQ(stored.type(), tflite::TensorType_INT4);
  EXPECT_TRUE(std::ranges::equal(*model.buffers()->Get(stored.buffer())->data(), packed));
  expect_rewrites(file, {1, 2, 3, 4, 5, 250, 128, 127, 0, 9});
}

TEST(TfliteImport, PortsMayBeTheSameTensorOrAConstant) {
  const Bytes file = make_tflite({{{real("x", {2}), constant("c", {2}, {5, 6}), real("y", {2})},
                                   {{BuiltinOperator_ADD, {0, 1}, {2}}},
                                   {0},
                                   {2, 0, 1, 2}}});
  const Graph graph = read(file);
  EXPECT_EQ(run(graph, bytes_of(std::vector<float>{1, 2})), bytes_of(std::vector<float>{6, 8, 1, 2, 5, 6, 6, 8}));
  expect_rewrites(file, bytes_of(std::vector<float>{1, 2, 3, 4}));
}

TEST(TfliteImport, AModelWithoutOperators) {
  const Bytes file = make_tflite({{{real("x", {2})}, {}, {0}, {0}}});
  expect_rewrites(file, bytes_of(std::vector<float>{1, 2, 3, 4}));
}

TEST(TfliteImport, NamelessTensorsGetNames) {
  const Bytes file = make_tflite({{{real("", {2}), real("", {2})}, {{BuiltinOperator_ADD, {0, 0}, {1}}}, {0}, {1}}});
  const Graph graph = read(file);
  EXPECT_EQ(graph[graph.inputs[0]].name, "tensor_0");
  EXPECT_EQ(graph[graph.outputs[0]].name, "tensor_1");
  expect_rewrites(file, bytes_of(std::vector<float>{1, 2}));
}

TEST(TfliteImport, ScalarsAndUnusedTensors) {
  const Bytes file = make_tflite(
      {{{real("x", {}), real("nobody", {7}), real("y", {})}, {{BuiltinOperator_ADD, {0, 0}, {2}}}, {0}, {2}}});
  EXPECT_EQ(run(read(file), bytes_of(std::vector<float>{21})), bytes_of(std::vector<float>{42}));
  expect_rewrites(file, bytes_of(std::vector<float>{1}));
}

TEST(TfliteImport, KeepsSignatures) {
  const auto signatures = [](std::vector<MadeSignature> list) {
    return make_tflite(
        {{{real("x", {2}), real("z", {2}), real("y", {2})}, {{BuiltinOperator_ADD, {0, 1}, {2}}}, {0, 1}, {2}}}, list);
  };
  const MadeSignature one = {"serving", {{"b", 1}, {"a", 0}}, {{"sum", 2}}},
                      two = {"other", {{"first", 0}}, {{"out", 2}}};
  for (const auto& list : {std::vector<MadeSignature>{}, {one}, {one, two}}) {
    const Bytes file = signatures(list);
    ASSERT_EQ(read_tflite_info(file).value().signatures->size(), list.size());
    expect_rewrites(file, bytes_of(std::vector<float>{1, 2, 3, 4}));
  }
  const TfliteSignature read = read_tflite_info(signatures({one})).value().signatures->at(0);
  EXPECT_EQ(read, (TfliteSignature{"serving", {{"b", 1}, {"a", 0}}, {{"sum", 0}}}));
}

TEST(TfliteImport, WholeNumbersMayCarryAScaleOfZero) {
  MadeTensor x{"x", {2}, tflite::TensorType_INT32, {}, {0}, {0}};
  MadeTensor y = x;
  const Bytes file = make_tflite({{{x, y},
                                   {{tflite::BuiltinOperator_RESHAPE,
                                     {0},
                                     {1},
                                     tflite::BuiltinOptions_ReshapeOptions,
                                     [](FlatBufferBuilder& b) {
                                       const std::vector<int32_t> shape = {2};
                                       return tflite::CreateReshapeOptionsDirect(b, &shape).Union();
                                     }}},
                                   {0},
                                   {1}}});
  EXPECT_TRUE(read(file)[0].quantization.empty());
  expect_rewrites(file, bytes_of(std::vector<int32_t>{1, 2}));
}

TEST(TfliteImport, RefusesWithTheRemedyThatFits) {
  const auto with = [](MadeOperator op) {
    return make_tflite({{{real("x", {2}), real("y", {2})}, {std::move(op)}, {0}, {1}}});
  };
  expect_refused(with({tflite::BuiltinOperator_IF, {0}, {1}}), "without branches and loops");
  expect_refused(with({tflite::BuiltinOperator_WHILE, {0}, {1}}), "carries no options");
  expect_refused(
      with({.code = tflite::BuiltinOperator_CUSTOM, .inputs = {0}, .outputs = {1}, .custom = "SignalWindow"}),
      "thimble's own signal chain");
  expect_refused(with({.code = tflite::BuiltinOperator_CUSTOM, .inputs = {0}, .outputs = {1}, .custom = "FlexErf"}),
                 "SELECT_TF_OPS");
  expect_refused(with({.code = tflite::BuiltinOperator_CUSTOM, .inputs = {0}, .outputs = {1}, .custom = "Mine"}),
                 "CUSTOM (Mine)");
  expect_refused(with({tflite::BuiltinOperator_READ_VARIABLE, {0}, {1}}), "operator 0");
  expect_refused(make_tflite({{{real("x", {0, 2})}, {}, {0}, {0}}}), "holds no element");
  expect_refused(make_tflite({{{{"x", {2}, tflite::TensorType_INT4}}, {}, {0}, {0}}}), "int4 activations");
  expect_refused(make_tflite({{{{"x", {2}, tflite::TensorType_FLOAT16}}, {}, {0}, {0}}}), "FLOAT16");
}

namespace {

// A running sum: state + x, kept for the next inference. initial: what an init subgraph assigns; empty: no CALL_ONCE.
Bytes running_sum(const std::vector<float>& initial) {
  const MadeTensor handle{"handle", {}, tflite::TensorType_RESOURCE};
  MadeSubgraph main{{real("x", {1, 2}), handle, real("before", {1, 2}), real("after", {1, 2}), handle}, {}, {0}, {3}};
  if (!initial.empty()) main.operators.push_back(call_once(1));
  main.operators.push_back(var_handle("sum", 1));
  main.operators.push_back({tflite::BuiltinOperator_READ_VARIABLE, {1}, {2}});
  main.operators.push_back({BuiltinOperator_ADD, {0, 2}, {3}});
  main.operators.push_back(var_handle("sum", 4));
  main.operators.push_back({tflite::BuiltinOperator_ASSIGN_VARIABLE, {4, 3}, {}});
  if (initial.empty()) return make_tflite({main});
  const MadeSubgraph init{{handle, constant("first", {1, 2}, initial)},
                          {var_handle("sum", 0), {tflite::BuiltinOperator_ASSIGN_VARIABLE, {0, 1}, {}}},
                          {},
                          {}};
  return make_tflite({main, init});
}

}  // namespace

TEST(TfliteImport, VariablesBehindHandlesAreState) {
  const Bytes inputs = bytes_of(std::vector<float>{1, 2, 10, 20, 100, 200});
  EXPECT_EQ(run(read(running_sum({})), inputs), bytes_of(std::vector<float>{1, 2, 11, 22, 111, 222}));
  EXPECT_EQ(run(read(running_sum({0.5f, -3})), inputs), bytes_of(std::vector<float>{1.5f, -1, 11.5f, 19, 111.5f, 219}));
  expect_rewrites(running_sum({}), inputs);
  expect_rewrites(running_sum({0.5f, -3}), inputs);
  const Graph graph = read(running_sum({1, 2}));
  EXPECT_EQ(graph[graph.nodes[0].inputs[0]].name, "sum");
}

TEST(TfliteImport, InitialisationThatWouldHaveToBeComputedIsRefused) {
  const MadeTensor handle{"handle", {}, tflite::TensorType_RESOURCE};
  const auto with = [&](std::vector<MadeOperator> init) {
    return make_tflite({{{real("x", {2}), handle, real("y", {2})},
                         {call_once(1), var_handle("v", 1), {tflite::BuiltinOperator_READ_VARIABLE, {1}, {2}}},
                         {0},
                         {2}},
                        {{handle, constant("c", {2}, {1, 2}), real("d", {2})}, std::move(init), {}, {}}});
  };
  expect_refused(with({var_handle("v", 0), {BuiltinOperator_ADD, {1, 1}, {2}}}), "runs ADD");
  expect_refused(with({var_handle("v", 0), {tflite::BuiltinOperator_ASSIGN_VARIABLE, {2, 1}, {}}}),
                 "runs ASSIGN_VARIABLE");
  expect_refused(with({call_once(1)}), "runs CALL_ONCE");
  expect_refused(make_tflite({{{real("x", {2})}, {call_once(3)}, {0}, {0}}}), "subgraph 3 of 1");
  expect_refused(make_tflite({{{real("x", {2})}, {call_once(0)}, {0}, {0}}}), "subgraph 0 of 1");
}

// State is of the size its type says, with no data in the file that would have to be as large.
TEST(TfliteImport, StateLargerThanAnyFileIsRefused) {
  MadeTensor state = real("state", {(1 << 29) - 1});
  state.variable = true;
  expect_refused(
      make_tflite({{{real("x", {1}), state, real("y", {1})}, {{BuiltinOperator_ADD, {0, 1}, {2}}}, {0}, {2}}}),
      "state [536870911]");
  const MadeTensor handle{"handle", {}, tflite::TensorType_RESOURCE};
  expect_refused(make_tflite({{{real("x", {1}), handle, real("y", {(1 << 29) - 1})},
                               {var_handle("v", 1), {tflite::BuiltinOperator_READ_VARIABLE, {1}, {2}}},
                               {0},
                               {2}}}),
                 "state [536870911]");
}
