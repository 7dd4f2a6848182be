// Every case of every operator in one firmware: what the host's kernels give, the emulated core gives, compiled and as
// a bundle.
#include <gtest/gtest.h>

#include <algorithm>

#include "emulate/runner.h"
#include "firmware/models.h"
#include "ops/op_harness.h"

using namespace thimble;
using namespace thimble::test;

namespace {

struct Everything {
  Graph graph;
  std::vector<uint8_t> inputs;
  int cases = 0;
};

void add_graph(Everything& all, const Graph& part, const std::string& prefix) {
  const auto offset = static_cast<ValueId>(all.graph.values.size());
  const auto moved = [&](std::vector<ValueId> ids) {
    for (ValueId& id : ids)
      if (id != kNoValue) id += offset;
    return ids;
  };
  for (Value value : part.values) {
    value.name = prefix + "/" + value.name;
    const bool state = value.initial != nullptr;
    const ValueId id = all.graph.add(std::move(value));
    if (state) all.graph.outputs.push_back(id);  // as the inference leaves it
  }
  for (Node node : part.nodes) {
    node.name = prefix;
    node.inputs = moved(std::move(node.inputs));
    node.outputs = moved(std::move(node.outputs));
    all.graph.nodes.push_back(std::move(node));
  }
  for (ValueId id : moved(part.inputs)) all.graph.inputs.push_back(id);
  for (ValueId id : moved(part.outputs)) all.graph.outputs.push_back(id);
}

Everything every_case(DType dtype) {
  Everything all;
  all.graph.name = "everything";
  const bool int8 = dtype == DType::i8;
  for (const Subject& subject : all_subjects()) {
    if (!subject.op->lower || subject.test.training || (int8 && !subject.op->quantize)) continue;
    const Values values = draw_inputs(subject.test, 11);
    const Graph part = int8 ? int8_graph(subject, values) : float_graph(subject, values);
    add_graph(all, part, subject.name());
    for (const std::vector<std::byte>& bytes : input_bytes(part, values)) {
      const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
      all.inputs.insert(all.inputs.end(), from, from + bytes.size());
    }
    ++all.cases;
  }
  return all;
}

struct Setting {
  std::string board;
  DType dtype;
  bool own_kernels = false;   // those of the board's core, not the portable ones
  bool wide_weights = false;  // as int16
};

class EveryKernel : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const auto board = load_board(GetParam().board);
    ASSERT_TRUE(board) << to_string(board.error());
    SKIP_WITHOUT(board->toolchain + "g++");
    SKIP_WITHOUT(board->runner.emulator);
  }
};

std::string setting_name(const testing::TestParamInfo<Setting>& info) {
  std::string name = fmt::format("{}_{}_{}{}", info.param.board, name_of(info.param.dtype),
                                 info.param.own_kernels ? "own" : "portable", info.param.wide_weights ? "_wide" : "");
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

// Boards with memory for everything at once.
INSTANTIATE_TEST_SUITE_P(Settings, EveryKernel,
                         testing::Values(Setting{"mps2-an386", DType::i8}, Setting{"mps2-an386", DType::f32},
                                         Setting{"mps2-an386", DType::i8, true},
                                         Setting{"mps2-an386", DType::i8, true, true},
                                         Setting{"mps2-an385", DType::i8, true},
                                         Setting{"mps2-an385-m0plus", DType::i8, true},
                                         Setting{"mps2-an500", DType::i8, true}, Setting{"mps3-an547", DType::i8},
                                         Setting{"mps3-an547", DType::i8, true}, Setting{"riscv-virt", DType::i8, true},
                                         Setting{"riscv-virt", DType::f32}),
                         setting_name);

TEST_P(EveryKernel, GivesTheHostsBytesOnTheEmulatedCore) {
  const Everything all = every_case(GetParam().dtype);
  ASSERT_GT(all.cases, 40);
  const Board board = *load_board(GetParam().board);
  PlanOptions options;
  if (GetParam().own_kernels) options.isa = board.isa;
  if (GetParam().wide_weights) options.flash_budget_bytes = board.flash.length_bytes;
  const auto plan = make_plan(all.graph, options);
  ASSERT_TRUE(plan) << to_string(plan.error());
  FirmwareSpec spec{.app = App::tensor, .plan = *plan};
  const auto host = (*make_host_runner(spec))->run_tensors(all.inputs, silent_progress());
  ASSERT_TRUE(host) << to_string(host.error());
  for (const ModelForm form : {ModelForm::compiled, ModelForm::bundle}) {
    spec.form = form;
    const auto runner = make_runner(spec, board, Path(testing::TempDir()) / "thimble_emulate" / board.id);
    ASSERT_TRUE(runner) << to_string(runner.error());
    const auto device = (*runner)->run_tensors(all.inputs, silent_progress());
    ASSERT_TRUE(device) << to_string(device.error());
    EXPECT_EQ(differing_bytes(*host, *device), 0);
    size_t at = 0;
    for (const PlanPort& port : plan->outputs) {
      const auto bytes = static_cast<size_t>(port.bytes);
      EXPECT_TRUE(std::equal(&host->tensors[0].outputs[at], &host->tensors[0].outputs[at] + bytes,
                             &device->tensors[0].outputs[at]))
          << port.name;
      at += bytes;
    }
  }
}
