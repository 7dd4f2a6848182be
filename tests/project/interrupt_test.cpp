// Ctrl-C, and worse: what was reached stays, nothing else does, and the next call goes on to the same result.
#include <algorithm>

#include "project/tone_project.h"

using namespace thimble;
using namespace thimble::testing_program;

namespace {

// Long enough to be stopped in the middle.
const std::pair<std::string, std::string> kManyEpochs = {"epochs = 30", "epochs = 150"};

bool has_checkpoint(const Path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "out", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint") && name.ends_with(".bin")) return true;
  }
  return false;
}

std::vector<uint8_t> model_of(const Path& folder) {
  const Ran ran = call({"convert", "--project", folder});
  EXPECT_EQ(ran.status, 0) << ran.err;
  return read_bytes(folder / "out/model.tflite").value_or(std::vector<uint8_t>{});
}

class InterruptedTraining : public testing::Test {
 protected:
  void SetUp() override {
    make_tone_project(folder_ / "stopped", {kManyEpochs});
    make_tone_project(folder_ / "whole", {kManyEpochs});
  }

  // Starts training, and sends the signal once there is a checkpoint.
  Ran train_until(int signal) const {
    Running training({"train", "--project", folder_ / "stopped"});
    EXPECT_TRUE(eventually([&] { return has_checkpoint(folder_ / "stopped"); }));
    training.send(signal);
    const Ran ran = training.wait();
    EXPECT_FALSE(std::filesystem::exists(folder_ / "stopped/out/model.thimble")) << "it was too late to stop it";
    EXPECT_TRUE(has_checkpoint(folder_ / "stopped"));
    return ran;
  }

  void expect_the_same_in_the_end() const {
    const Ran again = call({"train", "--project", folder_ / "stopped"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_NE(again.err.find("going on after epoch"), std::string::npos) << again.err;
    ASSERT_EQ(call({"train", "--project", folder_ / "whole"}).status, 0);
    EXPECT_FALSE(has_checkpoint(folder_ / "stopped")) << "of no use any more";
    const std::vector<uint8_t> stopped = model_of(folder_ / "stopped"), whole = model_of(folder_ / "whole");
    EXPECT_GT(whole.size(), 1000u);
    // The models carry their project's name, which is the same in both.
    EXPECT_EQ(stopped, whole);
    expect_nothing_half_written(folder_ / "stopped");
  }

  TemporaryFolder folder_;
};

}  // namespace

TEST_F(InterruptedTraining, ByCtrlC) {
  const Ran ran = train_until(SIGINT);
  expect_refused(ran, 1, {"stopped by the user", "run the same command again to go on"});
  expect_nothing_half_written(folder_ / "stopped");
  expect_the_same_in_the_end();
}

TEST_F(InterruptedTraining, ByKill) {
  EXPECT_EQ(train_until(SIGKILL).status, 128 + SIGKILL);
  expect_the_same_in_the_end();
}

namespace {

// Waits until the program has a child of that name, sends the signal, and takes the program's end. All children.
std::map<pid_t, std::string> stop_at_child(Running& running, const std::string& child, int signal, Ran& ran) {
  std::map<pid_t, std::string> children;
  EXPECT_TRUE(eventually([&] {
    children = descendants(running.id());
    return std::ranges::any_of(children, [&](const auto& found) { return found.second == child; });
  })) << child;
  running.send(signal);
  ran = running.wait();
  return children;
}

void expect_ended(const std::map<pid_t, std::string>& children) {
  for (const auto& [id, name] : children)
    EXPECT_TRUE(eventually([id = id] { return !is_alive(id); }, 10)) << name << " is still there";
}

// A model file and more input for it than an emulator gets through in the test's time.
class InterruptedRun : public testing::Test {
 protected:
  void SetUp() override {
    make_tone_project(folder_.path(), {{"epochs = 30", "epochs = 1"}});
    ASSERT_EQ(call({"train", "--project", folder_.path()}).status, 0);
    ASSERT_EQ(call({"convert", "--project", folder_.path()}).status, 0);
    ASSERT_TRUE(write_bytes(folder_ / "in.bin", std::vector<uint8_t>(24 * 12 * 20000)));
  }

  // The emulators of a run that gets the signal as soon as they are there.
  std::map<pid_t, std::string> run_until(int signal, Ran& ran) const {
    Running run({"run", folder_ / "out/model.tflite", "--board", "netduinoplus2", "--input", folder_ / "in.bin",
                 "--output", folder_ / "out.bin"},
                {.environment = {{"XDG_CACHE_HOME", (folder_ / "cache").string()}}});
    return stop_at_child(run, "qemu-system-arm", signal, ran);
  }

  TemporaryFolder folder_;
};

}  // namespace

TEST_F(InterruptedRun, CtrlCEndsTheEmulators) {
  Ran ran;
  const auto children = run_until(SIGINT, ran);
  expect_refused(ran, 1, {"stopped by the user"});
  expect_ended(children);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.bin"));
  expect_nothing_half_written(folder_.path());
}

TEST_F(InterruptedRun, KillEndsTheEmulatorsToo) {
  Ran ran;
  const auto children = run_until(SIGKILL, ran);
  EXPECT_EQ(ran.status, 128 + SIGKILL);
  expect_ended(children);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.bin"));
}

TEST_F(InterruptedRun, CtrlCEndsTheCompilers) {
  Running building({"build", "--project", folder_.path()});
  Ran ran;
  expect_ended(stop_at_child(building, "cc1plus", SIGINT, ran));
  expect_refused(ran, 1, {"stopped by the user"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/firmware/netduinoplus2/firmware.elf"));
  const Ran again = call({"build", "--project", folder_.path()});
  EXPECT_EQ(again.status, 0) << again.err;
}

TEST(InterruptedSpeaking, GoesOnToTheSameWords) {
  TemporaryFolder folder;
  const Words speak = {"data", "speak", "words", "--words", "yes", "no", "--clips", "60", "--voices", "12", "--json"};
  std::filesystem::create_directories(folder / "stopped");
  std::filesystem::create_directories(folder / "whole");
  Running speaking(speak, {.folder = folder / "stopped"});
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(folder / "stopped/words/yes"); }));
  Ran ran;
  expect_ended(stop_at_child(speaking, "espeak-ng", SIGINT, ran));
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_NE(ran.err.find("stopped by the user"), std::string::npos) << ran.err;
  expect_nothing_half_written(folder.path());
  EXPECT_GT(json_of(speak, {.folder = folder / "stopped"}).at("made"), 0);
  EXPECT_GT(json_of(speak, {.folder = folder / "whole"}).at("made"), 0);
  EXPECT_EQ(files_below(folder / "stopped"), files_below(folder / "whole"));
}
