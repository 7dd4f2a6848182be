// A plan gives what its kernels give: sharing memory between values changes no byte of any output.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ops/ops.h"
#include "plan/bands.h"
#include "plan/session.h"
#include "random_graph.h"

using namespace thimble;
using namespace thimble::test;

namespace {

void expect_plan_gives_direct_results(const Graph& graph, const Plan& plan, uint64_t seed) {
  EXPECT_TRUE(verify(plan));
  EXPECT_GE(plan.arena_bytes, plan.lower_bound_bytes);
  auto session = Session::make(plan);
  ASSERT_TRUE(session) << to_string(session.error());
  const ValueBytes inputs = random_inputs(graph, seed);
  const ValueBytes expected = run_directly(graph, inputs);
  for (int repetition = 0; repetition < 2; ++repetition) {
    for (size_t i = 0; i < graph.inputs.size(); ++i)
      std::ranges::copy(inputs.at(graph.inputs[i]), session->input(i).begin());
    session->invoke();
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const auto output = session->output(i);
      EXPECT_TRUE(std::ranges::equal(output, expected.at(graph.outputs[i])))
          << "output " << i << " of graph " << seed << ", run " << repetition;
    }
  }
}

void expect_session_gives_direct_results(const Graph& graph, uint64_t seed, const PlanOptions& options = {}) {
  const auto plan = make_plan(graph, options);
  ASSERT_TRUE(plan) << to_string(plan.error());
  expect_plan_gives_direct_results(graph, *plan, seed);
}

const ArenaTensor& tensor_named(const Plan& plan, const std::string& name) {
  return *std::ranges::find(plan.tensors, name, &ArenaTensor::name);
}

}  // namespace

TEST(Plan, RandomGraphsGiveWhatDirectKernelCallsGive) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Graph graph = GraphMaker::random(seed, 3 + seed % 25);
    ASSERT_TRUE(verify(graph));
    expect_session_gives_direct_results(graph, seed);
  }
}

TEST(Plan, OutputsOverInputsChangeNoByte) {
  int smaller = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const Graph graph = GraphMaker::random_images(seed, 2 + seed % 12);
    ASSERT_TRUE(verify(graph)) << to_string(verify(graph).error());
    expect_session_gives_direct_results(graph, seed);
    const Plan over = make_plan(graph, {}).value(), apart = make_plan(graph, {.overlap = false}).value();
    EXPECT_LE(over.arena_bytes, apart.arena_bytes) << seed;
    smaller += over.arena_bytes < apart.arena_bytes;
  }
  EXPECT_GT(smaller, 100);
}

TEST(Plan, BandsOfRowsChangeNoByteAndTakeLessMemory) {
  int banded = 0, smaller = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    const Graph graph = GraphMaker::random_images(seed, 3 + seed % 10);
    const PlanOptions options{.isa = seed % 2 ? "arm_dsp" : "portable", .optimize = Optimize::ram};
    expect_session_gives_direct_results(graph, seed, options);
    const Plan least = make_plan(graph, options).value();
    const Plan plan = make_plan(graph, {.isa = options.isa}).value();
    EXPECT_LE(least.arena_bytes, plan.arena_bytes) << seed;
    EXPECT_EQ(least.macs, plan.macs) << seed;
    banded += !least.bands.empty();
    smaller += least.arena_bytes < plan.arena_bytes;
  }
  EXPECT_GT(banded, 20);
  EXPECT_GE(smaller, banded);
}

// Every group of layers and height of bands, not only those that pay.
TEST(Plan, EveryScheduleOfBandsGivesTheSameBytes) {
  int groups = 0;
  for (uint64_t seed = 500; seed < 530; ++seed) {
    const Graph graph = GraphMaker::random_images(seed, 5);
    const auto nodes = choose_forms(graph, {}).value();
    for (size_t first = 0; first < graph.nodes.size(); ++first)
      for (size_t last = first; last < graph.nodes.size(); ++last)
        for (const int64_t rows : {1, 2, 5}) {
          const auto schedule = schedule_bands(graph, {first, last, rows});
          if (!schedule) continue;
          ++groups;
          const auto plan = make_plan(graph, {}, nodes, std::span(&*schedule, 1));
          ASSERT_TRUE(plan) << to_string(plan.error());
          expect_plan_gives_direct_results(graph, *plan, seed);
        }
  }
  EXPECT_GT(groups, 100);
}

TEST(Plan, ABudgetOfRamIsKeptWithFewCalls) {
  GraphMaker maker(10);
  const ValueId wide = maker.conv2d(maker.input({1, 32, 32, 4}), 32, 3, 1);
  maker.graph.outputs = {maker.conv2d(maker.depthwise_conv2d(wide, 3, 2), 4, 1, 1)};
  const Plan free = make_plan(maker.graph, {}).value(),
             least = make_plan(maker.graph, {.optimize = Optimize::ram}).value();
  ASSERT_LT(2 * least.arena_bytes, free.arena_bytes);
  const int64_t budget = (free.arena_bytes + least.arena_bytes) / 2;
  const Plan kept = make_plan(maker.graph, {.ram_budget_bytes = budget}).value();
  EXPECT_LE(kept.arena_bytes, budget);
  EXPECT_LT(kept.calls.size(), least.calls.size());
  EXPECT_EQ(kept.bands.at(0).first, maker.graph.nodes[0].name);
  EXPECT_TRUE(make_plan(maker.graph, {.ram_budget_bytes = free.arena_bytes}).value().bands.empty());
}

TEST(Plan, AModelsOutputIsNeverOverwritten) {
  GraphMaker maker(9);
  const ValueId first = maker.conv2d(maker.input({1, 6, 6, 4}), 4, 3, 1);
  maker.graph.outputs = {maker.conv2d(first, 4, 3, 1), first};
  expect_session_gives_direct_results(maker.graph, 9);
}

TEST(Plan, ReshapesShareOneBlockFromInputToOutput) {
  GraphMaker maker(1);
  const ValueId input = maker.input({1, 24});
  const ValueId middle = maker.reshape(maker.reshape(input, {1, 4, 6}), {1, 24});
  maker.graph.outputs = {maker.reshape(middle, {1, 2, 12})};
  const auto plan = make_plan(maker.graph, {});
  ASSERT_TRUE(plan) << to_string(plan.error());
  EXPECT_TRUE(plan->calls.empty());
  EXPECT_EQ(plan->tensors.size(), 1u);
  EXPECT_EQ(plan->arena_bytes, 32);
  EXPECT_EQ(plan->inputs[0].arena_offset, plan->outputs[0].arena_offset);
  expect_session_gives_direct_results(maker.graph, 1);
}

TEST(Plan, ActivationRunsInPlaceOnlyWhenNobodyElseReadsItsInput) {
  GraphMaker alone(2);
  alone.graph.outputs = {alone.relu(alone.fully_connected(alone.input({1, 40}), 40))};
  const auto in_place = make_plan(alone.graph, {});
  ASSERT_TRUE(in_place);
  EXPECT_EQ(in_place->arena_bytes, 48 + 48);  // input and the layer; the activation takes the layer's memory

  GraphMaker shared(2);
  const ValueId layer = shared.fully_connected(shared.input({1, 40}), 40);
  shared.graph.outputs = {shared.add(layer, shared.fully_connected(shared.relu(layer), 40))};
  const auto apart = make_plan(shared.graph, {});
  ASSERT_TRUE(apart);
  EXPECT_EQ(apart->calls[1].op, "relu");
  EXPECT_NE(apart->calls[1].refs.front().offset, apart->calls[1].refs.back().offset);
  expect_session_gives_direct_results(shared.graph, 2);
}

TEST(Plan, OutputThatIsAlsoReadKeepsItsBytes) {
  GraphMaker maker(3);
  const ValueId first = maker.fully_connected(maker.input({1, 16}), 16);
  const ValueId second = maker.relu(first);
  maker.graph.outputs = {first, maker.fully_connected(second, 64), maker.input({1, 5})};
  expect_session_gives_direct_results(maker.graph, 3);
}

TEST(Plan, ValuesLiveUntilTheirLastReader) {
  GraphMaker maker(4);
  const ValueId input = maker.input({1, 8});
  const ValueId first = maker.fully_connected(input, 8);
  const ValueId second = maker.fully_connected(first, 8);
  maker.graph.outputs = {maker.add(second, first)};
  const auto plan = make_plan(maker.graph, {});
  ASSERT_TRUE(plan) << to_string(plan.error());
  EXPECT_EQ(tensor_named(*plan, maker.graph[input].name).last_call, 0);
  EXPECT_EQ(tensor_named(*plan, maker.graph[first].name).last_call, 2);
  EXPECT_EQ(ram_over_time(*plan).size(), 3u);
  EXPECT_LE(std::ranges::max(ram_over_time(*plan)), plan->lower_bound_bytes);
}

TEST(Plan, EqualConstantsAreStoredOnce) {
  GraphMaker maker(5);
  const ValueId input = maker.input({1, 32});
  const ValueId first = maker.fully_connected(input, 32);
  maker.graph[first].quantization = maker.graph[input].quantization;
  const ValueId second = maker.fully_connected(first, 32);
  maker.graph[second].quantization = maker.graph[input].quantization;
  maker.graph.outputs = {second};
  const auto different = make_plan(maker.graph, {});
  maker.graph.nodes[1].inputs[1] = maker.graph.nodes[0].inputs[1];
  const auto equal = make_plan(maker.graph, {});
  ASSERT_TRUE(different && equal);
  EXPECT_EQ(equal->calls[0].refs[1].offset, equal->calls[1].refs[1].offset);
  EXPECT_EQ(equal->constants.size(), static_cast<size_t>(equal->calls[0].weight_bytes));
  EXPECT_GT(different->constants.size(), equal->constants.size());
  EXPECT_EQ(equal->calls[0].refs[1].offset % 16, 0u);
  EXPECT_EQ(equal->macs, 2 * 32 * 32);
  expect_session_gives_direct_results(maker.graph, 5);
}

TEST(Plan, LayerWithoutKernelIsNamedWithItsReason) {
  GraphMaker maker(6);
  maker.graph.outputs = {maker.relu(maker.input({1, 4}))};
  OpSpec no_kernel = *maker.graph.nodes[0].op;
  no_kernel.lower = OptOut{"only for training"};
  maker.graph.nodes[0].op = &no_kernel;
  const auto plan = make_plan(maker.graph, {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
  EXPECT_EQ(plan.error().where, "relu0");
  EXPECT_NE(plan.error().message.find("only for training"), std::string::npos);
  EXPECT_FALSE(plan.error().hint.empty());
}

TEST(Plan, ImpossibleShapesAreErrorsNotCrashes) {
  for (const Shape& shape :
       {Shape{1, -1}, Shape{1, 0}, Shape{1, int64_t{1} << 40}, Shape{int64_t{1} << 32, int64_t{1} << 32}}) {
    GraphMaker maker(7);
    maker.graph.outputs = {maker.relu(maker.input(shape))};
    EXPECT_FALSE(make_plan(maker.graph, {})) << to_string(shape);
  }
}

TEST(Plan, VerifyFindsAPlanThatWasTamperedWith) {
  const Graph graph = GraphMaker::random(8, 12);
  const Plan plan = make_plan(graph, {}).value();
  Plan overlapping = plan;
  for (ArenaTensor& tensor : overlapping.tensors) tensor.offset = 0;
  EXPECT_FALSE(verify(overlapping));
  Plan promised = make_plan(GraphMaker::random_images(1, 6), {}).value();
  for (PlannedCall& call : promised.calls) call.call.overlap.reset();
  EXPECT_FALSE(verify(promised));
  Plan outside = plan;
  outside.calls[0].refs.back().offset += 16;
  EXPECT_FALSE(verify(outside));
  Plan short_constants = plan;
  short_constants.constants.resize(4);
  EXPECT_FALSE(verify(short_constants));
}

// A damaged file can make a layer's weights or bias flow instead of being constant.
TEST(Plan, ABiasMayFlowButMustHaveOneNumberPerChannel) {
  Graph graph;
  const auto value = [&](const char* name, const Shape& shape) {
    Value added;
    added.name = name;
    added.type.shape = shape;
    return graph.add(added);
  };
  const auto constant = [&](const char* name, const Shape& shape) {
    const ValueId id = value(name, shape);
    graph[id].constant = std::make_shared<Tensor>(Tensor::zeros(DType::f32, shape));
    return id;
  };
  graph.inputs = {value("x", {1, 3}), value("bias", {2})};
  graph.outputs = {value("y", {1, 2})};
  graph.nodes = {{.op = ops::find("fully_connected"),
                  .name = "layer",
                  .inputs = {graph.inputs[0], constant("weights", {2, 3}), graph.inputs[1]},
                  .outputs = graph.outputs}};
  EXPECT_TRUE(make_plan(graph, {}));
  graph.nodes[0].inputs[2] = constant("one number", {});
  const auto refused = make_plan(graph, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "layer");
  graph.nodes[0].inputs[2] = constant("bias of two", {2});
  EXPECT_TRUE(make_plan(graph, {}));
}
