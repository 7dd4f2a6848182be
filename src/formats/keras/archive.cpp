#include "formats/keras/archive.h"

#include <zip.h>

#include <memory>

namespace thimble::keras {

namespace {

constexpr zip_int64_t kMaxMembers = 4096;
constexpr uint64_t kMaxRatio = 1100;  // deflate packs at most 1032 to 1

tl::unexpected<Error> damaged(std::string message) {
  return fail(ErrorCode::bad_data, "zip: " + std::move(message), {},
              "give a .keras file as model.save writes it, or copy it again");
}

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { (void)zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;

Result<Archive> open_archive(std::span<const uint8_t> bytes) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  if (!archive) {
    if (source) zip_source_free(source);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return damaged(reason);
  }
  zip_error_fini(&error);
  return Archive(archive);
}

Result<std::vector<uint8_t>> read_member(zip_t& archive, zip_uint64_t index, const std::string& name, uint64_t packed,
                                         uint64_t size) {
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(&archive, index, 0));
  if (!file) return damaged(fmt::format("{} cannot be opened: {}", name, zip_strerror(&archive)));
  if (size / kMaxRatio > packed)
    return damaged(fmt::format("{} says it unpacks to {} bytes from {}", name, size, packed));
  std::vector<uint8_t> content(size);
  uint64_t at = 0;
  while (at < size) {
    const zip_int64_t read = zip_fread(file.get(), &content[at], size - at);
    if (read <= 0) return damaged(fmt::format("{} ends after {} of {} bytes", name, at, size));
    at += static_cast<uint64_t>(read);
  }
  // Reading on reaches the end, where the checksum is compared.
  uint8_t beyond = 0;
  if (zip_fread(file.get(), &beyond, 1) != 0) return damaged(fmt::format("{} has a wrong size or checksum", name));
  return content;
}

}  // namespace

Result<std::map<std::string, std::vector<uint8_t>>> read_archive(std::span<const uint8_t> bytes,
                                                                 std::span<const std::string_view> names,
                                                                 uint64_t max_bytes) {
  THIMBLE_LET(const Archive archive, open_archive(bytes));
  const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
  if (members > kMaxMembers) return damaged(fmt::format("{} members, at most {} are read", members, kMaxMembers));
  std::map<std::string, std::vector<uint8_t>> found;
  for (const std::string_view wanted : names) {
    const std::string name(wanted);
    const zip_int64_t index = zip_name_locate(archive.get(), name.c_str(), 0);
    if (index < 0) continue;
    zip_stat_t stat;
    const auto number = static_cast<zip_uint64_t>(index);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(archive.get(), number, 0, &stat) != 0 || (stat.valid & kNeeded) != kNeeded)
      return damaged(fmt::format("{} has no size", name));
    if (stat.size > max_bytes || stat.comp_size > bytes.size())
      return damaged(fmt::format("{} says it has {} bytes, at most {} are read", name, stat.size, max_bytes));
    THIMBLE_LET(found[name], read_member(*archive, number, name, stat.comp_size, stat.size));
  }
  return found;
}

}  // namespace thimble::keras
