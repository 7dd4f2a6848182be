// Ctrl-C, and worse: what was reached stays, nothing else does, and the next call goes on to the same result.
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

// A model file and more input for it than an emulator gets through in the test's time.
class InterruptedRun : public testing::Test {
 protected:
  void SetUp() override {
    make_tone_project(folder_.path(), {{"epochs = 30", "epochs = 1"}});
    ASSERT_EQ(call({"train", "--project", folder_.path()}).status, 0);
    ASSERT_EQ(call({"convert", "--project", folder_.path()}).status, 0);
    const auto model = json_of({"inspect", "--json", folder_ / "out/model.tflite"});
    ASSERT_TRUE(write_bytes(folder_ / "in.bin", std::vector<uint8_t>(24 * 12 * 20000)));
  }

  // The emulators of a run that gets the signal as soon as they are there.
  std::map<pid_t, std::string> run_until(int signal, Ran& ran) const {
    Running run({"run", folder_ / "out/model.tflite", "--board", "netduinoplus2", "--input", folder_ / "in.bin",
                 "--output", folder_ / "out.bin"},
                {.environment = {{"XDG_CACHE_HOME", (folder_ / "cache").string()}}});
    std::map<pid_t, std::string> children;
    EXPECT_TRUE(eventually([&] {
      children = descendants(run.id());
      return std::ranges::any_of(children, [](const auto& child) { return child.second.starts_with("qemu-system"); });
    }));
    run.send(signal);
    ran = run.wait();
    return children;
  }

  TemporaryFolder folder_;
};

}  // namespace

TEST_F(InterruptedRun, CtrlCEndsTheEmulators) {
  Ran ran;
  const auto children = run_until(SIGINT, ran);
  expect_refused(ran, 1, {"stopped by the user"});
  for (const auto& [id, name] : children) EXPECT_FALSE(is_alive(id)) << name;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.bin"));
  expect_nothing_half_written(folder_.path());
}

TEST_F(InterruptedRun, KillEndsTheEmulatorsToo) {
  Ran ran;
  const auto children = run_until(SIGKILL, ran);
  EXPECT_EQ(ran.status, 128 + SIGKILL);
  for (const auto& [id, name] : children)
    EXPECT_TRUE(eventually([id = id] { return !is_alive(id); }, 10)) << name << " is still there";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.bin"));
}
