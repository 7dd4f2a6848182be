// The three memory functions that a compiler may call on its own; firmware has no C library.
#include <stddef.h>
#include <stdint.h>

// Without this the compiler recognises the loops as memcpy and memset and calls them from within themselves.
#pragma GCC optimize("no-tree-loop-distribute-patterns")

namespace {

constexpr uintptr_t kWordMask = sizeof(uint32_t) - 1;

// A word that may overlap objects of any type.
using Word = uint32_t __attribute__((may_alias));

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  if (((reinterpret_cast<uintptr_t>(out) | reinterpret_cast<uintptr_t>(in)) & kWordMask) == 0)
    for (; bytes >= sizeof(Word); bytes -= sizeof(Word), out += sizeof(Word), in += sizeof(Word))
      *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
  while (bytes-- > 0) *out++ = *in++;
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  auto* out = static_cast<uint8_t*>(to);
  for (; bytes > 0 && (reinterpret_cast<uintptr_t>(out) & kWordMask) != 0; --bytes)
    *out++ = static_cast<uint8_t>(value);
  const uint32_t word = static_cast<uint8_t>(value) * 0x01010101u;
  for (; bytes >= sizeof(Word); bytes -= sizeof(Word), out += sizeof(Word)) *reinterpret_cast<Word*>(out) = word;
  while (bytes-- > 0) *out++ = static_cast<uint8_t>(value);
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  if (out <= in || out >= in + bytes) return memcpy(to, from, bytes);
  while (bytes-- > 0) out[bytes] = in[bytes];
  return to;
}
}
