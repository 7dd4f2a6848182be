// The int16 sigmoid and tangent: the table's known points, and how far the functions lie from the exact ones.
#include "device/base/sigmoid_s16.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/sigmoid_table.h"

namespace thimble::ops {
namespace {

uint16_t point(const Tensor& table, size_t index) { return static_cast<uint16_t>(table.as<int16_t>()[index]); }

TEST(SigmoidS16, TableHasTheReferencesPoints) {
  const Tensor table = sigmoid_table();
  EXPECT_EQ(point(table, 0), 32768);
  EXPECT_EQ(point(table, 4), 35493);
  EXPECT_EQ(point(table, 35), 53169);
  EXPECT_EQ(point(table, 93), 64204);
  EXPECT_EQ(point(table, 255), 65535);
}

TEST(SigmoidS16, BothFunctionsStayCloseToTheExactOnes) {
  const Tensor table = sigmoid_table();
  const int16_t* points = table.as<int16_t>().data();
  for (const double scale : {1.0 / 4096, 1.0 / 2048, 1.0 / 32768, 0.00037, 0.0009}) {
    const auto sigmoid = sigmoid_steps_of_scale(scale, 0), tangent = sigmoid_steps_of_scale(scale, 1);
    ASSERT_TRUE(sigmoid && tangent);
    for (int32_t x = -32768; x < 32768; x += 7) {
      const double real = x * scale;
      const int32_t s = device::sigmoid_steps(x, sigmoid->multiplier, sigmoid->right_shift);
      const int32_t t = device::sigmoid_steps(x, tangent->multiplier, tangent->right_shift);
      ASSERT_NEAR(device::sigmoid_s16(s, points), 32768 / (1 + std::exp(-real)), 4) << real;
      ASSERT_NEAR(device::tanh_s16(t, points), 32768 * std::tanh(real), 8) << real;
    }
  }
}

TEST(SigmoidS16, ScalesOfPowersOfTwo) {
  EXPECT_EQ(nearest_power_of_two(1.0 / 4096).log2, -12);
  EXPECT_TRUE(nearest_power_of_two(1.0 / 4096).exact);
  EXPECT_FALSE(nearest_power_of_two(0.0003).exact);
  EXPECT_EQ(sigmoid_steps_of_power(-12).multiplier, 3);
  EXPECT_EQ(sigmoid_steps_of_power(-10).multiplier, 12);
  EXPECT_EQ(sigmoid_steps_of_power(-15).right_shift, 3);
  EXPECT_FALSE(sigmoid_steps_of_scale(100, 0));
}

}  // namespace
}  // namespace thimble::ops
