// Softmax: int8 against the published fixed-point reference, byte for byte, and the device's float exp against the
// exact one.
#include "device/base/exp_f32.h"
#include "ops/int8_reference.h"

namespace thimble::test {
namespace {

// A number with `integer_bits` integer bits in 32 bits, as the reference's FixedPoint.
struct Fixed {
  int32_t raw = 0;
  int integer_bits = 0;
  double real() const { return std::ldexp(raw, integer_bits - 31); }
};
Fixed operator*(Fixed a, Fixed b) { return {reference_high_mul(a.raw, b.raw), a.integer_bits + b.integer_bits}; }
Fixed operator+(Fixed a, Fixed b) {
  EXPECT_EQ(a.integer_bits, b.integer_bits);
  return {a.raw + b.raw, a.integer_bits};
}
Fixed constant_of(double real, int integer_bits) {
  return {static_cast<int32_t>(std::min<int64_t>(std::llround(std::ldexp(real, 31 - integer_bits)), INT32_MAX)),
          integer_bits};
}
int32_t times_power(int32_t raw, int exponent) {
  if (exponent <= 0) return reference_divide(raw, -exponent);
  return static_cast<int32_t>(std::clamp<int64_t>(int64_t{raw} * (int64_t{1} << exponent), INT32_MIN, INT32_MAX));
}
Fixed rescale(Fixed x, int integer_bits) { return {times_power(x.raw, x.integer_bits - integer_bits), integer_bits}; }

Fixed reference_exp(Fixed x) {  // x <= 0, 5 integer bits
  const int32_t quarter = constant_of(0.25, 5).raw;
  if (x.raw == 0) return {INT32_MAX, 0};
  const Fixed fraction{(x.raw & (quarter - 1)) - quarter, 5};
  const Fixed t = rescale(fraction, 0) + constant_of(0.125, 0);
  const Fixed t2 = t * t, t3 = t2 * t, t4 = t2 * t2;
  const Fixed quartic{times_power(t4.raw, -2), 0};
  const Fixed series{times_power(((quartic + t3) * constant_of(1.0 / 3, 0) + t2).raw, -1), 0};
  const Fixed at_eighth = constant_of(std::exp(-0.125), 0);
  Fixed result = at_eighth + at_eighth * (t + series);
  const int32_t remainder = fraction.raw - x.raw;
  for (int k = -2; k <= 4; ++k)
    if (remainder & constant_of(std::ldexp(1.0, k), 5).raw)
      result = result * constant_of(std::exp(-std::ldexp(1.0, k)), 0);
  return result;
}

Fixed reference_one_over_one_plus(Fixed x) {
  const Fixed half_denominator{static_cast<int32_t>((int64_t{x.raw} + INT32_MAX + 1) / 2), 0};
  Fixed estimate = constant_of(48.0 / 17, 2) + half_denominator * constant_of(-32.0 / 17, 2);
  for (int i = 0; i < 3; ++i) {
    const Fixed product = half_denominator * estimate;
    const Fixed error{constant_of(1, 2).raw - product.raw, 2};
    estimate = estimate + rescale(estimate * error, 2);
  }
  return rescale({estimate.raw, 1}, 0);
}

std::vector<int8_t> reference_softmax(const Int8Tensor& input, double beta) {
  const size_t depth = static_cast<size_t>(input.shape.back());
  const double scaled = std::min(beta * static_cast<double>(input.scale) * (1 << 26), 2147483647.0);
  const ReferenceMultiplier multiplier = reference_multiplier(scaled);
  const int diff_min =
      -static_cast<int>(std::floor(31.0 * (1 << 26) / static_cast<double>(int64_t{1} << multiplier.shift)));
  std::vector<int8_t> output;
  for (size_t row = 0; row < input.data.size(); row += depth) {
    const int8_t* x = input.data.data() + row;
    const int top = *std::max_element(x, x + depth);
    const auto exp_of = [&](int diff) { return reference_exp({reference_rescale(diff, multiplier), 5}); };
    Fixed sum{0, 12};
    for (size_t i = 0; i < depth; ++i)
      if (x[i] - top >= diff_min) sum = sum + rescale(exp_of(x[i] - top), 12);
    int headroom = 0;
    while (((static_cast<uint32_t>(sum.raw) << headroom) & 0x80000000u) == 0) ++headroom;
    const Fixed scale = reference_one_over_one_plus(
        {static_cast<int32_t>((static_cast<uint32_t>(sum.raw) << headroom) - 0x80000000u), 0});
    for (size_t i = 0; i < depth; ++i) {
      if (x[i] - top < diff_min) {
        output.push_back(-128);
        continue;
      }
      const int32_t share = reference_divide((scale * exp_of(x[i] - top)).raw, 12 - headroom + 31 - 8);
      output.push_back(reference_clamp(share - 128));
    }
  }
  return output;
}

TEST(Softmax, Int8EqualsReferenceByteForByte) {
  Rng rng{21};
  int64_t bytes = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const auto depth = static_cast<int64_t>(1 + rng.below(40));
    const float scale = static_cast<float>(std::exp(rng.uniform(std::log(1e-4), std::log(2.0))));
    const double beta = trial % 4 == 0 ? rng.uniform(0.2, 3) : 1;
    const Int8Tensor input = random_int8(rng, {25, depth}, scale, static_cast<int32_t>(rng.below(256)) - 128);
    Int8Tensor output{input.shape, 1.0f / 256, -128, {}};
    ASSERT_NO_FATAL_FAILURE(run_int8_node("softmax", {input}, Attrs().set("beta", beta), output));
    ASSERT_EQ(differing_bytes(output.data, reference_softmax(input, beta)), 0)
        << "depth " << depth << " scale " << scale;
    bytes += static_cast<int64_t>(output.data.size());
  }
  EXPECT_GT(bytes, 50000);
}

TEST(Softmax, Int8IsWithinOneStepOfTheRealOne) {
  Rng rng{22};
  const Int8Tensor input = random_int8(rng, {500, 10}, 0.05f, 3);
  Int8Tensor output{input.shape, 1.0f / 256, -128, {}};
  ASSERT_NO_FATAL_FAILURE(run_int8_node("softmax", {input}, {}, output));
  for (size_t row = 0; row < 5000; row += 10) {
    double sum = 0;
    for (size_t i = row; i < row + 10; ++i) sum += std::exp(0.05 * input.data[i]);
    for (size_t i = row; i < row + 10; ++i)
      ASSERT_NEAR(output.data[i] + 128, 256 * std::exp(0.05 * input.data[i]) / sum, 1.0);
  }
}

TEST(Softmax, ManyEqualClassesStayInRange) {
  for (const int64_t depth : {255, 256, 511, 512, 513, 4095}) {
    Int8Tensor input{{1, depth}, 0.1f, 0, std::vector<int8_t>(static_cast<size_t>(depth), 7)};
    Int8Tensor output{input.shape, 1.0f / 256, -128, {}};
    ASSERT_NO_FATAL_FAILURE(run_int8_node("softmax", {input}, {}, output));
    EXPECT_NEAR(output.data[0] + 128, 256.0 / static_cast<double>(depth), 0.51) << depth;
  }
}

TEST(Softmax, DeviceExpIsExactToSevenDigits) {
  double worst = 0;
  for (double x = -87; x < 88.7; x += 0.00137) {
    const auto argument = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(static_cast<double>(device::exp_f32(argument)) / exact - 1));
  }
  EXPECT_LT(worst, 3e-7);
  EXPECT_EQ(device::exp_f32(0), 1.0f);
  EXPECT_EQ(device::exp_f32(-200), 0.0f);
  EXPECT_TRUE(std::isinf(device::exp_f32(200)));
}

}  // namespace
}  // namespace thimble::test
