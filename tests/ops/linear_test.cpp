// Fully connected layers whose int8 weights flow or have a zero point, and integer sums at the ends of their types.
#include "device/kernels/linear.h"

#include <gtest/gtest.h>

#include "ops/int8_reference.h"

namespace thimble::test {

namespace {

// TFLite's formula for weights of one scale, with both zero points.
std::vector<int8_t> formula(const Int8Tensor& x, const Int8Tensor& w, const Int8Tensor& y) {
  const float product = x.scale * w.scale;
  const ReferenceMultiplier m = reference_multiplier(static_cast<double>(product) / static_cast<double>(y.scale));
  const auto rows = static_cast<size_t>(x.shape[0]), depth = static_cast<size_t>(w.shape[1]);
  std::vector<int8_t> result;
  for (size_t row = 0; row < rows; ++row)
    for (size_t o = 0; o < static_cast<size_t>(w.shape[0]); ++o) {
      int32_t sum = 0;
      for (size_t i = 0; i < depth; ++i)
        sum += (x.data[row * depth + i] - x.zero_point) * (w.data[o * depth + i] - w.zero_point);
      result.push_back(reference_clamp(reference_rescale(sum, m) + y.zero_point));
    }
  return result;
}

}  // namespace

TEST(FullyConnected, WeightsThatFlowMayHaveAZeroPoint) {
  for (uint64_t trial = 0; trial < 50; ++trial) {
    Rng rng{31, trial};
    const auto depth = static_cast<int64_t>(1 + rng.below(40)), outputs = static_cast<int64_t>(1 + rng.below(9));
    const auto zero = [&] { return static_cast<int32_t>(rng.below(256)) - 128; };
    const Int8Tensor x = random_int8(rng, {static_cast<int64_t>(1 + rng.below(4)), depth}, 0.02f, zero());
    const Int8Tensor w = random_int8(rng, {outputs, depth}, 0.011f, trial % 2 ? 0 : zero());
    Int8Tensor y{{x.shape[0], outputs}, 0.3f, zero(), {}};
    run_int8_node("fully_connected", {x, w}, {}, y);
    EXPECT_EQ(differing_bytes(y.data, formula(x, w, y)), 0) << "trial " << trial;
  }
}

TEST(LinearKernels, SumsAtTheEndsOfTheirTypeStayInRange) {
  const int32_t multiplier = INT32_MAX, bias = INT32_MAX;
  const int8_t shift = 0;
  for (const int32_t zero : {-128, 0, 127}) {
    const device::IntegerScaling scaling = {&multiplier, &shift, zero, -128 - zero, 127 - zero};
    int8_t output = 0;
    const int32_t none = 0, least = INT32_MIN;
    device::store_sums<1>(scaling, 0, &bias, &none, &output);
    EXPECT_EQ(output, 127);
    device::store_sums<1>(scaling, 0, &none, &least, &output);
    EXPECT_EQ(output, -128);
    device::store_sums<1>(scaling, 0, &bias, &bias, &output);  // wraps to -2
    EXPECT_EQ(output, std::max(zero - 2, -128));
  }
}

TEST(LinearKernels, WideSumsAreRoundedOnceByASixteenBitMultiplier) {
  for (uint64_t trial = 0; trial < 2000; ++trial) {
    Rng rng{32, trial};
    const int64_t x = static_cast<int64_t>(rng.below(uint64_t{1} << 35)) - (int64_t{1} << 34);
    const auto multiplier = static_cast<int32_t>((uint64_t{1} << 30) + rng.below(uint64_t{1} << 30));
    const int32_t shift = -static_cast<int32_t>(rng.below(28)) - 4;
    const double reduced = std::min(32767.0, std::floor((multiplier + 32768.0) / 65536));
    const double exact = std::floor(static_cast<double>(x) * reduced / std::ldexp(1.0, 15 - shift) + 0.5);
    EXPECT_EQ(device::requantize_wide(x, multiplier, shift), static_cast<int64_t>(exact)) << "trial " << trial;
  }
}

}  // namespace thimble::test
