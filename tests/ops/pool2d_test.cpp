// Pools: int8 against the published reference, byte for byte, over windows, strides and paddings.
#include "ops/int8_reference.h"

namespace thimble::test {
namespace {

struct Geometry {
  int64_t window_h, window_w, stride_h, stride_w;
  bool same;
};

// TFLite's output size and the padding before the first element.
std::pair<int64_t, int64_t> output_and_padding(int64_t input, int64_t window, int64_t stride, bool same) {
  if (!same) return {(input - window + stride) / stride, 0};
  const int64_t output = (input + stride - 1) / stride;
  return {output, std::max<int64_t>(0, (output - 1) * stride + window - input) / 2};
}

std::vector<int8_t> reference_pool(const Int8Tensor& input, const Geometry& g, bool average, int32_t low) {
  const int64_t height = input.shape[1], width = input.shape[2], channels = input.shape[3];
  const auto [out_h, pad_h] = output_and_padding(height, g.window_h, g.stride_h, g.same);
  const auto [out_w, pad_w] = output_and_padding(width, g.window_w, g.stride_w, g.same);
  std::vector<int8_t> output;
  for (int64_t n = 0; n < input.shape[0]; ++n)
    for (int64_t oy = 0; oy < out_h; ++oy)
      for (int64_t ox = 0; ox < out_w; ++ox)
        for (int64_t c = 0; c < channels; ++c) {
          std::vector<int32_t> taps;
          for (int64_t y = oy * g.stride_h - pad_h; y < oy * g.stride_h - pad_h + g.window_h; ++y)
            for (int64_t x = ox * g.stride_w - pad_w; x < ox * g.stride_w - pad_w + g.window_w; ++x)
              if (y >= 0 && y < height && x >= 0 && x < width)
                taps.push_back(input.data[static_cast<size_t>(((n * height + y) * width + x) * channels + c)]);
          const auto count = static_cast<int32_t>(taps.size());
          int32_t sum = 0, top = -128;
          for (int32_t tap : taps) {
            sum += tap;
            top = std::max(top, tap);
          }
          const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
          output.push_back(reference_clamp(average ? mean : top, low));
        }
  return output;
}

TEST(Pool2D, Int8EqualsReferenceByteForByte) {
  Rng rng{51};
  const auto upto = [&](int64_t most) { return 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(most))); };
  for (int trial = 0; trial < 300; ++trial) {
    const Int8Tensor input =
        random_int8(rng, {2, upto(12), upto(9), upto(6)}, 0.03f, static_cast<int32_t>(rng.below(100)) - 50);
    const Geometry g{upto(std::min<int64_t>(4, input.shape[1])), upto(std::min<int64_t>(5, input.shape[2])), upto(3),
                     upto(3), trial % 2 == 0};
    const bool relu = trial % 3 == 0;
    Attrs attrs;
    attrs.set("window_h", g.window_h)
        .set("window_w", g.window_w)
        .set("stride_h", g.stride_h)
        .set("stride_w", g.stride_w);
    attrs.set("padding", g.same ? "same" : "valid").set("activation", relu ? "relu" : "none");
    const int64_t out_h = output_and_padding(input.shape[1], g.window_h, g.stride_h, g.same).first;
    const int64_t out_w = output_and_padding(input.shape[2], g.window_w, g.stride_w, g.same).first;
    for (const bool average : {true, false}) {
      Int8Tensor output{{2, out_h, out_w, input.shape[3]}, input.scale, input.zero_point, {}};
      ASSERT_NO_FATAL_FAILURE(run_int8_node(average ? "average_pool2d" : "max_pool2d", {input}, attrs, output));
      ASSERT_EQ(differing_bytes(output.data, reference_pool(input, g, average, relu ? input.zero_point : -128)), 0)
          << "trial " << trial;
    }
  }
}

TEST(Pool2D, Int8NeedsOneScale) {
  Rng rng{52};
  const Int8Tensor input = random_int8(rng, {1, 2, 2, 1}, 0.03f, 0);
  Graph graph;
  const auto add = [&](Shape shape, float scale) {
    return graph.add({.name = "v", .type = {DType::i8, std::move(shape)}, .quantization = {{scale}, {0}}});
  };
  Node node{.op = ops::find("max_pool2d"),
            .name = "pool",
            .inputs = {add({1, 2, 2, 1}, 0.03f)},
            .outputs = {add({1, 2, 2, 1}, 0.04f)}};
  const auto lowered = (*node.op->lower)({graph, node, "portable"});
  ASSERT_FALSE(lowered);
  EXPECT_EQ(lowered.error().where, "pool");
}

}  // namespace
}  // namespace thimble::test
