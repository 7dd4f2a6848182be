#include <gtest/gtest.h>

#include <algorithm>

#include "core/resources.h"
#include "emulate/qemu.h"
#include "emulate/runner.h"
#include "firmware/linker_script.h"
#include "firmware/models.h"
#include "firmware/toolchain.h"

using namespace thimble;
using namespace thimble::testing_models;

namespace {

// Kept from test to test, as a person's build folder is.
Path folder(const std::string& name) { return Path(testing::TempDir()) / "thimble_emulate" / name; }

Result<RunLog> run_on(const std::string& id, const FirmwareSpec& spec, std::span<const uint8_t> inputs) {
  THIMBLE_LET(const Board board, load_board(id));
  THIMBLE_LET(const auto runner, make_runner(spec, board, folder(id)));
  return runner->run_tensors(inputs, silent_progress(), /*sequence=*/spec.plan.state_bytes > 0);
}

}  // namespace

class EmulatedBoard : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto board = load_board(GetParam());
    ASSERT_TRUE(board) << to_string(board.error());
    SKIP_WITHOUT(board->toolchain + "g++");
    SKIP_WITHOUT(board->runner.emulator);
  }
};
INSTANTIATE_TEST_SUITE_P(Boards, EmulatedBoard,
                         testing::Values("netduinoplus2", "mps2-an386", "mps2-an385", "mps2-an385-m0plus", "mps2-an500",
                                         "riscv-virt"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(EmulatedBoard, GivesTheHostsBytesInBothForms) {
  FirmwareSpec spec{.app = App::tensor, .plan = plan_of(stack(40, {24, 10}))};
  const std::vector<uint8_t> inputs = noise(40 * 50);
  const auto host = run_on("host", spec, inputs);
  ASSERT_TRUE(host) << to_string(host.error());
  ASSERT_EQ(host->tensors.size(), 50u);
  const auto compiled = run_on(GetParam(), spec, inputs);
  ASSERT_TRUE(compiled) << to_string(compiled.error());
  spec.form = ModelForm::bundle;
  const auto bundle = run_on(GetParam(), spec, inputs);
  ASSERT_TRUE(bundle) << to_string(bundle.error());
  EXPECT_EQ(differing_bytes(*host, *compiled), 0);
  EXPECT_EQ(differing_bytes(*host, *bundle), 0);
  EXPECT_NE(host->tensors[0].outputs, host->tensors[1].outputs) << "a constant answer would compare equal too";
  for (const TensorRun& run : compiled->tensors) EXPECT_GT(run.instructions, 40 * 24 + 24 * 10);
  EXPECT_GT(compiled->stack_used_bytes, 64);
  EXPECT_LT(compiled->stack_used_bytes, spec.stack_bytes);
}

TEST_P(EmulatedBoard, StatePassesThroughAllSamplesInOrder) {
  FirmwareSpec spec{.app = App::tensor, .plan = plan_of(running_sum(6))};
  std::vector<uint8_t> inputs;
  for (int sample = 0; sample < 60; ++sample)
    for (int i = 0; i < 6; ++i) {
      const auto value = static_cast<float>(i + 1);
      const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
      inputs.insert(inputs.end(), bytes, bytes + sizeof(value));
    }
  const auto host = run_on("host", spec, inputs);
  ASSERT_TRUE(host) << to_string(host.error());
  ASSERT_EQ(host->tensors.size(), 60u);
  for (size_t sample = 0; sample < 60; ++sample) {
    float sums[6];
    std::memcpy(sums, host->tensors[sample].outputs.data(), sizeof(sums));
    for (size_t i = 0; i < 6; ++i) ASSERT_EQ(sums[i], static_cast<float>(i + (sample + 1) * (i + 1)));
  }
  for (const ModelForm form : {ModelForm::compiled, ModelForm::bundle}) {
    spec.form = form;
    const auto board = run_on(GetParam(), spec, inputs);
    ASSERT_TRUE(board) << to_string(board.error());
    EXPECT_EQ(differing_bytes(*host, *board), 0);
  }
}

TEST_P(EmulatedBoard, RecurrentLayersGoOnFromTheStateTheyLeft) {
  for (const DType activations : {DType::i8, DType::i16}) {
    FirmwareSpec spec{.app = App::tensor, .plan = plan_of(recurrent_layers(activations))};
    ASSERT_GT(spec.plan.state_bytes, 0);
    const std::vector<uint8_t> one = noise(spec.plan.inputs.at(0).bytes);
    std::vector<uint8_t> inputs;
    for (int repeat = 0; repeat < 20; ++repeat) inputs.insert(inputs.end(), one.begin(), one.end());
    const auto host = run_on("host", spec, inputs);
    ASSERT_TRUE(host) << to_string(host.error());
    EXPECT_NE(host->tensors[0].outputs, host->tensors[1].outputs) << "the same input on another state";
    for (const ModelForm form : {ModelForm::compiled, ModelForm::bundle}) {
      spec.form = form;
      const auto board = run_on(GetParam(), spec, inputs);
      ASSERT_TRUE(board) << to_string(board.error());
      EXPECT_EQ(differing_bytes(*host, *board), 0);
    }
  }
}

TEST_P(EmulatedBoard, ALoopOfKnownLengthReadsBackInInstructions) {
  constexpr int kRounds = 15000000, kInstructionsPerRound = 16;  // three times: long enough for the timer to wrap
  const Board board = *load_board(GetParam());
  const Path at = folder(std::string("loop-") + GetParam());
  ASSERT_TRUE(unpack_resources("device/", at));
  ASSERT_TRUE(write_text(at / "generated/board_config.h", *board_config(board)));
  ASSERT_TRUE(write_text(at / "generated/link.ld", linker_script(board, 4096)));
  ASSERT_TRUE(write_text(at / "loop.cpp", fmt::format(R"(
#include "device/app/port_io.h"
using namespace thimble::device;
int main() {{
  SummaryRecord summary = {{}};
  summary.init_status = port_init();
  PortIo io;
  for (int repeat = 0; repeat < 3; ++repeat, ++summary.items) {{
    int rounds = {};
    const uint64_t begin = port_ticks();
#ifdef __riscv
    __asm volatile("1: .rept 14\n nop\n .endr\n addi %0, %0, -1\n bnez %0, 1b" : "+r"(rounds));
#else
    __asm volatile(".syntax unified\n1: .rept 14\n nop\n .endr\n subs %0, #1\n bne 1b" : "+l"(rounds));
#endif
    write_record(io, RecordKind::outputs, OutputsRecord{{port_ticks() - begin}});
  }}
  finish(Status::ok, summary);
}})",
                                                      kRounds)));
  Build build{.folder = at, .sources = board.sources, .script = "generated/link.ld", .output = "loop.elf"};
  build.sources.push_back("loop.cpp");
  const auto built = compile_and_link(build, board);
  ASSERT_TRUE(built) << to_string(built.error());
  ASSERT_EQ(built->link_status, 0) << built->link_errors;
  const auto log = run_in_qemu(board, at / "loop.elf", at / "run", {}, 60);
  ASSERT_TRUE(log) << to_string(log.error());
  ASSERT_EQ(log->tensors.size(), 3u);
  // The timer's step, and the few instructions that read it.
  const double resolution = 1e9 / static_cast<double>(board.runner.systick_hz) + 50;
  for (const TensorRun& run : log->tensors)
    EXPECT_NEAR(static_cast<double>(run.instructions), static_cast<double>(kRounds) * kInstructionsPerRound,
                resolution);
}

TEST_P(EmulatedBoard, AStackThatOverflowsIsAFaultAndNotAWrongAnswer) {
  FirmwareSpec spec{.app = App::tensor, .plan = plan_of(stack(4, {2})), .stack_bytes = 64};
  const auto log = run_on(GetParam(), spec, noise(4));
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::tool_failed);
}

TEST_P(EmulatedBoard, CtrlCEndsTheRun) {
  const FirmwareSpec spec{.app = App::tensor, .plan = plan_of(stack(4, {2}))};
  const auto runner = make_runner(spec, *load_board(GetParam()), folder(GetParam()));
  ASSERT_TRUE(runner) << to_string(runner.error());
  stop_requested = true;
  const auto log = (*runner)->run_tensors(noise(4), silent_progress());
  stop_requested = false;
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::cancelled);
}

TEST(Emulate, MissingEmulatorNamesItsPackage) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const FirmwareSpec spec{.app = App::tensor, .plan = plan_of(stack(4, {2}))};
  const auto runner = make_runner(spec, *load_board("mps2-an386"), folder("none"));
  setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(runner);
  EXPECT_EQ(runner.error().code, ErrorCode::tool_missing);
  EXPECT_NE(runner.error().hint.find("qemu-system-arm"), std::string::npos) << runner.error().hint;
}

TEST(Emulate, DifferingBytesCountsEachOne) {
  RunLog a, b;
  a.tensors = {{{1, 2, 3}, 0}, {{4}, 0}};
  b.tensors = {{{1, 9, 9}, 5}};
  EXPECT_EQ(differing_bytes(a, b), 3);
  a.recordings = {{{1, 2}, {}}};
  b.recordings = {{{1, 258}, {}}};
  EXPECT_EQ(differing_bytes(a, b), 4);
}

TEST(Emulate, InputThatIsNotWholeSamplesIsUsage) {
  const FirmwareSpec spec{.app = App::tensor, .plan = plan_of(stack(40, {4}))};
  const auto log = run_on("host", spec, noise(41));
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::usage);
}

TEST(Emulate, DamagedRecordsAreErrors) {
  EXPECT_FALSE(decode_results({}, 1000));
  const std::vector<uint8_t> bytes = noise(200);
  EXPECT_FALSE(decode_results(bytes, 1000));
}

TEST(Emulate, InstructionsFollowTheTimer) {
  EXPECT_EQ(instructions_of(168000000, 168000000), 1000000000);
  EXPECT_EQ(instructions_of(25, 25000000), 1000);
  EXPECT_EQ(instructions_of(168000000ull * 100000 + 84000000, 168000000), 100000500000000);
}

TEST(PinTrace, ReadsBsrrWritesWithTheTimersTime) {
  const Board board = *load_board("netduinoplus2");
  const PinName first = *parse_pin(board.pins[0]), second = *parse_pin(board.pins[1]);
  const auto write = [](PinName pin, bool on) {
    return fmt::format("GPIO{}: unimplemented device write (size 4, offset 0x018, value 0x{:08x})\n",
                       static_cast<char>('A' + pin.port), 1u << (on ? pin.pin : pin.pin + 16));
  };
  std::string log = "RCC: unimplemented device read  (size 4, offset 0x000)\n";
  log += "systick_read systick read addr 0x8 data 0xfffffe size 4\n" + write(first, true) + write(second, false);
  log += "systick_timer_tick systick reload\nsystick_read systick read addr 0x8 data 0xffffff size 4\n";
  log += write(first, false) + write(second, true);
  const auto events = parse_pin_trace(log, board);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].actuators, 1u);
  EXPECT_DOUBLE_EQ((*events)[0].seconds, 2 / 168e6);
  EXPECT_EQ((*events)[1].actuators, 2u);
  EXPECT_DOUBLE_EQ((*events)[1].seconds, ((1 << 24) + 1) / 168e6);
}
