// Thousands of random int8 graphs give the same bytes in the official LiteRT interpreter's reference kernels as in
// ours. The interpreter comes from the Python registry into a throw-away environment; without it the test skips and
// says so.
#include <gtest/gtest.h>

#include <fstream>

#include "core/files.h"
#include "core/process.h"
#include "differential/random_graph.h"
#include "formats/tflite/tflite.h"
#include "graph/samples.h"
#include "plan/session.h"

namespace thimble::test {

namespace {

constexpr int kCasesPerOp = 120;
constexpr int kSamples = 3;

Path folder_of_cases() {
  const Path folder = Path(testing::TempDir()) / "thimble_differential";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// Without the care that write_bytes takes of a user's files: these are thousands, and thrown away.
void write_scratch(const Path& file, const std::vector<uint8_t>& bytes) {
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

// What our own kernels give, and the files that the interpreter reads. An error of the lowering is a refusal.
Outcome write_case(const Graph& graph, const Path& stem, uint64_t seed) {
  THIMBLE_LET(const Plan plan, make_plan(graph, {}));
  THIMBLE_LET(Session session, Session::make(plan));
  THIMBLE_LET(const std::vector<uint8_t> model, write_tflite(graph));
  std::vector<uint8_t> inputs, outputs;
  Rng rng{seed, 99};
  for (int s = 0; s < kSamples; ++s) {
    for (size_t i = 0; i < graph.inputs.size(); ++i)
      for (uint8_t& byte : session.input(i)) inputs.push_back(byte = static_cast<uint8_t>(rng.next()));
    session.invoke();
    for (size_t o = 0; o < graph.outputs.size(); ++o)
      outputs.insert(outputs.end(), session.output(o).begin(), session.output(o).end());
  }
  write_scratch(stem.string() + ".tflite", model);
  write_scratch(stem.string() + ".in", inputs);
  write_scratch(stem.string() + ".out", outputs);
  return {};
}

// The last release whose reference fully connected rounds twice, as TensorFlow Lite Micro does; later ones round once.
constexpr const char* kInterpreter = "ai-edge-litert==1.2.0";

// The Python of an environment that has the interpreter; empty when there is none and none can be made.
std::string python_with_litert() {
  const Path environment = Path(THIMBLE_BINARY_DIR) / "litert-environment";
  const std::string python = (environment / "bin/python").string();
  const auto works = [&] {
    const auto run = run_command({.words = {python, "-c", "import ai_edge_litert.interpreter"}});
    return run && run->exit_status == 0;
  };
  if (std::filesystem::exists(python) && works()) return python;
  const auto made = run_command({.words = {"python3", "-m", "venv", environment.string()}});
  if (!made || made->exit_status != 0) return "";
  const auto installed = run_command({.words = {python, "-m", "pip", "install", "--quiet", "--retries", "0",
                                                "--timeout", "10", kInterpreter, "numpy"}});
  return installed && installed->exit_status == 0 && works() ? python : "";
}

}  // namespace

TEST(LiteRT, ReferenceKernelsGiveTheSameBytes) {
  const std::string python = python_with_litert();
  if (python.empty()) GTEST_SKIP() << "the LiteRT interpreter cannot be installed from the Python registry here";
  const Path folder = folder_of_cases();
  int cases = 0, refused = 0;
  for (const std::string& op : differential_ops())
    for (uint64_t seed = 0; seed < kCasesPerOp; ++seed) {
      const auto graph = random_graph(op, seed);
      ASSERT_TRUE(graph) << op << " " << seed << ": " << to_string(graph.error());
      const auto written = write_case(*graph, folder / fmt::format("{}_{:04}", op, seed), seed);
      if (written) {
        ++cases;
      } else {
        ASSERT_EQ(written.error().code, ErrorCode::unsupported) << op << " " << seed << to_string(written.error());
        ++refused;
      }
    }
  const auto compared = run_command(
      {.words = {python, (Path(THIMBLE_SOURCE_DIR) / "tests/differential/run_litert.py").string(), folder.string()}});
  ASSERT_TRUE(compared) << to_string(compared.error());
  EXPECT_EQ(compared->exit_status, 0) << compared->errors;
  EXPECT_NE(compared->output.find(fmt::format("cases {} differing 0", cases)), std::string::npos) << compared->output;
  EXPECT_LE(refused, cases / 50);
  EXPECT_GE(cases, 2000);
  std::cout << cases << " graphs compared, " << refused << " refused\n";
}

}  // namespace thimble::test
