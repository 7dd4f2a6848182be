// What holds for every verb: help with an example, JSON for machines on standard output and nothing else there,
// progress on standard error.
#include <algorithm>
#include <iterator>
#include <set>

#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

namespace {

// Verbs as a person types them ("data stats" is one), from what --help lists, and from what that lists.
std::vector<std::string> all_verbs(const std::string& below = "") {
  Words words;
  std::istringstream typed(below);
  for (std::string word; typed >> word;) words.push_back(word);
  words.push_back("--help");
  const Ran help = call(words);
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  std::vector<std::string> verbs;
  std::istringstream lines(help.out.substr(std::min(help.out.size(), help.out.find("Subcommands:"))));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty()) {
    std::istringstream listed(line);
    std::string verb;
    if (line.starts_with("   ") || !(listed >> verb)) continue;  // a description that goes on
    verbs.push_back(below + verb);
    std::ranges::copy(all_verbs(verbs.back() + " "), std::back_inserter(verbs));
  }
  return verbs;
}

}  // namespace

TEST(Verbs, AllAreThere) {
  const std::vector<std::string> verbs = all_verbs();
  for (const char* verb : {"new", "data", "train", "eval", "convert", "inspect", "compile", "build", "run", "bench",
                           "boards", "ops", "doctor", "all", "demo"})
    EXPECT_TRUE(std::ranges::find(verbs, verb) != verbs.end()) << verb;
}

TEST(Verbs, HelpHasAnExample) {
  for (const std::string& verb : all_verbs()) {
    Words words;
    std::istringstream typed(verb + " --help");
    for (std::string word; typed >> word;) words.push_back(word);
    const Ran help = call(words);
    EXPECT_EQ(help.status, 0) << verb;
    EXPECT_EQ(help.err, "") << verb;
    const size_t example = help.out.find("Example:");
    ASSERT_NE(example, std::string::npos) << help.out;
    EXPECT_NE(help.out.find("thimble " + verb, example), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("--json"), std::string::npos) << verb;
  }
  EXPECT_EQ(call({"--version"}).out.substr(0, 8), "thimble ");
}

TEST(Verbs, JsonAloneOnStandardOutput) {
  TemporaryFolder folder;
  make_tone_project(folder.path());
  const std::string model = folder / "out/model.tflite";
  ASSERT_TRUE(write_bytes(folder / "in.bin", std::vector<uint8_t>(24 * 12 * 2, 5)));
  const std::vector<Words> calls = {
      {"new", "sine", folder / "new"},
      {"data"},
      {"data", "stats"},
      {"data", "split"},
      {"data", "import", "data"},
      {"data", "speak", folder / "spoken", "--words", "yes", "no", "--clips", "4", "--voices", "3"},
      {"train"},
      {"eval"},
      {"convert"},
      {"compile"},
      {"build"},
      {"run"},
      {"run", "--board", "host"},
      {"all"},
      {"run", model, "--board", "host", "--input", folder / "in.bin", "--output", folder / "out.bin"},
      {"convert", model, "--output", folder / "again.tflite", "--header"},
      {"inspect", model},
      {"diff", model, model},
      {"bench", model, "--board", "netduinoplus2"},
      {"boards"},
      {"ops"},
      {"doctor"},
  };
  const Surroundings around{.folder = folder.path(), .environment = {{"XDG_CACHE_HOME", (folder / "cache").string()}}};
  std::set<std::string> called = {"demo"};  // see tests/chain
  for (Words words : calls) {
    called.insert(words[0]);
    called.insert(words[0] + " " + (words.size() > 1 ? words[1] : ""));
    words.push_back("--json");
    const auto json = json_of(words, around);
    EXPECT_TRUE(json.is_object() || json.is_array()) << words[0];
    EXPECT_FALSE(json.empty()) << words[0];
  }
  for (const std::string& verb : all_verbs()) EXPECT_TRUE(called.contains(verb)) << verb << " is not tried here";
  expect_nothing_half_written(folder.path());
}

TEST(Verbs, OpsPrintsItsPage) {
  const Ran page = call({"ops", "--markdown"});
  EXPECT_EQ(page.status, 0) << page.err;
  EXPECT_TRUE(page.out == read_text(Path(THIMBLE_SOURCE_DIR) / "docs/ops.md").value_or(""))
      << "refresh it: build/thimble ops --markdown > docs/ops.md";
  EXPECT_NE(call({"ops"}).out.find("\nconv2d "), std::string::npos);
}

TEST(Verbs, ProgressIsOnStandardError) {
  TemporaryFolder folder;
  make_tone_project(folder.path(), {{"epochs = 30", "epochs = 3"}});
  const Ran ran = call({"train", "--project", folder.path()});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_NE(ran.err.find("epoch 3/3"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.out.find("epoch 3/3"), std::string::npos) << ran.out;
  EXPECT_EQ(count_of(ran.out, "\n"), 1u) << ran.out;
  EXPECT_EQ(ran.err.find('\x1b'), std::string::npos) << "bars are for terminals";
  const Ran silent = call({"boards"});
  EXPECT_EQ(silent.err, "");
  EXPECT_NE(silent.out.find("netduinoplus2"), std::string::npos);
}
