#include "train/tensor_file.h"

#include <bit>

#include "device/base/crc32.h"

namespace thimble {

namespace {

static_assert(std::endian::native == std::endian::little, "the file is the memory's bytes");

constexpr std::string_view kMagic = "thimble\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefixBytes = kMagic.size() + 2 * sizeof(uint32_t);
constexpr uint64_t kMaxBytes = 1u << 30;

uint32_t read_u32(std::span<const uint8_t> bytes, size_t offset) {
  uint32_t value = 0;
  std::memcpy(&value, &bytes[offset], sizeof value);
  return value;
}

void append(std::vector<uint8_t>& bytes, const void* data, size_t count) {
  const auto* begin = static_cast<const uint8_t*>(data);
  bytes.insert(bytes.end(), begin, begin + count);
}

}  // namespace

Outcome write_tensor_file(const Path& path, std::string_view kind, const TensorFile& file) {
  nlohmann::json header = file.header;
  header["kind"] = kind;
  const std::string text = header.dump();
  const uint32_t words[2] = {kVersion, static_cast<uint32_t>(text.size())};
  std::vector<uint8_t> bytes;
  append(bytes, kMagic.data(), kMagic.size());
  append(bytes, words, sizeof words);
  append(bytes, text.data(), text.size());
  append(bytes, file.numbers.data(), file.numbers.size() * sizeof(float));
  const uint32_t crc = device::crc32(bytes.data(), static_cast<uint32_t>(bytes.size()));
  append(bytes, &crc, sizeof crc);
  return write_bytes(path, bytes);
}

Result<TensorFile> read_tensor_file(const Path& path, std::string_view kind) {
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(path, kMaxBytes));
  const auto bad = [&](std::string message) {
    return fail(ErrorCode::bad_data, std::move(message), path.string(), "make the file anew with `thimble train`");
  };
  if (bytes.size() < kPrefixBytes + sizeof(uint32_t) || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return bad(fmt::format("is not a thimble {} file", kind));
  const size_t content = bytes.size() - sizeof(uint32_t);
  if (device::crc32(bytes.data(), static_cast<uint32_t>(content)) != read_u32(bytes, content))
    return bad("is damaged: its checksum does not match");
  if (const uint32_t version = read_u32(bytes, kMagic.size()); version != kVersion)
    return bad(fmt::format("has format version {}, expected {}", version, kVersion));
  const size_t text_bytes = read_u32(bytes, kMagic.size() + sizeof(uint32_t));
  if (text_bytes > content - kPrefixBytes || (content - kPrefixBytes - text_bytes) % sizeof(float) != 0)
    return bad("is damaged: its sections do not fit the file");
  TensorFile file;
  const auto text = bytes.begin() + kPrefixBytes;
  file.header = nlohmann::json::parse(text, text + static_cast<ptrdiff_t>(text_bytes), nullptr, false);
  if (!file.header.is_object() || file.header.value("kind", nlohmann::json()) != kind)
    return bad(fmt::format("is not a thimble {} file", kind));
  file.numbers.resize((content - kPrefixBytes - text_bytes) / sizeof(float));
  std::memcpy(file.numbers.data(), &bytes[kPrefixBytes + text_bytes], file.numbers.size() * sizeof(float));
  return file;
}

}  // namespace thimble
