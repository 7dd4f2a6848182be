// What each reference model costs on each core: measured, compared with bench/budgets.json and, byte for byte, with
// TensorFlow Lite Micro's outputs. `make budgets` measures anew and writes bench/budgets.json and docs/budgets.md.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/process.h"
#include "project/model_bench.h"
#include "report/table.h"

namespace thimble {

namespace {

using nlohmann::json;

constexpr double kTolerance = 1.02;
constexpr const char* kModels[] = {"kws", "vww", "ic", "ad", "sww"};

struct Setting {
  std::string board, mode;
  DeployOptions deploy;
  std::vector<std::string> models = {"kws", "vww", "ic", "ad"};
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (size_t i = 0; i < std::size(kOptimizeNames); ++i)
    all.push_back({"mps2-an386", std::string(kOptimizeNames[i]), {.optimize = static_cast<Optimize>(i)}});
  for (const char* board : {"mps2-an500", "mps2-an385", "mps2-an385-m0plus", "riscv-virt", "mps3-an547"})
    all.push_back({board, "balanced", {}});
  all.push_back({"mps2-an386", "streaming", {.streaming = true}, {"sww"}});
  return all;
}

Path shared_data() {
  const char* given = std::getenv("THIMBLE_SHARED_DATA");
  return given ? Path(given) : Path(THIMBLE_SOURCE_DIR) / "../shared/data";
}
Path model_file(const std::string& model, std::string_view end) {
  return shared_data() / "models/mlperf_tiny" / (model + "_int8" + std::string(end));
}

json costs_of(const ModelBench& b) {
  return {
      {"instructions", b.instructions}, {"arena", b.sizes.arena}, {"stack", b.stack_bytes}, {"flash", b.sizes.flash}};
}

// One line of the table: a model in a setting.
std::string row(const std::string& board, const std::string& model, const std::string& mode, const json& costs) {
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", board, model, mode, grouped(costs.at("instructions")),
                     grouped(costs.at("arena")), grouped(costs.at("stack")), grouped(costs.at("flash")));
}

std::string table_of(const json& budgets) {
  std::string text =
      "# What the reference models cost\n\nMLPerf Tiny's int8 models (KWS, VWW, IC, AD) on emulated cores, in bytes "
      "and "
      "instructions per inference (QEMU `-icount`;\nthey are not cycles). Arena holds input, output, state and "
      "scratch; "
      "stack is the high-water mark of an inference; flash is\nthe whole of a firmware that fills the input, infers "
      "and "
      "halts. The output bytes are TensorFlow Lite Micro's in every row.\nMade by `make budgets`; the tests fail when "
      "a "
      "figure grows by more than 2 %. One row anew: `thimble bench MODEL --board BOARD\n--optimize MODE`.\n\n"
      "| board | model | optimize | instructions | arena | stack | flash |\n|---|---|---|---|---|---|---|\n";
  for (const auto& [board, models] : budgets.items())
    for (const char* model : kModels)
      if (models.contains(model))
        for (const auto& [mode, costs] : models.at(model).items()) text += row(board, model, mode, costs);
  return text;
}

bool writing_budgets() { return std::getenv("THIMBLE_WRITE_BUDGETS") != nullptr; }

Path table_file() { return Path(THIMBLE_SOURCE_DIR) / "docs/budgets.md"; }

json read_budgets() {
  const auto text = read_text(Path(THIMBLE_SOURCE_DIR) / "bench/budgets.json");
  return text ? json::parse(*text) : json::object();
}

class Budgets : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model_file("kws", ".tflite")))
      GTEST_SKIP() << "the reference models are not there: set THIMBLE_SHARED_DATA";
    board_ = load_board(GetParam().board).value();
    for (const std::string& program : {board_.toolchain + "g++", board_.runner.emulator})
      if (!find_program(program)) GTEST_SKIP() << program << " is not installed";
  }
  Board board_;
};

std::string setting_name(const testing::TestParamInfo<Setting>& info) {
  std::string name = info.param.board + "_" + info.param.mode;
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Settings, Budgets, testing::ValuesIn(settings()), setting_name);

TEST_P(Budgets, AreKept) {
  const auto& [board, mode, deploy, models] = GetParam();
  json budgets = read_budgets();
  const bool writing = writing_budgets();
  for (const std::string& model : models) {
    SCOPED_TRACE(model);
    const auto bench = bench_model({model_file(model, ".tflite")}, board_, deploy, silent_progress());
    ASSERT_TRUE(bench) << to_string(bench.error());
    const json costs = costs_of(*bench);
    fmt::print("{}", row(board, model, mode, costs));
    if (writing) {
      budgets[board][model][mode] = costs;
      continue;
    }
    ASSERT_TRUE(budgets.contains(board) && budgets[board].contains(model) && budgets[board][model].contains(mode))
        << "bench/budgets.json has no such row: make budgets";
    for (const auto& [what, most] : budgets[board][model][mode].items())
      EXPECT_LE(costs.at(what).get<double>(), most.get<double>() * kTolerance) << what;
  }
  if (!writing) return;
  ASSERT_TRUE(write_text(Path(THIMBLE_SOURCE_DIR) / "bench/budgets.json", budgets.dump(2) + "\n"));
  ASSERT_TRUE(write_text(table_file(), table_of(budgets)));
}

TEST_P(Budgets, BytesAreTensorFlowLiteMicros) {
  const auto& [board, mode, deploy, models] = GetParam();
  for (const std::string& model : models) {
    const Path output = Path(testing::TempDir()) / fmt::format("budgets-{}-{}-{}.bin", board, model, mode);
    const auto run = run_model({model_file(model, ".tflite")}, board_, deploy, model_file(model, ".in.bin"), output,
                               false, silent_progress());
    ASSERT_TRUE(run) << to_string(run.error());
    EXPECT_EQ(read_bytes(output).value(), read_bytes(model_file(model, ".out.bin")).value()) << model;
  }
}

TEST(BudgetsTable, OfTheDocumentsIsThatOfTheBudgets) {
  if (writing_budgets()) GTEST_SKIP() << "it is being written";
  EXPECT_EQ(read_text(table_file()).value_or(""), table_of(read_budgets())) << "make budgets";
}

}  // namespace thimble
