#include "data/wav.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>

namespace thimble {

namespace {

constexpr uint64_t kMostBytes = 1ull << 31;

struct Named {
  uint32_t tag;
  std::string_view name;
};
constexpr Named kEncodings[] = {
    {2, "ADPCM"}, {3, "32-bit floating point"}, {6, "A-law"}, {7, "mu-law"}, {17, "IMA ADPCM"}, {49, "GSM 6.10"},
    {85, "MP3"}};
constexpr std::pair<std::string_view, std::string_view> kOtherFiles[] = {
    {"OggS", "an Ogg file"},
    {"fLaC", "a FLAC file"},
    {"ID3", "an MP3 file"},
    {"\xff\xfb", "an MP3 file"},
    {"FORM", "an AIFF file"},
    {"RF64", "an RF64 file"},
    {"RIFX", "a big-endian RIFX file"},
    {"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"}};

// Reads exactly `size` bytes at `offset`; false when the source ends before.
using ReadAt = std::function<bool(uint64_t offset, void* into, size_t size)>;

struct Header {
  uint32_t encoding = 0, channels = 0, rate_hz = 0, block_bytes = 0, bits = 0;
  uint64_t data_offset = 0, data_bytes = 0;
};

uint32_t little_endian(const uint8_t* bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

std::string conversion_hint(std::string_view name, int rate_hz = 0, int channels = 0) {
  std::string command = fmt::format("convert it: sox {} -b 16 -e signed-integer", name);
  if (rate_hz > 0) command += fmt::format(" -r {}", rate_hz);
  if (channels > 0) command += fmt::format(" -c {}", channels);
  return command + " converted.wav";
}

tl::unexpected<Error> not_a_wav(const ReadAt& read, std::string_view name) {
  std::array<char, 24> start{};
  for (size_t size = start.size(); size > 0 && !read(0, start.data(), size);) --size;
  std::string_view found = "something else";
  for (const auto& [magic, what] : kOtherFiles)
    if (std::string_view(start.data(), start.size()).starts_with(magic)) found = what;
  return fail(ErrorCode::bad_data, fmt::format("expected a WAV file, found {}", found), std::string(name),
              conversion_hint(name));
}

Outcome read_format(const ReadAt& read, uint64_t offset, uint32_t size, Header& header, std::string_view name) {
  std::array<uint8_t, 26> body{};
  const size_t wanted = std::min<size_t>(size, body.size());
  if (size < 16 || !read(offset, body.data(), wanted))
    return fail(ErrorCode::bad_data, "the WAV header is cut short", std::string(name),
                "record or download the file again");
  header.encoding = little_endian(&body[0], 2);
  header.channels = little_endian(&body[2], 2);
  header.rate_hz = little_endian(&body[4], 4);
  header.block_bytes = little_endian(&body[12], 2);
  header.bits = little_endian(&body[14], 2);
  constexpr uint32_t kExtensible = 0xFFFE;
  if (header.encoding == kExtensible && wanted == body.size()) header.encoding = little_endian(&body[24], 2);
  return {};
}

Outcome check_header(const Header& header, std::string_view name) {
  if (header.encoding != 1) {
    std::string found = fmt::format("encoding {}", header.encoding);
    for (const Named& known : kEncodings)
      if (known.tag == header.encoding) found = known.name;
    return fail(ErrorCode::unsupported, fmt::format("expected PCM sound, found {}", found), std::string(name),
                conversion_hint(name));
  }
  const bool width_known = header.bits == 8 || header.bits == 16 || header.bits == 24 || header.bits == 32;
  if (!width_known || header.channels == 0 || header.rate_hz == 0 || header.rate_hz > 1'000'000 ||
      header.block_bytes != header.channels * header.bits / 8)
    return fail(ErrorCode::bad_data,
                fmt::format("the WAV header makes no sense: {} Hz, {} channels, {} bits, {} bytes a moment",
                            header.rate_hz, header.channels, header.bits, header.block_bytes),
                std::string(name), conversion_hint(name));
  return {};
}

// Walks the chunks up to "data".
Result<Header> read_header(const ReadAt& read, std::string_view name) {
  std::array<uint8_t, 12> riff{};
  if (!read(0, riff.data(), riff.size()) || std::memcmp(&riff[0], "RIFF", 4) != 0 ||
      std::memcmp(&riff[8], "WAVE", 4) != 0)
    return not_a_wav(read, name);
  Header header;
  std::array<uint8_t, 8> chunk{};
  for (uint64_t offset = riff.size(); read(offset, chunk.data(), chunk.size());) {
    const uint32_t size = little_endian(&chunk[4], 4);
    offset += chunk.size();
    if (std::memcmp(&chunk[0], "fmt ", 4) == 0) THIMBLE_TRY(read_format(read, offset, size, header, name));
    if (std::memcmp(&chunk[0], "data", 4) == 0) {
      THIMBLE_TRY(check_header(header, name));
      header.data_offset = offset;
      header.data_bytes = size;
      return header;
    }
    offset += uint64_t{size} + (size & 1);
  }
  return fail(ErrorCode::bad_data, "the WAV file ends before its sound begins", std::string(name),
              "record or download the file again");
}

WavInfo info_of(const Header& header) {
  return {static_cast<int>(header.rate_hz), static_cast<int>(header.channels),
          static_cast<int64_t>(header.data_bytes / header.block_bytes)};
}

bool sizes_never_filled_in(const Header& header) { return header.data_bytes >= 0x7FFF0000u; }

}  // namespace

Result<WavInfo> read_wav_info(const Path& path) {
  std::error_code code;
  const uint64_t file_bytes = std::filesystem::file_size(path, code);
  if (code)
    return fail(ErrorCode::not_found, fmt::format("cannot read it: {}", code.message()), path.string(),
                "check the spelling of the path");
  if (file_bytes == 0)
    return fail(ErrorCode::bad_data, "the file is empty", path.string(), "record or download the file again");
  std::ifstream file(path, std::ios::binary);
  const ReadAt read = [&](uint64_t offset, void* into, size_t size) {
    file.clear();
    file.seekg(static_cast<std::streamoff>(offset));
    return static_cast<bool>(file.read(static_cast<char*>(into), static_cast<std::streamsize>(size)));
  };
  THIMBLE_LET(const Header header, read_header(read, path.string()));
  const uint64_t present = file_bytes - std::min(file_bytes, header.data_offset);
  if (header.data_bytes > present && sizes_never_filled_in(header))
    return fail(ErrorCode::bad_data, "the sizes in its header were never filled in (a stream saved as a file)",
                path.string(), fmt::format("rewrite it: sox --ignore-length {} rewritten.wav", path.string()));
  if (header.data_bytes > present)
    return fail(ErrorCode::bad_data,
                fmt::format("the file is cut short: its header promises {} bytes of sound, {} are there",
                            header.data_bytes, present),
                path.string(), "record or download the file again, or take it out of the data set");
  if (header.data_bytes < header.block_bytes)
    return fail(ErrorCode::bad_data, "the recording holds no sound", path.string(),
                "record it again, or take it out of the data set");
  if (header.data_bytes > kMostBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("the recording has {} bytes; at most {} are read", header.data_bytes, kMostBytes),
                path.string(), "cut it into shorter recordings");
  return info_of(header);
}

Result<Recording> read_wav(const Path& path) {
  THIMBLE_LET(const WavInfo info, read_wav_info(path));
  SF_INFO opened{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open(path.c_str(), SFM_READ, &opened), &sf_close);
  if (!file) return fail(ErrorCode::bad_data, fmt::format("cannot read it: {}", sf_strerror(nullptr)), path.string());
  Recording recording{info.sample_rate_hz, info.channels, {}};
  recording.samples.resize(static_cast<size_t>(info.frames * info.channels));
  const sf_count_t got =
      opened.channels == info.channels ? sf_readf_short(file.get(), recording.samples.data(), info.frames) : 0;
  if (got != info.frames)
    return fail(ErrorCode::bad_data, fmt::format("expected {} samples a channel, could read {}", info.frames, got),
                path.string(), conversion_hint(path.string()));
  return recording;
}

Result<Recording> parse_streamed_wav(std::string_view bytes, std::string_view name) {
  const ReadAt read = [&](uint64_t offset, void* into, size_t size) {
    if (offset > bytes.size() || bytes.size() - offset < size) return false;
    std::memcpy(into, bytes.data() + offset, size);
    return true;
  };
  THIMBLE_LET(Header header, read_header(read, name));
  if (header.bits != 16)
    return fail(ErrorCode::unsupported, fmt::format("expected 16-bit sound, found {} bits", header.bits),
                std::string(name));
  const uint64_t present = bytes.size() - header.data_offset;
  if (sizes_never_filled_in(header)) header.data_bytes = present;
  if (header.data_bytes > present)
    return fail(ErrorCode::bad_data, fmt::format("expected {} bytes of sound, found {}", header.data_bytes, present),
                std::string(name));
  const WavInfo info = info_of(header);
  Recording recording{info.sample_rate_hz, info.channels, {}};
  const auto* sound = reinterpret_cast<const uint8_t*>(bytes.data()) + header.data_offset;
  for (int64_t i = 0; i < info.frames * info.channels; ++i)
    recording.samples.push_back(static_cast<int16_t>(little_endian(sound + 2 * i, 2)));
  return recording;
}

Outcome check_format(const Path& path, int rate_hz, int channels, int wanted_rate_hz, int wanted_channels) {
  if (rate_hz == wanted_rate_hz && channels == wanted_channels) return {};
  const std::string message =
      rate_hz != wanted_rate_hz
          ? fmt::format("expected a sample rate of {} Hz, found {} Hz", wanted_rate_hz, rate_hz)
          : fmt::format("expected {} channel{}, found {}", wanted_channels, wanted_channels == 1 ? "" : "s", channels);
  return fail(ErrorCode::bad_data, message, path.string(),
              conversion_hint(path.string(), wanted_rate_hz, wanted_channels));
}

Outcome write_wav(const Path& path, const Recording& recording) {
  std::vector<uint8_t> bytes;
  bytes.reserve(44 + 2 * recording.samples.size());
  const auto put_name = [&](std::string_view name) { bytes.insert(bytes.end(), name.begin(), name.end()); };
  const auto put = [&](uint32_t value, int count) {
    for (int i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  const uint32_t data_bytes = static_cast<uint32_t>(2 * recording.samples.size());
  const uint32_t block_bytes = 2 * static_cast<uint32_t>(recording.channels);
  const uint32_t rate_hz = static_cast<uint32_t>(recording.sample_rate_hz);
  put_name("RIFF");
  put(36 + data_bytes, 4);
  put_name("WAVEfmt ");
  put(16, 4);
  put(1, 2);  // PCM
  put(static_cast<uint32_t>(recording.channels), 2);
  put(rate_hz, 4);
  put(rate_hz * block_bytes, 4);
  put(block_bytes, 2);
  put(16, 2);  // bits
  put_name("data");
  put(data_bytes, 4);
  for (int16_t sample : recording.samples) put(static_cast<uint16_t>(sample), 2);
  return write_bytes(path, bytes);
}

}  // namespace thimble
