// A trained model as a file: comes back whole, and a file that is anything else is refused.
#include <cstring>

#include "core/files.h"
#include "device/base/crc32.h"
#include "train/support.h"

using namespace thimble;

namespace {

const TrainedModel& sine_model() {
  static const TrainedModel model = [] {
    Features features = sine_features(200);
    features.signal.config = {
        .block = "raw", .sample_rate_hz = 0, .value_scale = 1.0 / 4096, .settings = Attrs().set("columns", int64_t{1})};
    return must(train_model(sine_network(), features, {.epochs = 2, .batch = 16}, silent_progress()));
  }();
  return model;
}

std::vector<uint8_t> saved_bytes(const Path& path) {
  EXPECT_TRUE(save_model(sine_model(), path));
  return must(read_bytes(path));
}

void refresh_checksum(std::vector<uint8_t>& bytes) {
  const uint32_t crc = device::crc32(bytes.data(), static_cast<uint32_t>(bytes.size() - 4));
  std::memcpy(&bytes[bytes.size() - 4], &crc, 4);
}

}  // namespace

TEST(ModelFile, ComesBackWhole) {
  const Path path = fresh_folder("model") / "model.bin";
  const TrainedModel& model = sine_model();
  ASSERT_TRUE(save_model(model, path));
  const TrainedModel back = must(load_model(path));
  EXPECT_EQ(weights_of(back.graph), weights_of(model.graph));
  EXPECT_EQ(back.task, Task::regression);
  EXPECT_EQ(back.hash, model.hash);
  EXPECT_EQ(back.feature_mean, model.feature_mean);
  EXPECT_EQ(back.feature_std, model.feature_std);
  EXPECT_EQ(back.signal.block, "raw");
  EXPECT_EQ(back.signal.settings, model.signal.settings);
  EXPECT_EQ(back.log.size(), 2u);
  EXPECT_EQ(back.log[1].validation_loss, model.log[1].validation_loss);
  EXPECT_EQ(back.options.batch, 16);
  const Features features = sine_features(50);
  const std::vector<size_t> all = of_split(features, Split::train);
  EXPECT_EQ(predict(back.graph, features, all), predict(model.graph, features, all));
}

TEST(ModelFile, EveryDamagedByteIsNoticed) {
  const Path path = fresh_folder("damaged_model") / "model.bin";
  const std::vector<uint8_t> bytes = saved_bytes(path);
  for (size_t i = 0; i < bytes.size(); i += 41) {
    std::vector<uint8_t> damaged = bytes;
    damaged[i] ^= 0x10;
    ASSERT_TRUE(write_bytes(path, damaged));
    const auto model = load_model(path);
    ASSERT_FALSE(model) << "byte " << i;
    EXPECT_EQ(model.error().code, ErrorCode::bad_data);
    EXPECT_NE(model.error().where.find(path.string()), std::string::npos);
  }
}

TEST(ModelFile, AnyTruncationIsNoticed) {
  const Path path = fresh_folder("short_model") / "model.bin";
  const std::vector<uint8_t> bytes = saved_bytes(path);
  for (size_t size : {size_t{0}, size_t{7}, size_t{12}, size_t{19}, bytes.size() / 2, bytes.size() - 1}) {
    ASSERT_TRUE(write_bytes(path, std::span(bytes).first(size)));
    EXPECT_FALSE(load_model(path)) << size;
  }
}

// A file made on purpose has a good checksum; whatever it says must end in a model or an error.
TEST(ModelFile, HostileContentWithAGoodChecksumIsAnErrorAtMost) {
  const Path path = fresh_folder("hostile_model") / "model.bin";
  const std::vector<uint8_t> bytes = saved_bytes(path);
  Rng rng{99};
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<uint8_t> hostile = bytes;
    for (uint64_t n = 0; n <= rng.below(3); ++n)
      hostile[12 + rng.below(1500)] = static_cast<uint8_t>("0123456789-,:\"[]{}x\xff"[rng.below(20)]);
    refresh_checksum(hostile);
    ASSERT_TRUE(write_bytes(path, hostile));
    refused += !load_model(path);
  }
  EXPECT_GT(refused, 100);
}

TEST(ModelFile, ACheckpointIsNotAModel) {
  const Path path = fresh_folder("kinds") / "checkpoint";
  must(train_model(sine_network(), sine_features(100), {.epochs = 1, .checkpoint = path}, silent_progress()));
  const auto model = load_model(path);
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("not a thimble model"), std::string::npos);
}
