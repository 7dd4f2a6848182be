// relu and relu6: int8 against the published reference, for all 256 bytes.
#include "ops/int8_reference.h"

namespace thimble::test {
namespace {

TEST(Activation, Int8EqualsReferenceForEveryByte) {
  Rng rng{61};
  Int8Tensor input{{1, 256}, 0, 0, {}};
  for (int x = -128; x <= 127; ++x) input.data.push_back(static_cast<int8_t>(x));
  for (int trial = 0; trial < 400; ++trial) {
    const bool six = trial % 2 == 0, same = trial % 4 < 2;
    input.scale = static_cast<float>(rng.uniform(0.005, 0.2));
    input.zero_point = static_cast<int32_t>(rng.below(256)) - 128;
    Int8Tensor output{input.shape,
                      same ? input.scale : static_cast<float>(rng.uniform(0.005, 0.2)),
                      same ? input.zero_point : static_cast<int32_t>(rng.below(256)) - 128,
                      {}};
    ASSERT_NO_FATAL_FAILURE(run_int8_node(six ? "relu6" : "relu", {input}, {}, output));
    const ReferenceMultiplier m = reference_multiplier(static_cast<double>(input.scale / output.scale));
    // relu6 clamps the codes of its input, whatever the output's scale.
    const int32_t six_code = std::min(127, input.zero_point + static_cast<int32_t>(std::round(6 / input.scale)));
    std::vector<int8_t> expected;
    for (int8_t x : input.data)
      expected.push_back(six ? reference_clamp(x, input.zero_point, six_code)
                             : reference_clamp(reference_rescale(x - input.zero_point, m) + output.zero_point,
                                               output.zero_point, 127));
    ASSERT_EQ(differing_bytes(output.data, expected), 0) << "scales " << input.scale << " " << output.scale;
  }
}

}  // namespace
}  // namespace thimble::test
