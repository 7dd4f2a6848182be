// Real recordings and published models through the real program and the emulated boards.
#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

namespace {

class Published : public testing::TestWithParam<const char*> {};

}  // namespace

TEST(RealRecordings, TheDeviceHearsWhatTheHostHears) {
  if (shared_data().empty()) GTEST_SKIP() << "the real recordings are not here (THIMBLE_SHARED_DATA)";
  TemporaryFolder folder;
  const Path recordings = std::filesystem::canonical(shared_data() / "audio/fsdd/recordings");
  write_project(folder.path(), fmt::format(R"([data]
kind = "pattern"
source = "{}"
pattern = "{{label}}_{{group}}_{{take}}.wav"
sample_rate_hz = 8000
split = [0.7, 0.0, 0.3]
test_groups = ["theo", "yweweler"]

[signal]
block = "log_mel"
window_ms = 1000
frame_ms = 32
hop_ms = 20
mel_bands = 32

[model]
architecture = "ds_cnn_pyramid"

[train]
epochs = 15
batch = 64
learning_rate = 0.004
weight_decay = 0.01
keep_best = false
speeds = [0.87, 1.15]

[train.augment]
shift_frames = 3
shift_bands = 1
time_mask_frames = 6
band_mask = 4
gain = 1.5

[deploy]
clips = 60
)",
                                           recordings.string()));
  const auto all = json_of({"all", "--json", "--project", folder.path()});
  EXPECT_EQ(all.at("differing_bytes"), 0);
  EXPECT_EQ(all.at("clips_on_device"), 60);
  EXPECT_EQ(all.at("accuracy").at("int8_device"), all.at("accuracy").at("int8_host"));
  // Ten digits, speakers never heard, a short training: above chance shows that it is the digits that are heard. How
  // well they are heard after a whole one is what tests/fsdd asks.
  EXPECT_GT(all.at("accuracy_full").at("int8_host").get<double>(), 0.2);
  EXPECT_NEAR(all.at("accuracy_full").at("int8_host").get<double>(), all.at("accuracy_full").at("float").get<double>(),
              0.03);
  expect_nothing_half_written(folder.path());
}

INSTANTIATE_TEST_SUITE_P(MlperfTiny, Published, testing::Values("kws_int8", "ic_int8", "ad_int8", "vww_int8"),
                         [](const auto& info) { return std::string(info.param); });

// The reference kernels of TensorFlow Lite Micro gave the expected bytes.
TEST_P(Published, GivesTheReferencesBytesOnTheBoard) {
  if (shared_data().empty()) GTEST_SKIP() << "the published models are not here (THIMBLE_SHARED_DATA)";
  const Path models = shared_data() / "models/mlperf_tiny";
  const std::string name = GetParam();
  TemporaryFolder folder;
  const auto expected = nlohmann::json::parse(read_text(models.parent_path() / "expected.json").value());
  const auto& facts = expected.at("mlperf_tiny/" + name + ".tflite");
  for (const char* board : {"host", "mps2-an386"}) {
    const Path out = folder / (name + ".bin");
    const auto run = json_of({"run", "--json", models / (name + ".tflite"), "--board", board, "--input",
                              models / (name + ".in.bin"), "--output", out},
                             {.environment = {{"XDG_CACHE_HOME", (folder / "cache").string()}}});
    EXPECT_EQ(run.at("samples"), facts.at("samples"));
    EXPECT_EQ(read_bytes(out).value(), read_bytes(models / (name + ".out.bin")).value()) << board;
  }
}
