// State: at the start of the arena, never anybody else's, kept from inference to inference until reset.
#include <gtest/gtest.h>

#include <algorithm>

#include "firmware/models.h"
#include "graph/kernel_table.h"
#include "plan/session.h"

using namespace thimble;
using namespace thimble::testing_models;

namespace {

std::vector<float> infer(Session& session, std::vector<float> input, size_t output = 0) {
  std::memcpy(session.input().data(), input.data(), session.input().size());
  session.invoke();
  std::vector<float> result(session.output(output).size() / sizeof(float));
  std::memcpy(result.data(), session.output(output).data(), session.output(output).size());
  return result;
}

}  // namespace

TEST(State, LiesAtTheStartAndNothingElseDoes) {
  const Plan plan = make_plan(running_sum(5), {}).value();
  EXPECT_EQ(plan.state_bytes, 32);  // 5 floats, aligned
  ASSERT_TRUE(plan.state_initial);
  int states = 0;
  for (const ArenaTensor& tensor : plan.tensors) {
    EXPECT_EQ(tensor.state, tensor.offset < plan.state_bytes) << tensor.name;
    if (!tensor.state) continue;
    ++states;
    EXPECT_EQ(tensor.first_call, 0);
    EXPECT_EQ(tensor.last_call, static_cast<int>(plan.calls.size()) - 1);
  }
  EXPECT_EQ(states, 1);
  EXPECT_GE(plan.lower_bound_bytes, plan.state_bytes);
}

TEST(State, SurvivesInferencesAndResetRestoresIt) {
  Session session = Session::make(make_plan(running_sum(3), {}).value()).value();
  for (int repetition = 0; repetition < 2; ++repetition) {
    EXPECT_EQ(infer(session, {1, 1, 1}), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(infer(session, {1, 2, 3}), (std::vector<float>{2, 4, 6}));
    EXPECT_EQ(infer(session, {0, 0, 5}, 1), (std::vector<float>{2, 4, 6})) << "the shape of the state before";
    session.reset();
  }
}

TEST(State, OfZerosTakesNoConstants) {
  Graph graph = running_sum(4);
  for (Value& value : graph.values)
    if (value.initial) value.initial = std::make_shared<Tensor>(Tensor::zeros(DType::f32, value.type.shape));
  const Plan plan = make_plan(graph, {}).value();
  EXPECT_FALSE(plan.state_initial);
  Session session = Session::make(plan).value();
  EXPECT_EQ(infer(session, {1, 2, 3, 4}), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(infer(session, {1, 2, 3, 4}), (std::vector<float>{2, 4, 6, 8}));
  session.reset();
  EXPECT_EQ(infer(session, {1, 2, 3, 4}), (std::vector<float>{1, 2, 3, 4}));
}

TEST(State, CannotBeAnInputOfTheModel) {
  Graph graph = running_sum(4);
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.values[v].initial) graph.inputs.push_back(static_cast<ValueId>(v));
  EXPECT_FALSE(verify(graph));
  EXPECT_FALSE(make_plan(graph, {}));
}

TEST(State, IsWhatAnOpThatChangesItMustBeGiven) {
  Graph graph = running_sum(4);
  for (Value& value : graph.values) value.initial = nullptr;
  graph.inputs.push_back(1);
  EXPECT_FALSE(verify(graph));
}

TEST(State, OutsideItsBoundsIsRefusedInABundle) {
  const Plan plan = make_plan(running_sum(4), {}).value();
  const std::vector<uint8_t> bundle = write_bundle(plan);
  std::vector<device::KernelEntry> kernels;
  for (const KernelInfo& kernel : all_kernels()) kernels.push_back(kernel.entry);
  const device::BundleHost host{kernels.data(), static_cast<uint32_t>(kernels.size()),
                                static_cast<uint32_t>(plan.arena_bytes), 0};
  const auto with = [&](auto change) {
    std::vector<uint8_t> changed = bundle;
    device::BundleHeader header;
    std::memcpy(&header, changed.data(), sizeof(header));
    change(header);
    std::memcpy(changed.data(), &header, sizeof(header));
    header.crc32 = device::crc32(changed.data() + 16, header.total_bytes - 16);
    std::memcpy(changed.data(), &header, sizeof(header));
    return device::check_bundle(changed.data(), static_cast<uint32_t>(changed.size()), host);
  };
  using device::Status;
  EXPECT_EQ(with([](auto&) {}), Status::ok);
  EXPECT_EQ(with([](auto& h) { h.state_initial = device::kZeroState; }), Status::ok);
  EXPECT_EQ(with([](auto& h) { h.state_bytes = h.arena_bytes + 4; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.state_bytes = h.arena_bytes; }), Status::bad_layout) << "the input would be state";
  EXPECT_EQ(with([](auto& h) { h.state_initial = h.constants_bytes; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.state_initial = 0x7FFFFFFC; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.state_initial += 2; }), Status::bad_layout);
}
