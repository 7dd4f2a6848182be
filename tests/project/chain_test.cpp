// The whole chain on small projects: recordings in, decisions and light out, the same bytes on every board.
#include <algorithm>
#include <cmath>

#include "core/process.h"
#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

namespace {

// One project for all tests here; nothing in it changes after it is made.
class Chain : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = new Path(Path(testing::TempDir()) / fmt::format("thimble_chain_{}", ::getpid()));
    std::filesystem::remove_all(*root_);
    make_tone_project(project());
    all_ = new nlohmann::json(json_of({"all", "--json", "--project", project()}));
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*root_);
    delete root_;
    delete all_;
  }
  static Path project() { return *root_ / "tones"; }
  static Path model() { return project() / "out/model.tflite"; }
  static Surroundings around() { return {.environment = {{"XDG_CACHE_HOME", (*root_ / "cache").string()}}}; }
  static const nlohmann::json& all() { return *all_; }

  // Random samples for the model, through a board.
  static std::vector<uint8_t> outputs_on(const std::string& board, int samples) {
    const auto inspection = json_of({"inspect", "--json", model()});
    int64_t bytes = samples;
    for (const auto& size : inspection.at("inputs").at(0).at("shape")) bytes *= size.get<int64_t>();
    Rng rng({7});
    std::vector<uint8_t> input;
    for (int64_t i = 0; i < bytes; ++i) input.push_back(static_cast<uint8_t>(rng.next()));
    const Path in = *root_ / "in.bin", out = *root_ / (board + ".bin");
    EXPECT_TRUE(write_bytes(in, input));
    const auto json = json_of({"run", "--json", model(), "--board", board, "--input", in, "--output", out}, around());
    EXPECT_EQ(json.at("samples"), samples);
    return read_bytes(out).value_or(std::vector<uint8_t>{});
  }

  static inline Path* root_ = nullptr;
  static inline nlohmann::json* all_ = nullptr;
};

void expect_fraction(const nlohmann::json& number, double at_least) {
  ASSERT_TRUE(number.is_number());
  EXPECT_GE(number.get<double>(), at_least);
  EXPECT_LE(number.get<double>(), 1.0);
}

// Its keys, sorted.
std::vector<std::string> keys_of(const nlohmann::json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_F(Chain, AllTellsWhatWasMeasured) {
  constexpr double kGoodEnough = 0.85;
  EXPECT_EQ(keys_of(all().at("accuracy")), (Keys{"float", "int8_device", "int8_host"}));
  EXPECT_EQ(keys_of(all().at("accuracy_full")), (Keys{"float", "int8_host"}));
  for (const auto& [name, accuracy] : all().at("accuracy").items()) expect_fraction(accuracy, kGoodEnough);
  for (const auto& [name, accuracy] : all().at("accuracy_full").items()) expect_fraction(accuracy, kGoodEnough);
  EXPECT_EQ(all().at("accuracy").at("int8_device"), all().at("accuracy").at("int8_host"));
  EXPECT_EQ(all().at("clips_on_device"), 9);
  EXPECT_EQ(all().at("differing_bytes"), 0);
  EXPECT_EQ(keys_of(all().at("instructions")), (Keys{"dsp", "model"}));
  EXPECT_GT(all().at("instructions").at("dsp").get<int64_t>(), 100'000);
  EXPECT_GT(all().at("instructions").at("model").get<int64_t>(), 10'000);
  EXPECT_GT(all().at("flash_bytes").get<int64_t>(), 5'000);
  EXPECT_LT(all().at("flash_bytes").get<int64_t>(), 1 << 20);
  EXPECT_GT(all().at("ram_bytes").get<int64_t>(), 1'000);
  EXPECT_LT(all().at("ram_bytes").get<int64_t>(), 128 << 10);
  EXPECT_GT(all().at("stack_bytes").get<int64_t>(), 0);
  EXPECT_GT(all().at("seconds").get<double>(), 0);
}

TEST_F(Chain, AllLeavesEveryArtefact) {
  for (const char* file : {"dataset.json", "model.thimble", "model.tflite", "model_data.h", "model.bundle",
                           "report.html", "report.json", "firmware/netduinoplus2/firmware.elf"})
    EXPECT_TRUE(std::filesystem::is_regular_file(project() / "out" / file)) << file;
  expect_nothing_half_written(project());
  const std::string report = read_text(project() / "out/report.html").value_or("");
  EXPECT_NE(report.find("<svg"), std::string::npos);
  EXPECT_EQ(report.find("http-equiv"), std::string::npos);
  for (const char* piece : {"src=\"http", "href=\"http", "@import"})
    EXPECT_EQ(report.find(piece), std::string::npos) << "not self-contained: " << piece;
}

TEST_F(Chain, NoVoiceIsInTwoSplits) {
  const auto dataset = nlohmann::json::parse(read_text(project() / "out/dataset.json").value());
  std::map<std::string, std::string> split_of;
  for (const auto& sample : dataset.at("samples")) {
    const auto [found, fresh] = split_of.emplace(sample.at("group"), sample.at("split"));
    EXPECT_EQ(found->second, sample.at("split")) << found->first;
  }
  EXPECT_GE(split_of.size(), 8u);
}

TEST_F(Chain, AllAgainTrainsNothingAndSaysTheSame) {
  Running again({"all", "--json", "--project", project()});
  const Ran ran = again.wait();
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err.find("epoch 1/"), std::string::npos) << ran.err;
  nlohmann::json once = all(), twice = parse_json(ran);
  once.erase("seconds");
  twice.erase("seconds");
  EXPECT_EQ(once, twice);
}

TEST_F(Chain, TheSameProjectGivesTheSameModel) {
  const Path copy = *root_ / "copy/tones";
  make_tone_project(copy);
  ASSERT_EQ(call({"train", "--project", copy}).status, 0);
  ASSERT_EQ(call({"convert", "--project", copy}).status, 0);
  for (const char* file : {"out/model.tflite", "out/model.bundle", "out/model_data.h"})
    EXPECT_EQ(read_bytes(copy / file).value(), read_bytes(project() / file).value()) << file;
}

TEST_F(Chain, TheOtherBoardComputesTheSame) {
  const auto run = json_of({"run", "--json", "--full", "--board", "mps2-an386", "--project", project()});
  EXPECT_EQ(run.at("differing_bytes"), 0);
  EXPECT_EQ(run.at("clips_on_device"), run.at("test_clips"));
  EXPECT_GT(run.at("compared_bytes").get<int64_t>(), 1000);
  // Recordings of any length: what the board ends with is what evaluation says of them, to the last digit.
  EXPECT_EQ(run.at("device"), json_of({"eval", "--json", "--project", project()}).at("int8"));
}

TEST_F(Chain, RawTensorsGiveTheSameBytesOnEveryBoard) {
  constexpr int kSamples = 20;
  const std::vector<uint8_t> host = outputs_on("host", kSamples);
  EXPECT_EQ(host.size(), kSamples * 3u);
  EXPECT_GT(std::set<uint8_t>(host.begin(), host.end()).size(), 5u) << "random inputs, but hardly any output changes";
  EXPECT_EQ(outputs_on("netduinoplus2", kSamples), host);
  EXPECT_EQ(outputs_on("mps2-an386", kSamples), host);
}

// Several at once share the firmware of a model and its folder.
TEST_F(Chain, RunsAtTheSameTimeDoNotMeet) {
  std::vector<std::unique_ptr<Running>> runs;
  const auto out = [&](const std::string& board, int run) { return *root_ / fmt::format("{}-{}.out", board, run); };
  for (int run = 0; run < 3; ++run) {
    const Path in = *root_ / fmt::format("same-time-{}.in", run);
    ASSERT_TRUE(write_bytes(in, std::vector<uint8_t>(24 * 12 * 30, static_cast<uint8_t>(40 * run))));
    for (const std::string board : {"netduinoplus2", "host"})
      runs.push_back(std::make_unique<Running>(
          Words{"run", model(), "--board", board, "--input", in, "--output", out(board, run)},
          Surroundings{.environment = {{"XDG_CACHE_HOME", (*root_ / "new-cache").string()}}}));
  }
  for (const auto& run : runs) {
    const Ran ran = run->wait();
    EXPECT_EQ(ran.status, 0) << ran.err;
  }
  for (int run = 0; run < 3; ++run)
    EXPECT_EQ(read_bytes(out("netduinoplus2", run)).value(), read_bytes(out("host", run)).value()) << run;
}

TEST_F(Chain, InputThatDoesNotDivideIsRefused) {
  ASSERT_TRUE(write_bytes(*root_ / "odd.bin", std::vector<uint8_t>(24 * 12 + 1)));
  for (const char* board : {"host", "netduinoplus2"}) {
    expect_refused(
        call({"run", model(), "--board", board, "--input", *root_ / "odd.bin", "--output", *root_ / "odd.out"},
             around()),
        2, {"found 289 input bytes, expected a multiple of the 288"});
    EXPECT_FALSE(std::filesystem::exists(*root_ / "odd.out"));
  }
}

TEST_F(Chain, BenchMeasuresTheFirmwareItNames) {
  const auto bench = json_of({"bench", model(), "--board", "mps2-an386", "--json"}, around());
  for (const char* key :
       {"board", "elf", "flash_bytes", "instructions", "layers", "macs", "model", "optimize", "ram_bytes"})
    EXPECT_TRUE(bench.contains(key)) << key;
  EXPECT_EQ(bench.at("model"), model().string());
  EXPECT_EQ(bench.at("board"), "mps2-an386");
  EXPECT_GT(bench.at("macs").get<int64_t>(), 1000);
  EXPECT_GT(bench.at("instructions"), bench.at("macs"));
  const auto& ram = bench.at("ram_bytes");
  EXPECT_EQ(ram.at("total").get<int64_t>(),
            ram.at("arena").get<int64_t>() + ram.at("state").get<int64_t>() + ram.at("stack").get<int64_t>());
  const auto& flash = bench.at("flash_bytes");
  EXPECT_EQ(keys_of(flash), (Keys{"code", "tables", "total", "weights"}));
  EXPECT_EQ(flash.at("total").get<int64_t>(),
            flash.at("code").get<int64_t>() + flash.at("weights").get<int64_t>() + flash.at("tables").get<int64_t>());
  EXPECT_GE(ram.at("arena"), ram.at("arena_lower_bound"));
  const std::vector<uint8_t> elf = read_bytes(bench.at("elf").get<std::string>()).value();
  ASSERT_GT(elf.size(), 4u);
  EXPECT_EQ(std::string(elf.begin() + 1, elf.begin() + 4), "ELF");
  // The same question has the same answer.
  EXPECT_EQ(json_of({"bench", model(), "--board", "mps2-an386", "--json"}, around()), bench);
  expect_refused(call({"bench", model(), "--board", "host"}, around()), 1, {"no instruction counter"});
}

TEST_F(Chain, TheLibraryServesACProgram) {
  if (!find_program("gcc") || !find_program("g++")) GTEST_SKIP() << "no host compiler here";
  const Path library = project() / "out/library", here = *root_ / "program";
  const std::string program = R"(
#include <stdio.h>
#include "tones.h"
static _Alignas(16) uint8_t arena[TONES_ARENA_BYTES];
int main(void) {
  if (tones_check() != 0) return 1;
  while (fread(tones_input(arena), 1, TONES_INPUT_BYTES, stdin) == TONES_INPUT_BYTES) {
    tones_invoke(arena);
    fwrite(tones_output(arena), 1, TONES_OUTPUT_BYTES, stdout);
  }
  return 0;
}
)";
  ASSERT_TRUE(write_text(here / "main.c", program));
  const auto must_run = [&](const Words& words, const std::string& input = "") {
    const auto ran = run_command({.words = words, .folder = here, .input = input});
    EXPECT_TRUE(ran && ran->exit_status == 0) << (ran ? ran->errors : to_string(ran.error()));
    return ran ? ran->output : "";
  };
  must_run({"gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", library, "-c", "main.c", "-o", "main.o"});
  must_run(
      {"g++", "-std=c++17", "-O2", "-fno-exceptions", "-I", library, "-c", library / "tones.cpp", "-o", "tones.o"});
  must_run({"gcc", "main.o", "tones.o", "-o", "program"});
  const std::vector<uint8_t> expected = outputs_on("host", 5), input = read_bytes(*root_ / "in.bin").value();
  const std::string out = must_run({(here / "program").string()}, std::string(input.begin(), input.end()));
  EXPECT_EQ(std::vector<uint8_t>(out.begin(), out.end()), expected);
}

TEST(Sine, LearnsAndDimsALamp) {
  TemporaryFolder folder;
  const Path project = folder / "sine";
  ASSERT_EQ(call({"new", "sine", project}).status, 0);
  const auto all = json_of({"all", "--json", "--project", project});
  EXPECT_EQ(all.at("differing_bytes"), 0);
  EXPECT_LT(all.at("error").at("int8_device").at("mae").get<double>(), 0.06);
  EXPECT_LT(all.at("error").at("int8_device").at("mse").get<double>(), 0.006);
  EXPECT_LT(all.at("seconds").get<double>(), 60);

  // The brightness that the firmware reports follows the sine.
  std::vector<double> wanted;
  const auto dataset = nlohmann::json::parse(read_text(project / "out/dataset.json").value());
  for (const auto& row : dataset.at("samples"))
    if (row.at("split") == "test") wanted.push_back(500 * (1 + row.at("targets").at(0).get<double>()));
  std::vector<double> seen;
  std::istringstream console(read_text(project / "out/console-netduinoplus2.log").value());
  for (std::string line; std::getline(console, line);) {
    const size_t at = line.find("pwm ");
    ASSERT_NE(at, line.npos) << line;
    seen.push_back(std::stod(line.substr(at + 4)));
  }
  ASSERT_EQ(seen.size(), wanted.size());
  double difference = 0;
  for (size_t i = 0; i < seen.size(); ++i) difference += std::abs(seen[i] - wanted[i]);
  EXPECT_LT(difference / static_cast<double>(seen.size()), 40);
  EXPECT_LT(*std::ranges::min_element(seen), 50);
  EXPECT_GT(*std::ranges::max_element(seen), 950);
}

TEST(Example, EveryTemplateIsAProjectThatLoads) {
  for (const char* name : {"keyword", "sine"}) {
    TemporaryFolder folder;
    ASSERT_EQ(call({"new", name, folder / name}).status, 0);
    // Refused for want of a trained model, not for its settings.
    if (std::string_view(name) == "sine")
      expect_refused(call({"eval", "--project", folder / name}), 1, {"no trained model yet", "thimble train"});
    EXPECT_TRUE(std::filesystem::exists(folder / name / "thimble.toml"));
  }
}
