// A function of int16 as a table of 513 points, 128 steps apart, with straight lines between them: TensorFlow Lite's
// int16 table form.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr int32_t kTableS16Points = 513;

inline int16_t lookup_s16(int32_t x, const int16_t* table) {
  const int16_t* point = table + 256 + (x >> 7);
  const int16_t slope = static_cast<int16_t>(point[1] - point[0]);
  return static_cast<int16_t>(point[0] + ((slope * (x & 127) + 64) >> 7));
}

}  // namespace device
}  // namespace thimble
