// A place in a block of little-endian bytes. Reading beyond its end gives zeros and is remembered: ask ok() before
// believing what was read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace thimble::keras {

class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size() - at_; }
  void skip(uint64_t count) { (void)bytes(count); }
  std::span<const uint8_t> bytes(uint64_t count) {
    if (count > left()) {
      ok_ = false;
      at_ = bytes_.size();
      return {};
    }
    const auto result = bytes_.subspan(at_, count);
    at_ += count;
    return result;
  }
  std::string_view text(uint64_t count) {
    const auto found = bytes(count);
    return {reinterpret_cast<const char*>(found.data()), found.size()};
  }
  // count: 1 to 8.
  uint64_t number(uint64_t count) {
    uint64_t value = 0;
    const auto found = bytes(count);
    for (size_t i = found.size(); i-- > 0;) value = value << 8 | found[i];
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace thimble::keras
