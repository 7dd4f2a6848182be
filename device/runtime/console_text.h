// A line of text put together without a C library. What does not fit is left out.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

class ConsoleText {
 public:
  ConsoleText& add(const char* text) {
    while (*text) put(*text++);
    return *this;
  }
  ConsoleText& add(int32_t number) {
    char digits[10];
    int32_t count = 0;
    uint32_t left = number < 0 ? 0u - static_cast<uint32_t>(number) : static_cast<uint32_t>(number);
    do digits[count++] = static_cast<char>('0' + left % 10);
    while ((left /= 10) != 0);
    if (number < 0) put('-');
    while (count > 0) put(digits[--count]);
    return *this;
  }
  const char* data() const { return text_; }
  int32_t length() const { return length_; }

 private:
  void put(char c) {
    if (length_ < static_cast<int32_t>(sizeof(text_))) text_[length_++] = c;
  }
  char text_[96];
  int32_t length_ = 0;
};

}  // namespace device
}  // namespace thimble
