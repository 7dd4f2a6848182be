// Writes small Keras files for tests: HDF5 with groups as link messages, and the archive around it.
#pragma once
#include <zip.h>

#include <map>
#include <string>
#include <vector>

namespace thimble {

class Hdf5Writer {
 public:
  using Address = uint64_t;
  using Links = std::vector<std::pair<std::string, Address>>;
  using Texts = std::map<std::string, std::vector<std::string>>;

  Hdf5Writer() : bytes_(48, 0) {}

  // filters: how many are said to have packed the numbers.
  Address dataset(const std::vector<uint64_t>& shape, const std::vector<float>& numbers, uint8_t filters = 0) {
    const Address data = bytes_.size();
    for (float number : numbers) append(bytes_, &number, 4);
    Bytes header;
    Bytes extents{2, static_cast<uint8_t>(shape.size()), 0, 1};
    for (uint64_t extent : shape) append(extents, &extent, 8);
    message(header, 1, extents);
    message(header, 3, {0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0});
    Bytes layout{3, 1};
    const uint64_t size = 4 * numbers.size();
    append(layout, &data, 8);
    append(layout, &size, 8);
    message(header, 8, layout);
    if (filters) {
      Bytes list{2, filters};
      for (int i = 0; i < filters; ++i) append(list, "\2\0\0\0\0\0", 6);
      message(header, 11, list);
    }
    return object(header);
  }

  Address group(const Links& links, const Texts& texts = {}) {
    Bytes header;
    for (const auto& [name, address] : links) {
      Bytes link{1, 0, static_cast<uint8_t>(name.size())};
      append(link, name.data(), name.size());
      append(link, &address, 8);
      message(header, 6, link);
    }
    for (const auto& [name, values] : texts) {
      uint32_t size = 1;
      for (const std::string& value : values) size = std::max(size, static_cast<uint32_t>(value.size()));
      const uint64_t count = values.size();
      Bytes attribute{3, 0};
      for (uint16_t part : {static_cast<uint16_t>(name.size() + 1), uint16_t{8}, uint16_t{12}})
        append(attribute, &part, 2);
      attribute.push_back(0);
      append(attribute, name.c_str(), name.size() + 1);
      append(attribute, "\x13\0\0\0", 4);
      append(attribute, &size, 4);
      append(attribute, "\x02\x01\0\x01", 4);
      append(attribute, &count, 8);
      for (const std::string& value : values) {
        append(attribute, value.data(), value.size());
        attribute.resize(attribute.size() + size - value.size(), 0);
      }
      message(header, 12, attribute);
    }
    return object(header);
  }

  std::vector<uint8_t> finish(Address root) {
    const uint64_t parts[] = {0, ~uint64_t{0}, bytes_.size(), root};
    Bytes head;
    append(head, "\x89HDF\r\n\x1a\n\x02\x08\x08\0", 12);
    append(head, parts, sizeof parts);
    std::copy(head.begin(), head.end(), bytes_.begin());
    return bytes_;
  }

 private:
  using Bytes = std::vector<uint8_t>;

  static void append(Bytes& to, const void* from, size_t size) {
    const auto* begin = static_cast<const uint8_t*>(from);
    to.insert(to.end(), begin, begin + size);
  }
  static void message(Bytes& header, uint8_t type, const Bytes& data) {
    const auto size = static_cast<uint16_t>(data.size());
    header.push_back(type);
    append(header, &size, 2);
    header.push_back(0);
    append(header, data.data(), data.size());
  }
  Address object(const Bytes& messages) {
    const Address at = bytes_.size();
    const auto size = static_cast<uint32_t>(messages.size());
    append(bytes_, "OHDR\x02\x02", 6);
    append(bytes_, &size, 4);
    append(bytes_, messages.data(), messages.size());
    append(bytes_, "\0\0\0\0", 4);
    return at;
  }

  Bytes bytes_;
};

inline std::vector<uint8_t> zip_of(const std::map<std::string, std::string>& members) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(target);
  zip_t* archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  for (const auto& [name, content] : members)
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, content.data(), content.size(), 0), 0);
  zip_close(archive);
  zip_source_open(target);
  zip_source_seek(target, 0, SEEK_END);
  std::vector<uint8_t> bytes(static_cast<size_t>(zip_source_tell(target)));
  zip_source_seek(target, 0, SEEK_SET);
  zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

}  // namespace thimble
