// requantize is TensorFlow Lite's double rounding, over its whole range and at its corners.
#include "device/base/fixed_point.h"

#include <gtest/gtest.h>

#include <random>

namespace thimble::device {

namespace {

int32_t rounded_twice(int32_t x, int32_t multiplier, int32_t shift) {
  const auto scaled = static_cast<int32_t>(static_cast<uint32_t>(x) << (shift > 0 ? shift : 0));
  return rounding_divide_by_pot(rounding_doubling_high_mul(scaled, multiplier), shift < 0 ? -shift : 0);
}

}  // namespace

TEST(Requantize, IsTheHighProductThenTheRoundedShift) {
  std::mt19937 random(1);
  const int32_t corners[] = {0,       1,         -1, 2, -2, 3, -3, INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1,
                             1 << 30, -(1 << 30)};
  const int32_t multipliers[] = {0, 1 << 30, (1 << 30) + 1, INT32_MAX, INT32_MAX - 1};
  for (int32_t shift = -31; shift <= 30; ++shift) {
    for (int32_t x : corners)
      for (int32_t multiplier : multipliers)
        ASSERT_EQ(requantize(x, multiplier, shift), rounded_twice(x, multiplier, shift))
            << x << " " << multiplier << " " << shift;
    for (int trial = 0; trial < 20000; ++trial) {
      const auto x = static_cast<int32_t>(random()) >> (random() % 32);
      const auto multiplier = static_cast<int32_t>((1u << 30) + random() % (1u << 30));
      ASSERT_EQ(requantize(x, multiplier, shift), rounded_twice(x, multiplier, shift))
          << x << " " << multiplier << " " << shift;
    }
  }
}

TEST(Requantize, TiesGoAwayFromZero) {
  EXPECT_EQ(requantize(5, 1 << 30, -1), 2);    // 5 / 2 rounds to 3, 3 / 2 to 2
  EXPECT_EQ(requantize(-6, 1 << 30, -1), -2);  // -3, then -3 / 2 to -2
  EXPECT_EQ(requantize(6, 1 << 30, -1), 2);
}

}  // namespace thimble::device
