#include "firmware/build.h"

#include <gtest/gtest.h>

#include "firmware/linker_script.h"
#include "firmware/models.h"

using namespace thimble;
using namespace thimble::testing_models;

namespace {

Path folder(const std::string& name) {
  const Path path = Path(testing::TempDir()) / "thimble_firmware" / name;
  std::filesystem::remove_all(path);
  return path;
}

}  // namespace

TEST(EmitModel, HeaderIsC99AndSourceIsFreestanding) {
  SKIP_WITHOUT("gcc");
  SKIP_WITHOUT("g++");
  Plan plan = plan_of(stack(8, {4, 2}));
  plan.model = "Two words";
  for (const ModelForm form : {ModelForm::compiled, ModelForm::bundle}) {
    const auto model = emit_model(plan, {.form = form, .classes = {"yes", "a \"quoted\" one"}, .signal = {}});
    ASSERT_TRUE(model) << to_string(model.error());
    EXPECT_EQ(model->name, "two_words");
    const Path at = folder("emit");
    ASSERT_TRUE(write_text(at / "two_words.h", model->header));
    ASSERT_TRUE(write_text(at / "two_words.cpp", model->source));
    ASSERT_TRUE(write_text(at / "use.c",
                           "#include \"two_words.h\"\nint use(void* a) { two_words_invoke(a); return "
                           "two_words_input(a)[0] + two_words_output(a)[0] + TWO_WORDS_ARENA_BYTES; }\n"));
    const auto c = run_command(
        {.words = {"gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c", "use.c"}, .folder = at});
    ASSERT_TRUE(c);
    EXPECT_EQ(c->exit_status, 0) << c->errors << model->header;
    const auto cpp =
        run_command({.words = {"g++", "-std=c++17", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-Wall",
                               "-Wextra", "-Werror", "-I" THIMBLE_SOURCE_DIR, "-c", "two_words.cpp"},
                     .folder = at});
    ASSERT_TRUE(cpp);
    EXPECT_EQ(cpp->exit_status, 0) << cpp->errors;
  }
}

TEST(BuildFirmware, SizesAddUpAndTheSecondBuildCompilesNothing) {
  SKIP_WITHOUT("arm-none-eabi-g++");
  const FirmwareSpec spec{.app = App::bench, .plan = plan_of(stack(64, {32, 4}))};
  const Board board = *load_board("netduinoplus2");
  const Path at = folder("sizes");
  const auto image = build_firmware(spec, board, at);
  ASSERT_TRUE(image) << to_string(image.error());
  const FirmwareSizes& sizes = image->sizes;
  EXPECT_EQ(sizes.flash, sizes.text + sizes.rodata + sizes.data);
  EXPECT_EQ(sizes.flash, sizes.code + sizes.weights + sizes.tables);
  EXPECT_EQ(sizes.ram, sizes.arena + sizes.state + sizes.stack);
  EXPECT_EQ(sizes.arena, spec.plan.arena_bytes);
  EXPECT_GE(sizes.weights, 64 * 32 + 32 * 4);
  EXPECT_EQ(sizes.stack, spec.stack_bytes);
  EXPECT_GT(sizes.code, 100);
  EXPECT_GT(image->compiled_sources, 0);
  const auto again = build_firmware(spec, board, at);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again->compiled_sources, 0);
}

TEST(BuildFirmware, ModelLargerThanTheBoardSaysByHowMuchAndWhichLayer) {
  const Board board = *load_board("netduinoplus2");
  const Plan flash = plan_of(stack(1024, {1024, 2}));
  const auto too_long = build_firmware({.app = App::bench, .plan = flash}, board, folder("flash"));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, ErrorCode::does_not_fit);
  const std::string excess = std::to_string(static_cast<int64_t>(flash.constants.size()) - 1024 * 1024);
  EXPECT_NE(too_long.error().message.find(excess), std::string::npos) << too_long.error().message;
  EXPECT_NE(too_long.error().message.find("dense_0"), std::string::npos) << too_long.error().message;

  const Plan ram = plan_of(stack(4, {150000, 2}));
  const auto too_wide = build_firmware({.app = App::bench, .plan = ram}, board, folder("ram"));
  ASSERT_FALSE(too_wide);
  EXPECT_EQ(too_wide.error().code, ErrorCode::does_not_fit);
  EXPECT_NE(too_wide.error().message.find(std::to_string(ram.arena_bytes + 8192 - 131072)), std::string::npos)
      << too_wide.error().message;
  EXPECT_NE(too_wide.error().message.find("dense_"), std::string::npos) << too_wide.error().message;
}

TEST(BuildFirmware, TheLinkerHoldsTheBoardTo128KiB) {
  SKIP_WITHOUT("arm-none-eabi-g++");
  const Board board = *load_board("netduinoplus2");
  FirmwareSpec spec{.app = App::bench, .plan = plan_of(stack(16, {8}))};
  // Stack and arena fill the RAM to the last byte; what else the firmware has does not fit any more.
  spec.stack_bytes = (board.ram.length_bytes - spec.plan.arena_bytes) / 8 * 8;
  ASSERT_TRUE(check_fit(spec.plan, board, spec.stack_bytes));
  spec.app = App::tensor;
  const auto image = build_firmware(spec, board, folder("limit"));
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, ErrorCode::does_not_fit) << to_string(image.error());
  EXPECT_NE(image.error().message.find("more RAM than the 131072"), std::string::npos) << image.error().message;
}

TEST(CheckSymbols, FindsWhatADeviceMustNotHave) {
  SKIP_WITHOUT("arm-none-eabi-g++");
  const Path at = folder("symbols");
  const auto compile = [&](const std::string& body) {
    EXPECT_TRUE(write_text(at / "a.cpp", body));
    const auto done =
        run_command({.words = {"arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", "-O2", "-c", "a.cpp"}, .folder = at});
    EXPECT_TRUE(done && done->exit_status == 0);
    return check_symbols(at / "a.o");
  };
  const auto refuses = [&](const std::string& body, const std::string& symbol) {
    const Outcome outcome = compile(body);
    ASSERT_FALSE(outcome) << symbol;
    EXPECT_NE(outcome.error().message.find(symbol), std::string::npos) << outcome.error().message;
  };
  refuses("extern \"C\" void* malloc(unsigned); void* f() { return malloc(4); }", "malloc");
  refuses("int* f() { return new int; }", "_Znwj");
  refuses("extern \"C\" float expf(float); float f(float x) { return expf(x); }", "expf");
  refuses("double f(float x) { return x; }", "__aeabi_f2d");
  refuses("double f(double x, double y) { return x * y; }", "__aeabi_dmul");
  refuses("struct S { S(); ~S(); }; void f() { static S s; }", "__cxa_");
  EXPECT_TRUE(compile("long long f(long long a, long long b) { return a / b; } float g(float a) { return a * a; }"));
}

TEST(Elf, DamagedFilesAreErrors) {
  const Path at = folder("elf");
  ASSERT_TRUE(write_text(at / "text", "not an ELF file"));
  EXPECT_FALSE(read_elf(at / "text"));
  SKIP_WITHOUT("arm-none-eabi-g++");
  ASSERT_TRUE(write_text(at / "a.cpp", "int f() { return 1; }"));
  ASSERT_TRUE(run_command({.words = {"arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", "-c", "a.cpp"}, .folder = at}));
  const std::vector<uint8_t> whole = *read_bytes(at / "a.o");
  ASSERT_TRUE(read_elf(at / "a.o"));
  for (size_t length = 0; length < whole.size(); length += 7) {
    ASSERT_TRUE(write_bytes(at / "cut.o", std::span(whole).first(length)));
    EXPECT_FALSE(read_elf(at / "cut.o")) << length;
  }
}

TEST(BuildFirmware, MissingCompilerNamesItsPackage) {
  Board board = *load_board("netduinoplus2");
  board.toolchain = "no-such-toolchain-";
  const auto image = build_firmware({.app = App::bench, .plan = plan_of(stack(4, {2}))}, board, folder("missing"));
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, ErrorCode::tool_missing);
}
