#include "data/wav.h"

#include "data/sounds.h"

using namespace thimble;

namespace {

void overwrite(std::vector<uint8_t>& bytes, size_t at, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes[at + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (8 * i));
}

// A one-tone WAV of ours, as bytes to be damaged. Offsets: 20 encoding, 22 channels, 34 bits, 40 size of the sound, 44
// the sound.
std::vector<uint8_t> tone_bytes(const TemporaryFolder& folder) {
  EXPECT_TRUE(write_wav(folder / "tone.wav", make_tone(440)));
  return *read_bytes(folder / "tone.wav");
}

Error error_of(const Path& path, const std::vector<uint8_t>& bytes) {
  EXPECT_TRUE(write_bytes(path, bytes));
  const auto recording = read_wav(path);
  EXPECT_FALSE(recording);
  return recording ? Error{} : recording.error();
}

}  // namespace

TEST(Wav, WriteThenReadGivesTheSameSound) {
  const TemporaryFolder folder;
  const Recording stereo = make_tone(440, 0.25, 22050, 2);
  ASSERT_TRUE(write_wav(folder / "a.wav", stereo));
  const auto info = read_wav_info(folder / "a.wav");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->sample_rate_hz, 22050);
  EXPECT_EQ(info->channels, 2);
  EXPECT_NEAR(info->duration_s(), 0.25, 1e-3);
  const auto back = read_wav(folder / "a.wav");
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(back->samples, stereo.samples);
}

TEST(Wav, EightBitSoundIsConverted) {
  const TemporaryFolder folder;
  auto bytes = tone_bytes(folder);
  overwrite(bytes, 32, 1, 2);
  overwrite(bytes, 34, 8, 2);
  bytes[44] = 0x80;
  bytes[45] = 0xFF;
  ASSERT_TRUE(write_bytes(folder / "eight.wav", bytes));
  const auto recording = read_wav(folder / "eight.wav");
  ASSERT_TRUE(recording) << to_string(recording.error());
  EXPECT_EQ(recording->samples[0], 0);
  EXPECT_EQ(recording->samples[1], 127 * 256);
}

TEST(Wav, TruncatedFileSaysHowMuchIsThere) {
  const TemporaryFolder folder;
  auto bytes = tone_bytes(folder);
  bytes.resize(1044);
  const Error error = error_of(folder / "cut.wav", bytes);
  EXPECT_EQ(error.code, ErrorCode::bad_data);
  EXPECT_NE(error.message.find("promises 3200 bytes of sound, 1000 are there"), std::string::npos) << error.message;
  EXPECT_NE(error.where.find("cut.wav"), std::string::npos);
}

TEST(Wav, EveryShorterFileIsAnErrorAndNoCrash) {
  const TemporaryFolder folder;
  const auto bytes = tone_bytes(folder);
  for (size_t size = 0; size < 60; ++size)
    EXPECT_FALSE(
        error_of(folder / "cut.wav", {bytes.begin(), bytes.begin() + static_cast<long>(size)}).message.empty());
}

TEST(Wav, AnyByteOfTheHeaderMayBeWrongWithoutACrash) {
  const TemporaryFolder folder;
  const auto good = tone_bytes(folder);
  for (size_t at = 0; at < 44; ++at)
    for (uint8_t value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      auto bytes = good;
      bytes[at] = value;
      ASSERT_TRUE(write_bytes(folder / "x.wav", bytes));
      const auto recording = read_wav(folder / "x.wav");
      if (recording) {
        EXPECT_LE(recording->samples.size(), 3200u) << at;
      } else {
        EXPECT_FALSE(recording.error().message.empty()) << at;
      }
    }
}

TEST(Wav, OtherEncodingsAreNamedWithTheCommandThatConverts) {
  const TemporaryFolder folder;
  for (const auto& [encoding, name] : {std::pair{3u, "floating point"}, {2u, "ADPCM"}, {6u, "A-law"}, {7u, "mu-law"}}) {
    auto bytes = tone_bytes(folder);
    overwrite(bytes, 20, encoding, 2);
    const Error error = error_of(folder / "other.wav", bytes);
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_NE(error.message.find(name), std::string::npos) << error.message;
    EXPECT_NE(error.hint.find("sox "), std::string::npos) << error.hint;
  }
}

TEST(Wav, OtherFilesAreRecognised) {
  const TemporaryFolder folder;
  const auto error = [&](std::string_view text) {
    return error_of(folder / "x.wav", std::vector<uint8_t>(text.begin(), text.end())).message;
  };
  EXPECT_EQ(error(""), "the file is empty");
  EXPECT_NE(error("OggS and more bytes of it").find("Ogg"), std::string::npos);
  EXPECT_NE(error("version https://git-lfs.github.com/spec/v1").find("Git LFS pointer"), std::string::npos);
  EXPECT_NE(error("hello").find("something else"), std::string::npos);
}

TEST(Wav, NonsenseInTheHeaderIsRefused) {
  const TemporaryFolder folder;
  for (const auto& [offset, value] : {std::pair<size_t, uint32_t>{22, 0}, {22, 7}, {34, 12}, {34, 0}}) {
    auto bytes = tone_bytes(folder);
    overwrite(bytes, offset, value, 2);
    EXPECT_EQ(error_of(folder / "x.wav", bytes).code, ErrorCode::bad_data);
  }
  auto silent = tone_bytes(folder);
  overwrite(silent, 40, 0, 4);
  EXPECT_NE(error_of(folder / "x.wav", silent).message.find("no sound"), std::string::npos);
}

TEST(Wav, StreamWithSizesNeverFilledInIsReadToItsEnd) {
  const TemporaryFolder folder;
  auto bytes = tone_bytes(folder);
  overwrite(bytes, 40, 0x7FFFF000, 4);
  EXPECT_NE(error_of(folder / "x.wav", bytes).message.find("never filled in"), std::string::npos);
  const auto recording = parse_streamed_wav({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "pipe");
  ASSERT_TRUE(recording) << to_string(recording.error());
  EXPECT_EQ(recording->samples, make_tone(440).samples);
}

TEST(Wav, MissingFileIsNotFound) {
  const auto recording = read_wav("/nowhere/x.wav");
  ASSERT_FALSE(recording);
  EXPECT_EQ(recording.error().code, ErrorCode::not_found);
}
