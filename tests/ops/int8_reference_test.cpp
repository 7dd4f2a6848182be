// Convolution, depthwise convolution and fully connected against a direct transcription of TensorFlow Lite's int8
// reference formulas: (input - zero point) * weight, double rounding, no folding, no fast path. Promise: no byte
// differs, whatever the shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/rng.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

// The reference, in its own words; nothing here may call device/ or src/ops.

struct Fixed {
  int32_t multiplier;
  int shift;
};

Fixed reference_multiplier(double real) {
  if (real == 0) return {0, 0};
  int shift = 0;
  int64_t q = std::llround(std::frexp(real, &shift) * 2147483648.0);
  if (q == 2147483648) q /= 2, ++shift;
  if (shift < -31) return {0, 0};
  return {static_cast<int32_t>(q), shift};
}

int32_t high_multiply(int32_t a, int32_t b) {
  if (a == b && a == std::numeric_limits<int32_t>::min()) return std::numeric_limits<int32_t>::max();
  const int64_t product = static_cast<int64_t>(a) * b;
  const int64_t nudge = product >= 0 ? 1073741824 : 1 - 1073741824;
  return static_cast<int32_t>((product + nudge) / 2147483648);
}

int32_t divide_by_power(int32_t x, int exponent) {
  const auto mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t remainder = x & mask;
  const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

int32_t reference_requantize(int32_t x, Fixed scale) {
  const auto shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << std::max(scale.shift, 0));
  return divide_by_power(high_multiply(shifted, scale.multiplier), std::max(-scale.shift, 0));
}

struct Layer {
  const OpSpec* op;
  Shape x, w;  // [N, H, W, C] or [N, C]; weights as the op has them
  Attrs attrs;
  int channel_axis;  // of the weights
  bool per_channel;
  std::vector<int8_t> input, weights;
  std::vector<int32_t> bias;
  Quantization input_q, weights_q, output_q;
  int64_t channels() const { return w[static_cast<size_t>(channel_axis)]; }
};

Fixed reference_scale(const Layer& layer, int64_t channel) {
  const float input_scale = layer.input_q.scale[0];
  const float weight_scale = layer.weights_q.scale[layer.per_channel ? static_cast<size_t>(channel) : 0];
  const bool product_in_float = layer.op->name == "fully_connected" && layer.weights_q.scale.size() == 1;
  const double product = product_in_float ? static_cast<double>(input_scale * weight_scale)
                                          : static_cast<double>(input_scale) * static_cast<double>(weight_scale);
  return reference_multiplier(product / static_cast<double>(layer.output_q.scale[0]));
}

int8_t reference_output(const Layer& layer, int64_t channel, int32_t sum) {
  const Fixed scale = reference_scale(layer, channel);
  int32_t low = -128, high = 127;
  const int32_t zero = layer.output_q.zero_point[0];
  const std::string activation = layer.attrs.word("activation", "none");
  if (activation != "none") low = std::max(low, zero);
  if (activation == "relu6")
    high = std::min(high, zero + static_cast<int32_t>(std::round(6.0f / layer.output_q.scale[0])));
  return static_cast<int8_t>(std::min(
      std::max(reference_requantize(sum + layer.bias[static_cast<size_t>(channel)], scale) + zero, low), high));
}

// First input index that tap 0 of output index 0 reads, negated.
int64_t reference_padding(bool same, int64_t input, int64_t output, int64_t taps, int64_t stride, int64_t dilation) {
  if (!same) return 0;
  const int64_t total = (output - 1) * stride + (taps - 1) * dilation + 1 - input;
  return total > 0 ? total / 2 : 0;
}

std::vector<int8_t> reference_convolution(const Layer& layer, const Shape& output, bool depthwise) {
  const Attrs& a = layer.attrs;
  const bool same = a.word("padding") == "same";
  const int64_t stride_h = a.integer("stride_h"), stride_w = a.integer("stride_w"),
                dilation_h = a.integer("dilation_h"), dilation_w = a.integer("dilation_w");
  const int64_t kh = layer.w[1], kw = layer.w[2], height = layer.x[1], width = layer.x[2], depth = layer.x[3],
                channels = output[3];
  const int64_t top = reference_padding(same, height, output[1], kh, stride_h, dilation_h),
                left = reference_padding(same, width, output[2], kw, stride_w, dilation_w);
  std::vector<int8_t> result;
  for (int64_t n = 0; n < output[0]; ++n)
    for (int64_t oy = 0; oy < output[1]; ++oy)
      for (int64_t ox = 0; ox < output[2]; ++ox)
        for (int64_t o = 0; o < channels; ++o) {
          int32_t sum = 0;
          for (int64_t ky = 0; ky < kh; ++ky)
            for (int64_t kx = 0; kx < kw; ++kx) {
              const int64_t y = oy * stride_h - top + ky * dilation_h, x = ox * stride_w - left + kx * dilation_w;
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              const auto value = [&](int64_t c) {
                return layer.input[static_cast<size_t>(((n * height + y) * width + x) * depth + c)] -
                       layer.input_q.zero_point[0];
              };
              if (depthwise)
                sum += value(o * depth / channels) * layer.weights[static_cast<size_t>((ky * kw + kx) * channels + o)];
              for (int64_t c = 0; !depthwise && c < depth; ++c)
                sum += value(c) * layer.weights[static_cast<size_t>(((o * kh + ky) * kw + kx) * depth + c)];
            }
          result.push_back(reference_output(layer, o, sum));
        }
  return result;
}

std::vector<int8_t> reference_fully_connected(const Layer& layer, const Shape& output) {
  std::vector<int8_t> result;
  for (int64_t row = 0; row < output[0]; ++row)
    for (int64_t o = 0; o < output[1]; ++o) {
      int32_t sum = 0;
      for (int64_t i = 0; i < layer.w[1]; ++i)
        sum += (layer.input[static_cast<size_t>(row * layer.w[1] + i)] - layer.input_q.zero_point[0]) *
               layer.weights[static_cast<size_t>(o * layer.w[1] + i)];
      result.push_back(reference_output(layer, o, sum));
    }
  return result;
}

// Random layers.

int64_t between(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

float random_scale(Rng& rng, double center) { return static_cast<float>(center * std::exp(rng.uniform(-2, 2))); }

void fill(Layer& layer, Rng& rng) {
  const auto int8 = [&](int64_t low) { return static_cast<int8_t>(between(rng, low, 127)); };
  const bool extreme = rng.below(8) == 0;
  for (int64_t i = 0; i < element_count(layer.x); ++i)
    layer.input.push_back(extreme ? (rng.below(2) ? 127 : -128) : int8(-128));
  for (int64_t i = 0; i < element_count(layer.w); ++i)
    layer.weights.push_back(extreme ? (rng.below(2) ? 127 : -127) : int8(-127));
  layer.input_q = {{random_scale(rng, 0.02)}, {static_cast<int32_t>(between(rng, -128, 127))}};
  const int64_t scales = layer.per_channel ? layer.channels() : 1;
  layer.weights_q.axis = layer.channel_axis;
  for (int64_t i = 0; i < scales; ++i)
    layer.weights_q.scale.push_back(random_scale(rng, 0.01)), layer.weights_q.zero_point.push_back(0);
  const double taps = static_cast<double>(element_count(layer.w) / layer.channels());
  const double spread = 0.02 * 0.01 * 5000 * std::sqrt(taps);  // a typical size of the real-valued sums
  layer.output_q = {{random_scale(rng, rng.below(6) == 0 ? 1e-4 : spread / 60)},
                    {static_cast<int32_t>(between(rng, -128, 127))}};
  const int64_t most = rng.below(4) == 0 ? 1 << 20 : 3000;
  for (int64_t i = 0; i < layer.channels(); ++i) layer.bias.push_back(static_cast<int32_t>(between(rng, -most, most)));
  layer.attrs.set("activation", std::vector<std::string>{"none", "relu", "relu6"}[rng.below(3)]);
}

void random_window(Layer& layer, Rng& rng) {
  layer.attrs.set("padding", rng.below(2) ? "same" : "valid");
  for (const char* name : {"stride_h", "stride_w", "dilation_h", "dilation_w"})
    layer.attrs.set(name, rng.below(2) ? 1 : between(rng, 1, 3));
}

Graph graph_of(const Layer& layer, const Shape& output) {
  Graph graph;
  const auto add = [&](const char* name, DType dtype, const Shape& shape, const Quantization& quantization) -> Value& {
    Value value;
    value.name = name;
    value.type.dtype = dtype;
    value.type.shape = shape;
    value.quantization = quantization;
    return graph[graph.add(std::move(value))];
  };
  const Shape channels{layer.channels()};
  Quantization bias_q = layer.weights_q;
  bias_q.axis = 0;
  for (float& scale : bias_q.scale) scale *= layer.input_q.scale[0];
  add("x", DType::i8, layer.x, layer.input_q);
  add("w", DType::i8, layer.w, layer.weights_q).constant =
      std::make_shared<Tensor>(Tensor::from<int8_t>(layer.w, layer.weights));
  add("b", DType::i32, channels, bias_q).constant =
      std::make_shared<Tensor>(Tensor::from<int32_t>(channels, layer.bias));
  add("y", DType::i8, output, layer.output_q);
  graph.nodes.push_back({layer.op, "layer", {0, 1, 2}, {3}, layer.attrs});
  graph.inputs = {0};
  graph.outputs = {3};
  return graph;
}

// Number of bytes compared; 0 when the shapes do not go together.
int64_t compare(const Layer& layer) {
  const std::vector<ValueType> types{{DType::i8, layer.x}, {DType::i8, layer.w}, {DType::i32, {layer.channels()}}};
  const std::vector<const Tensor*> constants(3, nullptr);
  const auto inferred = (*layer.op->infer)({layer.attrs, types, constants});
  if (!inferred) return 0;
  const Shape& output = (*inferred)[0].shape;
  const Graph graph = graph_of(layer, output);
  EXPECT_TRUE(verify(graph)) << to_string(verify(graph).error());
  const auto* input = reinterpret_cast<const std::byte*>(layer.input.data());
  const auto kernel = run_kernels(graph, {{input, input + layer.input.size()}});
  if (!kernel) {
    ADD_FAILURE() << to_string(kernel.error());
    return 0;
  }
  const auto* bytes = reinterpret_cast<const int8_t*>((*kernel)[0].data());
  const std::vector<int8_t> expected = layer.op->name == "fully_connected"
                                           ? reference_fully_connected(layer, output)
                                           : reference_convolution(layer, output, layer.op->name == "depthwise_conv2d");
  int64_t differing = 0;
  for (size_t i = 0; i < expected.size(); ++i) differing += bytes[i] != expected[i];
  EXPECT_EQ(differing, 0) << "input " << to_string(layer.x) << ", weights " << to_string(layer.w);
  return static_cast<int64_t>(expected.size());
}

constexpr uint64_t kTrials = 1500;
constexpr int64_t kLeastCompared = 50'000;

}  // namespace

TEST(Int8Reference, ConvolutionDiffersInNoByte) {
  int64_t compared = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    Rng rng{1, trial};
    const int64_t depth = between(rng, 1, 9);
    Layer layer{&ops::conv2d(),
                {between(rng, 1, 2), between(rng, 1, 9), between(rng, 1, 9), depth},
                {between(rng, 1, 11), between(rng, 1, 5), between(rng, 1, 5), depth}};
    if (rng.below(4) == 0) layer.w[1] = layer.w[2] = 1;
    layer.channel_axis = 0;
    layer.per_channel = rng.below(4) != 0;
    random_window(layer, rng);
    fill(layer, rng);
    compared += compare(layer);
  }
  EXPECT_GT(compared, kLeastCompared);
}

TEST(Int8Reference, DepthwiseConvolutionDiffersInNoByte) {
  int64_t compared = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    Rng rng{2, trial};
    const int64_t depth = between(rng, 1, 9), multiplier = rng.below(2) ? 1 : between(rng, 1, 6);
    Layer layer{&ops::depthwise_conv2d(),
                {between(rng, 1, 2), between(rng, 1, 9), between(rng, 1, 9), depth},
                {1, between(rng, 1, 5), between(rng, 1, 5), depth * multiplier}};
    layer.attrs.set("depth_multiplier", multiplier);
    layer.channel_axis = 3;
    layer.per_channel = rng.below(4) != 0;
    random_window(layer, rng);
    fill(layer, rng);
    compared += compare(layer);
  }
  EXPECT_GT(compared, kLeastCompared);
}

Layer random_fully_connected(uint64_t trial) {
  Rng rng{3, trial};
  const int64_t inputs = between(rng, 1, 90);
  Layer layer{&ops::fully_connected(), {between(rng, 1, 3), inputs}, {between(rng, 1, 20), inputs}};
  layer.channel_axis = 0;
  layer.per_channel = rng.below(2) != 0;
  fill(layer, rng);
  return layer;
}

TEST(Int8Reference, FullyConnectedDiffersInNoByte) {
  int64_t compared = 0;
  for (uint64_t trial = 0; trial < 4 * kTrials; ++trial) compared += compare(random_fully_connected(trial));
  EXPECT_GT(compared, kLeastCompared);
}

// The last bits of a multiplier change an output byte too rarely for the test above.
TEST(Int8Reference, FullyConnectedMultipliersAreThoseOfTflite) {
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const Layer layer = random_fully_connected(trial);
    const Graph graph = graph_of(layer, Shape{layer.x[0], layer.w[0]});
    const auto calls = (*layer.op->lower)({graph, graph.nodes[0], "portable"});
    ASSERT_TRUE(calls) << to_string(calls.error());
    const auto multipliers = std::get<Tensor>((*calls)[0].operands[3]).as<int32_t>();
    const auto shifts = std::get<Tensor>((*calls)[0].operands[4]).as<int8_t>();
    for (size_t o = 0; o < multipliers.size(); ++o) {
      const Fixed expected = reference_scale(layer, static_cast<int64_t>(o));
      EXPECT_EQ(multipliers[o], expected.multiplier);
      EXPECT_EQ(shifts[o], expected.shift);
    }
  }
}

}  // namespace thimble::test
