// Parameters of a kernel: a struct of int32 fields and their names, from one list. Real-valued parameters travel as
// their bits.
#pragma once
#include <stdint.h>

// In two steps, so that a list may contain the names of lists (THIMBLE_BROADCAST).
#define THIMBLE_PARAMS(Name, ...) THIMBLE_PARAMS_OF(Name, __VA_ARGS__)
#define THIMBLE_PARAMS_OF(Name, ...)                              \
  struct Name {                                                   \
    int32_t __VA_ARGS__;                                          \
    static constexpr const char* names() { return #__VA_ARGS__; } \
  }

namespace thimble {
namespace device {

inline int32_t bits_of(float value) {
  int32_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_of(int32_t bits) {
  float value = 0;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace device
}  // namespace thimble
