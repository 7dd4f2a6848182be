// Reductions: int8 against the published reference, byte for byte.
#include "ops/int8_reference.h"

namespace thimble::test {
namespace {

// Over axes 1 and 2 of [N, H, W, C].
std::vector<int8_t> reference_sum(const Int8Tensor& input, const Int8Tensor& output, bool mean) {
  const int64_t pixels = input.shape[1] * input.shape[2], channels = input.shape[3];
  ReferenceMultiplier m = reference_multiplier(static_cast<double>(input.scale) / static_cast<double>(output.scale));
  if (mean) {
    int log2 = 0;
    while ((int64_t{2} << log2) <= pixels) ++log2;
    log2 = std::min(std::min(log2, 32), 31 + m.shift);
    m = {static_cast<int32_t>((int64_t{m.value} << log2) / pixels), m.shift - log2};
  }
  std::vector<int8_t> results;
  for (int64_t n = 0; n < input.shape[0]; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      int64_t sum = 0;
      for (int64_t pixel = 0; pixel < pixels; ++pixel)
        sum += input.data[static_cast<size_t>((n * pixels + pixel) * channels + c)];
      const auto centred = static_cast<int32_t>(sum - pixels * input.zero_point);
      results.push_back(reference_clamp(reference_rescale(centred, m) + output.zero_point));
    }
  return results;
}

TEST(Reduce, Int8MeanAndSumEqualReferenceByteForByte) {
  Rng rng{41};
  const auto zero = [&] { return static_cast<int32_t>(rng.below(256)) - 128; };
  for (int trial = 0; trial < 300; ++trial) {
    const auto extent = [&](uint64_t most) { return static_cast<int64_t>(1 + rng.below(most)); };
    const Int8Tensor input =
        random_int8(rng, {2, extent(30), extent(12), extent(17)}, static_cast<float>(rng.uniform(0.001, 0.2)), zero());
    const bool same = trial % 3 == 0;
    Int8Tensor output{{2, input.shape[3]},
                      same ? input.scale : static_cast<float>(rng.uniform(0.0003, 0.2)),
                      same ? input.zero_point : zero(),
                      {}};
    const bool mean = trial % 2 == 0;
    ASSERT_NO_FATAL_FAILURE(
        run_int8_node(mean ? "mean" : "sum", {input}, Attrs().set("axes", std::vector<int64_t>{1, 2}), output));
    ASSERT_EQ(differing_bytes(output.data, reference_sum(input, output, mean)), 0)
        << to_string(input.shape) << " " << input.scale << " " << output.scale;
  }
}

TEST(Reduce, RefusesAxesThatAreNotThere) {
  for (const std::vector<int64_t>& axes : {std::vector<int64_t>{3}, std::vector<int64_t>{-4}}) {
    const std::vector<ValueType> inputs{{DType::f32, {1, 2, 3}}};
    const Attrs attrs = Attrs().set("axes", axes);
    EXPECT_FALSE((*ops::mean().infer)({attrs, inputs, {}}));
  }
}

TEST(Reduce, RefusesMoreGroupsOfAxesThanKernelsKnow) {
  const std::vector<ValueType> inputs{{DType::f32, {2, 2, 2, 2, 2, 2, 2, 2}}};
  const Attrs attrs = Attrs().set("axes", std::vector<int64_t>{0, 2, 4, 6});
  const auto refused = (*ops::sum().infer)({attrs, inputs, {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
}

TEST(Reduce, ExtremesNeedOneScale) {
  Graph graph;
  const auto add = [&](Shape shape, float scale) {
    return graph.add({.name = "v", .type = {DType::i8, std::move(shape)}, .quantization = {{scale}, {0}}});
  };
  Node node{.op = ops::find("reduce_max"),
            .name = "largest",
            .inputs = {add({1, 4}, 0.03f)},
            .outputs = {add({1}, 0.04f)},
            .attrs = Attrs().set("axes", std::vector<int64_t>{1})};
  const auto lowered = (*node.op->lower)({graph, node, "portable"});
  ASSERT_FALSE(lowered);
  EXPECT_EQ(lowered.error().where, "largest");
}

}  // namespace
}  // namespace thimble::test
