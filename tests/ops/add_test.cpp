// Add: int8 against the published reference, byte for byte.
#include "ops/int8_reference.h"

namespace thimble::test {
namespace {

std::vector<int8_t> reference_add(const Int8Tensor& a, const Int8Tensor& b, const Int8Tensor& output, int32_t low,
                                  int32_t high) {
  const double twice_largest = 2 * static_cast<double>(std::max(a.scale, b.scale));
  const ReferenceMultiplier ma = reference_multiplier(static_cast<double>(a.scale) / twice_largest);
  const ReferenceMultiplier mb = reference_multiplier(static_cast<double>(b.scale) / twice_largest);
  const ReferenceMultiplier mo = reference_multiplier(twice_largest / (1048576.0 * static_cast<double>(output.scale)));
  std::vector<int8_t> sums;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const int32_t left = reference_rescale((a.data[i] - a.zero_point) * (1 << 20), ma);
    const int32_t right = reference_rescale((b.data[i] - b.zero_point) * (1 << 20), mb);
    sums.push_back(reference_clamp(reference_rescale(left + right, mo) + output.zero_point, low, high));
  }
  return sums;
}

TEST(Add, Int8EqualsReferenceByteForByte) {
  Rng rng{31};
  const auto scale = [&] { return static_cast<float>(std::exp(rng.uniform(std::log(1e-3), std::log(0.5)))); };
  const auto zero = [&] { return static_cast<int32_t>(rng.below(256)) - 128; };
  for (int trial = 0; trial < 200; ++trial) {
    const Int8Tensor a = random_int8(rng, {1, 1000}, scale(), zero()), b = random_int8(rng, {1, 1000}, scale(), zero());
    Int8Tensor output{a.shape, trial % 3 == 0 ? a.scale : scale(), zero(), {}};
    const bool relu = trial % 2 == 1;
    const int32_t low = relu ? output.zero_point : -128;
    ASSERT_NO_FATAL_FAILURE(run_int8_node("add", {a, b}, Attrs().set("activation", relu ? "relu" : "none"), output));
    ASSERT_EQ(differing_bytes(output.data, reference_add(a, b, output, low, 127)), 0)
        << "scales " << a.scale << " " << b.scale << " " << output.scale;
  }
}

}  // namespace
}  // namespace thimble::test
