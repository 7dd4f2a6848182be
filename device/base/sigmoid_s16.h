// Sigmoid and hyperbolic tangent of int16 numbers with the rounding of TensorFlow Lite's reference, bit for bit: one
// table of 256 points of the sigmoid, 1/24 apart from 0 on, with straight lines between them; tanh(x) is
// 2 sigmoid(2 x) - 1. Results are Q0.15. The host makes the table (src/ops/sigmoid_table.h).
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr int32_t kSigmoidTablePoints = 256;

// An int16 number in the table's steps, 2^-12 / 3: (x * multiplier + half) / 2^right_shift.
inline int32_t sigmoid_steps(int32_t x, int32_t multiplier, int32_t right_shift) {
  const int32_t half = right_shift > 0 ? int32_t{1} << (right_shift - 1) : 0;
  return (x * multiplier + half) >> right_shift;
}

// table: Q0.16, its uint16 numbers kept as int16. steps: of sigmoid_steps().
inline int16_t sigmoid_s16(int32_t steps, const int16_t* table) {
  const uint32_t distance = static_cast<uint32_t>(steps < 0 ? -steps : steps);
  const uint32_t point = distance >> 9;
  uint32_t value = 0x7FFFu << 10;
  if (point < kSigmoidTablePoints - 1) {
    const uint32_t low = static_cast<uint16_t>(table[point]), high = static_cast<uint16_t>(table[point + 1]);
    value = (low << 9) + (distance & 0x1FF) * (high - low);
  }
  value = steps >= 0 ? value + (1u << 9) : (1u << 25) - value + (1u << 9) - 1;
  return static_cast<int16_t>(value >> 10);
}

inline int16_t tanh_s16(int32_t steps, const int16_t* table) {
  const uint32_t distance = static_cast<uint32_t>(steps < 0 ? -steps : steps);
  const uint32_t point = distance >> 8;
  int32_t value = 0xFFFF << 8;
  if (point < kSigmoidTablePoints - 1) {
    const uint32_t low = static_cast<uint16_t>(table[point]), high = static_cast<uint16_t>(table[point + 1]);
    value = static_cast<int32_t>((low << 8) + (distance & 0xFF) * (high - low));
  }
  constexpr int32_t kOne = 1 << 23;
  value = steps >= 0 ? value - kOne + (1 << 7) : kOne - value + (1 << 7) - 1;
  return static_cast<int16_t>(value >> 8);
}

}  // namespace device
}  // namespace thimble
