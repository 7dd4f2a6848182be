// What a person gets for input that cannot work: one message that says what was found, what was expected and what to
// do, the right exit status, and a folder as it was.
#include <sys/mount.h>

#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

namespace {

class BadData : public testing::Test {
 protected:
  void SetUp() override {
    make_tones(data(), 4, 1);
    write_project(folder_.path(), tone_project());
  }
  Path data() const { return folder_ / "data"; }

  // `verb` refuses the project and writes nothing.
  void expect_refusal(const std::vector<std::string>& pieces, int status = 1, const std::string& verb = "data") {
    const auto before = files_below(folder_.path());
    expect_refused(call({verb, "--project", folder_.path()}), status, pieces);
    EXPECT_EQ(files_below(folder_.path()), before);
  }

  TemporaryFolder folder_;
};

void append(std::vector<uint8_t>& bytes, std::initializer_list<uint32_t> numbers, int width) {
  for (uint32_t number : numbers)
    for (int i = 0; i < width; ++i) bytes.push_back(static_cast<uint8_t>(number >> (8 * i)));
}

// One channel of 32-bit floating-point silence.
std::vector<uint8_t> float_wav(uint32_t samples) {
  std::vector<uint8_t> bytes = {'R', 'I', 'F', 'F'};
  append(bytes, {36 + 4 * samples}, 4);
  for (char c : std::string_view("WAVEfmt ")) bytes.push_back(static_cast<uint8_t>(c));
  append(bytes, {16}, 4);
  append(bytes, {3, 1}, 2);  // IEEE float, one channel
  append(bytes, {kToneRate, 4 * kToneRate}, 4);
  append(bytes, {4, 32}, 2);
  for (char c : std::string_view("data")) bytes.push_back(static_cast<uint8_t>(c));
  append(bytes, {4 * samples}, 4);
  bytes.resize(bytes.size() + 4 * samples);
  return bytes;
}

}  // namespace

TEST_F(BadData, MissingFolder) {
  std::filesystem::remove_all(data());
  expect_refusal({"no such file or folder", data().string(), "check the spelling"});
}

TEST_F(BadData, EmptyClassFolder) {
  std::filesystem::create_directories(data() / "high2");
  expect_refusal({"high2", "WAV recordings of class \"high2\"", "found nothing", "put recordings there"});
}

TEST_F(BadData, EmptyFolder) {
  std::filesystem::remove_all(data());
  std::filesystem::create_directories(data());
  expect_refusal({data().string(), "one folder of WAV recordings for each class"});
}

TEST_F(BadData, TruncatedWav) {
  const Path file = data() / "low/v1_nohash_0.wav";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  expect_refusal({file.string(), "cut short", "6240 bytes"});
}

TEST_F(BadData, WavCutWithinItsHeader) {
  const Path file = data() / "low/v1_nohash_0.wav";
  std::filesystem::resize_file(file, 30);
  expect_refusal({file.string(), "cut short"});
}

TEST_F(BadData, EmptyFileNamedWav) {
  const Path file = data() / "low/v1_nohash_0.wav";
  std::filesystem::resize_file(file, 0);
  expect_refusal({file.string(), "empty"});
}

TEST_F(BadData, FloatingPointWav) {
  const Path file = data() / "noise/float.wav";
  ASSERT_TRUE(write_bytes(file, float_wav(4000)));
  expect_refusal({file.string(), "expected PCM", "float", "-b 16"});
}

TEST_F(BadData, WrongSampleRate) {
  const Path file = data() / "noise/fast.wav";
  ASSERT_TRUE(write_wav(file, make_tone(440, 0.5, 11025)));
  expect_refusal({file.string(), "expected a sample rate of 8000 Hz, found 11025 Hz", "-r 8000"});
}

TEST_F(BadData, WrongNumberOfChannels) {
  const Path file = data() / "noise/wide.wav";
  ASSERT_TRUE(write_wav(file, make_tone(440, 0.5, kToneRate, 2)));
  expect_refusal({file.string(), "expected 1 channel, found 2"});
}

TEST_F(BadData, ClassWithOneSample) {
  ASSERT_TRUE(write_wav(data() / "rare/v0_nohash_0.wav", make_tone(440, 0.5, kToneRate)));
  expect_refusal({"class \"rare\" has only one recording", "at least 2"});
}

TEST_F(BadData, TrainSaysTheSameAsData) {
  std::filesystem::remove_all(data() / "low");
  std::filesystem::create_directories(data() / "low");
  expect_refusal({"low", "found nothing"}, 1, "train");
  expect_refusal({"low", "found nothing"}, 1, "all");
}

TEST_F(BadData, ARecordingThatBreaksAfterTraining) {
  ASSERT_EQ(call({"train", "--project", folder_.path()}).status, 0);
  const Path file = data() / "low/v1_nohash_0.wav";
  std::filesystem::resize_file(file, 1000);
  expect_refusal({file.string(), "cut short"}, 1, "eval");
}

TEST_F(BadData, UnknownKeySuggestsTheNearest) {
  write_project(folder_.path(), tone_project({{"hop_ms", "hopp_ms"}}));
  expect_refusal({"hopp_ms", "hop_ms"}, 2);
  write_project(folder_.path(), tone_project({{"learning_rate", "learn_rate"}}));
  expect_refusal({"thimble.toml:", "[train]", "unknown key learn_rate", "did you mean \"learning_rate\"?"}, 2);
  write_project(folder_.path(), tone_project({{"[deploy]", "[deplyo]"}}));
  expect_refusal({"unknown key deplyo", "did you mean \"deploy\"?"}, 2);
  write_project(folder_.path(), tone_project({{"channels = 8", "chanels = 8"}}));
  expect_refusal({"chanels", "channels"}, 2);
}

TEST_F(BadData, WrongValues) {
  write_project(folder_.path(), tone_project({{"epochs = 30", "epochs = \"many\""}}));
  expect_refusal({"thimble.toml:", "epochs must be", "found a string"}, 2);
  write_project(folder_.path(), tone_project({{"epochs = 30", "epochs = 0"}}));
  expect_refusal({"epochs", "at least 1"}, 2);
  write_project(folder_.path(), tone_project({{"epochs = 30", "epochs = "}}));
  expect_refusal({"thimble.toml:24", "expected value"});
  write_project(folder_.path(), tone_project({{"0.5, 0.2, 0.3", "0.5, 0.2, 0.5"}}));
  expect_refusal({"split", "add up to 1"}, 2);
  write_project(folder_.path(), tone_project({{"\"folder\"", "\"foldr\""}}));
  expect_refusal({"foldr", "folder"}, 2);
  write_project(folder_.path(), tone_project({{"ds_cnn", "ds_cn"}}));
  expect_refusal({"ds_cn", "ds_cnn"}, 2);
  write_project(folder_.path(), tone_project({{"log_mel", "logmel"}}));
  expect_refusal({"logmel", "log_mel"}, 2);
  write_project(folder_.path(), tone_project({{"\"netduinoplus2\"", "\"netduinoplus\""}}));
  expect_refusal({"there is no board \"netduinoplus\"", "did you mean \"netduinoplus2\"?"}, 2, "all");
}

TEST_F(BadData, LossThatExplodes) {
  write_project(folder_.path(), tone_project({{"learning_rate = 0.01", "learning_rate = 1e30"}}));
  expect_refused(call({"train", "--project", folder_.path()}), 1,
                 {"the loss became", "epoch", "lower the learning rate"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/model.thimble"));
  expect_refused(call({"eval", "--project", folder_.path()}), 1, {"no trained model yet", "thimble train"});
  // The checkpoints of a training that went wrong do not stand in the way of one that does not.
  write_project(folder_.path(), tone_project());
  EXPECT_EQ(call({"train", "--project", folder_.path()}).status, 0);
  expect_nothing_half_written(folder_.path());
}

TEST_F(BadData, SettingsThatChangedAfterTraining) {
  ASSERT_EQ(call({"train", "--project", folder_.path()}).status, 0);
  write_project(folder_.path(), tone_project({{"mel_bands = 12", "mel_bands = 10"}}));
  expect_refusal({"other data or settings", "thimble train"}, 1, "convert");
}

TEST_F(BadData, NewRefusesAFolderInUse) {
  const auto before = files_below(folder_.path());
  expect_refused(call({"new", "sine", folder_.path()}), 2, {folder_.path().string(), "not empty"});
  expect_refused(call({"new", "keywrd", folder_ / "x"}), 2, {"keywrd", "did you mean \"keyword\"?"});
  EXPECT_EQ(files_below(folder_.path()), before);
}

TEST(Words, MistakesAreUsageErrors) {
  expect_refused(call({}), 2, {"thimble --help"});
  expect_refused(call({"trian"}), 2, {"trian", "did you mean \"train\"?"});
  expect_refused(call({"frobnicate"}), 2, {"frobnicate", "thimble --help"});
  expect_refused(call({"train", "--frehs"}), 2, {"--frehs", "did you mean \"--fresh\"?"});
  expect_refused(call({"train", "words"}), 2, {"words"});
  expect_refused(call({"inspect"}), 2, {"model"});
  expect_refused(call({"bench", "m.tflite"}), 2, {"--board"});
  expect_refused(call({"train", "--fresh", "--resume"}), 2, {"--fresh", "--resume"});
  expect_refused(call({"run", "m.tflite"}), 2, {"--input", "--output", "example"});
  expect_refused(call({"run", "--input", "in.bin"}), 2, {"--input", "model file"});
  expect_refused(call({"new", "sine", ""}), 2, {"the folder has no name"});
}

TEST(Words, WrongPathsAndFiles) {
  TemporaryFolder folder;
  expect_refused(call({"train", "--project", folder / "nowhere"}), 1, {"no thimble.toml", "thimble new"});
  expect_refused(call({"inspect", folder / "m.tflite"}), 1, {"m.tflite", "check the spelling"});
  ASSERT_TRUE(write_text(folder / "file", ""));
  expect_refused(call({"train", "--project", folder / "file"}), 1, {"file, not a folder"});
  ASSERT_TRUE(write_text(folder / "m.tflite", "[project]\nname = \"not a model\"\n"));
  expect_refused(call({"inspect", folder / "m.tflite"}), 1, {"m.tflite", "not a .tflite model"});
  expect_refused(call({"bench", folder / "m.tflite", "--board", "mps2-an3866"}), 2, {"did you mean \"mps2-an386\"?"});
}

TEST(Words, ErrorsAreAlsoJson) {
  const Ran ran = call({"train", "--json", "--project", "/nowhere"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(parse_json(ran).at("error").at("message").get<std::string>().find("no thimble.toml"), std::string::npos);
  const Ran usage = call({"trian", "--json"});
  EXPECT_EQ(usage.status, 2);
  EXPECT_NE(parse_json(usage).at("error").at("hint").get<std::string>().find("train"), std::string::npos);
}

namespace {

// One epoch is enough to have a model, however bad.
void expect_too_large(const Path& folder, const std::vector<std::string>& pieces) {
  const std::string project = folder.string();
  ASSERT_EQ(call({"train", "--project", project}).status, 0);
  expect_refused(call({"build", "--project", project}), 1, pieces);
  expect_refused(call({"all", "--project", project}), 1, pieces);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/firmware/netduinoplus2/firmware.elf"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out/report.html"));
  expect_nothing_half_written(folder);
}

const std::pair<std::string, std::string> kOneEpoch = {"epochs = 30", "epochs = 1"};

}  // namespace

TEST(TooLarge, MoreWeightsThanFlash) {
  TemporaryFolder folder;
  make_tones(folder / "data", 4, 1);
  write_project(
      folder.path(),
      tone_project({kOneEpoch, {"ds_cnn", "mlp"}, {"channels = 8", "hidden = 1000"}, {"blocks = 1", "layers = 3"}}));
  expect_too_large(folder.path(), {"does not fit netduinoplus2", "more flash than the 1048576 bytes it has", "layer",
                                   "make that layer smaller"});
}

TEST(TooLarge, MoreActivationsThanRam) {
  TemporaryFolder folder;
  make_tones(folder / "data", 4, 1);
  write_project(folder.path(),
                tone_project({kOneEpoch, {"window_ms = 500", "window_ms = 4000"}, {"channels = 8", "channels = 320"}}));
  expect_too_large(folder.path(),
                   {"does not fit netduinoplus2", "more RAM than the 131072 bytes it has", "layer", "fewer channels"});
}

namespace {

class MissingTool : public testing::Test {
 protected:
  Surroundings with_nothing() const { return {.environment = {{"PATH", (folder_ / "bin").string()}}}; }
  TemporaryFolder folder_;
};

}  // namespace

TEST_F(MissingTool, SpeechSynthesiser) {
  ASSERT_EQ(call({"new", "keyword", folder_ / "words"}).status, 0);
  const auto before = files_below(folder_.path());
  expect_refused(call({"data", "--project", folder_ / "words"}, with_nothing()), 1,
                 {"espeak-ng is not installed", "apt-get install espeak-ng"});
  EXPECT_EQ(files_below(folder_.path()), before);
}

TEST_F(MissingTool, CompilerAndEmulator) {
  make_tone_project(folder_.path(), {kOneEpoch});
  ASSERT_EQ(call({"train", "--project", folder_.path()}, with_nothing()).status, 0);
  expect_refused(call({"build", "--project", folder_.path()}, with_nothing()), 1,
                 {"arm-none-eabi-g++ is not installed", "apt-get install gcc-arm-none-eabi"});
  expect_refused(call({"run", "--project", folder_.path()}, with_nothing()), 1,
                 {"qemu-system-arm is not installed", "apt-get install qemu-system-arm"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/firmware/netduinoplus2/firmware.elf"));
  expect_nothing_half_written(folder_.path());
  // What needs neither still works.
  EXPECT_EQ(call({"run", "--board", "host", "--project", folder_.path()}, with_nothing()).status, 0);
}

TEST_F(MissingTool, DoctorNamesThePackages) {
  const Ran ran = call({"doctor"}, with_nothing());
  EXPECT_EQ(ran.status, 1);
  for (const char* piece : {"missing", "espeak-ng", "gcc-arm-none-eabi", "qemu-system-arm", "apt-get install"})
    EXPECT_NE(ran.out.find(piece), std::string::npos) << piece << "\n" << ran.out;
}

namespace {

// Every stage that writes, on a disk with room for less than it needs.
void expect_disk_full(const Path& folder, const Words& words, int64_t largest_file) {
  std::filesystem::create_directories(folder / "out");
  const auto before = files_below(folder / "out");
  expect_refused(call(words, {.largest_file = largest_file}), 1, {"File too large", folder.string()});
  for (const auto& [path, hash] : before) EXPECT_EQ(files_below(folder / "out")[path], hash) << path;
  expect_nothing_half_written(folder);
}

}  // namespace

TEST(DiskFull, IsAnErrorAtEveryStage) {
  TemporaryFolder folder;
  make_tone_project(folder.path(), {kOneEpoch});
  const std::string project = folder.path();
  expect_disk_full(folder.path(), {"data", "--project", project}, 1000);
  ASSERT_EQ(call({"data", "--project", project}).status, 0);
  expect_disk_full(folder.path(), {"train", "--project", project}, 1000);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/model.thimble"));
  ASSERT_EQ(call({"train", "--project", project}).status, 0);
  expect_disk_full(folder.path(), {"convert", "--project", project}, 1000);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/model.tflite"));
  expect_disk_full(folder.path(), {"compile", "--project", project}, 1000);
  ASSERT_EQ(call({"convert", "--project", project}).status, 0);
}

TEST(DiskFull, TheCompilersToo) {
  TemporaryFolder folder;
  make_tone_project(folder.path(), {kOneEpoch});
  ASSERT_EQ(call({"train", "--project", folder.path()}).status, 0);
  const Ran ran = call({"build", "--project", folder.path()}, {.largest_file = 20000});
  expect_refused(ran, 1, {"File too large"});
  EXPECT_FALSE(std::filesystem::exists(folder / "out/firmware/netduinoplus2/firmware.elf"));
  // And with room again, it is only built.
  EXPECT_EQ(call({"build", "--project", folder.path()}).status, 0);
}

TEST(DiskFull, SpokenWords) {
  TemporaryFolder folder;
  ASSERT_EQ(call({"new", "keyword", folder / "words"}).status, 0);
  expect_refused(call({"data", "--project", folder / "words"}, {.largest_file = 20000}), 1, {"File too large"});
  expect_nothing_half_written(folder.path());
}

TEST(DiskFull, OnARealSmallDisk) {
  TemporaryFolder folder;
  const Path disk = folder / "disk";
  std::filesystem::create_directories(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=512k") != 0) GTEST_SKIP() << "may not mount a disk here";
  const Words words = {"new", "sine", disk / "sine"};
  EXPECT_EQ(call(words).status, 0);
  EXPECT_TRUE(write_text(disk / "ballast", std::string(400000, 'x')));
  expect_refused(call({"all", "--project", disk / "sine"}), 1,
                 {"No space left on device", "free some space on this disk"});
  expect_nothing_half_written(disk);
  ::umount(disk.c_str());
}

// A reader that goes away, as head does: nothing is said, and the task's own end decides.
TEST(Program, EndsQuietlyWhenNobodyReadsOn) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  for (const Words& words : {Words{"ops"}, Words{"ops", "--markdown"}, Words{"boards", "--json"}}) {
    const Ran ran = call(words, {.output_descriptor = ends[1]});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.err, "");
  }
  ::close(ends[1]);
}

TEST(DiskFull, StandardOutput) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const Ran ran = call({"boards", "--json"}, {.standard_output = "/dev/full"});
  expect_refused(ran, 1, {"standard output", "No space left on device"});
}
