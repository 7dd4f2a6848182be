// The demo keeps its promise: from sound to a decision on an emulated microcontroller, with voices it never heard.
#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

TEST(Demo, FromSoundToDecision) {
  TemporaryFolder folder;
  const auto demo = json_of({"demo", "--json"}, {.folder = folder.path()});
  for (const auto& [name, accuracy] : demo.at("accuracy").items()) EXPECT_GE(accuracy.get<double>(), 0.93) << name;
  for (const auto& [name, accuracy] : demo.at("accuracy_full").items()) EXPECT_GE(accuracy.get<double>(), 0.93) << name;
  EXPECT_EQ(demo.at("differing_bytes"), 0);
  EXPECT_GE(demo.at("clips_on_device").get<int64_t>(), 200);
  EXPECT_GT(demo.at("instructions").at("dsp").get<int64_t>(), 0);
  EXPECT_GT(demo.at("instructions").at("model").get<int64_t>(), 0);
  EXPECT_LE(demo.at("flash_bytes").get<int64_t>(), 1 << 20);
  EXPECT_LE(demo.at("ram_bytes").get<int64_t>(), 128 << 10);
  EXPECT_LE(demo.at("stack_bytes"), demo.at("ram_bytes"));
  EXPECT_TRUE(std::filesystem::exists(folder / "thimble-demo/out/report.html"));

  const auto dataset = nlohmann::json::parse(read_text(folder / "thimble-demo/out/dataset.json").value());
  EXPECT_GE(dataset.at("samples").size(), 4000u);
  EXPECT_EQ(dataset.at("classes").size(), 10u);
  std::map<std::string, std::string> split_of;
  for (const auto& sample : dataset.at("samples")) {
    const auto [found, fresh] = split_of.emplace(sample.at("group"), sample.at("split"));
    EXPECT_EQ(found->second, sample.at("split")) << "the voice " << found->first << " is in two splits";
  }
  expect_nothing_half_written(folder.path());
}
