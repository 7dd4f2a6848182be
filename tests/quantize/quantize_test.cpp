// The int8 graph keeps TensorFlow Lite's conventions, and its numbers stand for the float graph's.
#include "quantize/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "graph/op_spec.h"
#include "ops/ops.h"
#include "quantize/calibrate.h"
#include "quantize/int8_graph.h"
#include "train/support.h"

using namespace thimble;

namespace {

// A DS-CNN with random weights and lively batch norms: what training gives, without the wait.
TrainedModel untrained_cnn(const Features& features) {
  TrainedModel model;
  model.graph = make_architecture({.name = "ds_cnn", .input = {1, 12, 9, 1}, .outputs = 3, .seed = 3}).value();
  Rng rng{5};
  for (Node& node : model.graph.nodes)
    if (node.op->name == "batch_norm")
      for (size_t i = 1; i < node.inputs.size(); ++i)
        for (float& number : model.graph[node.inputs[i]].constant->as<float>())
          number = static_cast<float>(rng.uniform(0.5, 1.5));
  model.classes = features.classes;
  model.feature_mean = features.feature_mean;
  model.feature_std = features.feature_std;
  return model;
}

Graph linear_graph(const std::vector<float>& weights, const std::vector<float>& bias, bool depthwise) {
  const auto channels = static_cast<int64_t>(bias.size());
  const int64_t inputs = static_cast<int64_t>(weights.size()) / channels;
  const Shape weight_shape = depthwise ? Shape{1, inputs, 1, channels} : Shape{channels, inputs};
  const Shape input_shape = depthwise ? Shape{1, inputs, 1, channels} : Shape{1, inputs};
  const Shape output_shape = depthwise ? Shape{1, 1, 1, channels} : Shape{1, channels};
  Graph graph;
  const auto constant = [&](const char* name, Shape shape, const std::vector<float>& values) {
    Value value{.name = name, .type = {DType::f32, shape}};
    value.constant = std::make_shared<Tensor>(Tensor::from<float>(shape, values));
    return graph.add(std::move(value));
  };
  const ValueId x = graph.add({.name = "x", .type = {DType::f32, input_shape}});
  const ValueId w = constant("w", weight_shape, weights), b = constant("b", {channels}, bias);
  const ValueId y = graph.add({.name = "y", .type = {DType::f32, output_shape}});
  Attrs attrs;
  if (depthwise) attrs.set("padding", "valid");
  graph.nodes.push_back(
      {ops::find(depthwise ? "depthwise_conv2d" : "fully_connected"), "layer", {x, w, b}, {y}, attrs});
  graph.inputs = {x};
  graph.outputs = {y};
  return graph;
}

const Value& named(const Graph& graph, std::string_view name) {
  return *std::ranges::find(graph.values, name, &Value::name);
}

}  // namespace

TEST(Quantize, FollowsTheConventionsOfTheFormat) {
  const Features features = stripe_features();
  const QuantizedModel model = must(quantize_model(untrained_cnn(features), features, {}, silent_progress()));
  ASSERT_TRUE(verify(model.graph));
  const Graph& graph = model.graph;
  std::set<std::string> seen;
  for (const Node& node : graph.nodes) {
    seen.insert(std::string(node.op->name));
    const QuantizeRule& rule = *node.op->quantize;
    const Value& output = graph[node.outputs[0]];
    EXPECT_EQ(output.type.dtype, DType::i8) << node.name;
    const Quantization expected = rule.output == OutputScale::same_as_input ? graph[node.inputs[0]].quantization
                                  : rule.output == OutputScale::fixed
                                      ? Quantization{{rule.fixed_scale}, {rule.fixed_zero_point}, 0}
                                      : output.quantization;
    EXPECT_EQ(output.quantization, expected) << node.name;
    if (rule.weights < 0) continue;
    const Value& weights = graph[node.inputs[static_cast<size_t>(rule.weights)]];
    const Value& bias = graph[node.inputs[static_cast<size_t>(rule.bias)]];
    EXPECT_EQ(weights.type.dtype, DType::i8) << node.name;
    EXPECT_EQ(weights.quantization.per_channel(), rule.per_channel) << node.name;
    EXPECT_TRUE(std::ranges::all_of(weights.constant->as<int8_t>(), [](int8_t w) { return w >= -127; })) << node.name;
    EXPECT_TRUE(std::ranges::all_of(weights.quantization.zero_point, [](int32_t zero) { return zero == 0; }));
    EXPECT_EQ(bias.type.dtype, DType::i32) << node.name;
    const float product = graph[node.inputs[0]].quantization.scale[0] * weights.quantization.scale[0];
    EXPECT_FLOAT_EQ(bias.quantization.scale[0], product) << node.name;
  }
  EXPECT_TRUE(seen.contains("depthwise_conv2d") && seen.contains("softmax"));
  EXPECT_FALSE(seen.contains("batch_norm") || seen.contains("dropout"));
  EXPECT_EQ(named(graph, graph[graph.outputs[0]].name).quantization, (Quantization{{1.0f / 256}, {-128}, 0}));
}

TEST(Quantize, NamesSurviveAndTheRangesAreThoseOfTheCodes) {
  const Features features = stripe_features();
  const QuantizedModel model = must(quantize_model(untrained_cnn(features), features, {}, silent_progress()));
  for (const Node& node : model.float_graph.nodes)
    EXPECT_NE(std::ranges::find(model.graph.values, model.float_graph[node.outputs[0]].name, &Value::name),
              model.graph.values.end());
  for (const TensorRange& range : model.ranges) {
    EXPECT_LE(range.min, 0) << range.value;
    EXPECT_GE(range.max, 0) << range.value;
  }
}

TEST(Quantize, SameModelAndOptionsGiveTheSameBytesAndHash) {
  const Features features = stripe_features();
  const TrainedModel trained = untrained_cnn(features);
  const QuantizedModel a = must(quantize_model(trained, features, {}, silent_progress()));
  const QuantizedModel b = must(quantize_model(trained, features, {}, silent_progress()));
  const QuantizedModel other = must(quantize_model(trained, features, {.method = "minmax"}, silent_progress()));
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_NE(a.hash, other.hash);
  for (size_t i = 0; i < a.graph.values.size(); ++i) {
    EXPECT_EQ(a.graph.values[i].quantization, b.graph.values[i].quantization);
    if (!a.graph.values[i].constant) continue;
    EXPECT_EQ(a.graph.values[i].constant->bytes, b.graph.values[i].constant->bytes);
  }
}

TEST(Quantize, TheTrainedModelIsLeftAsItWas) {
  const Features features = stripe_features();
  const TrainedModel trained = untrained_cnn(features);
  const std::vector<float> before = weights_of(trained.graph);
  must(quantize_model(trained, features, {}, silent_progress()));
  EXPECT_EQ(weights_of(trained.graph), before);
}

TEST(Quantize, DepthwiseWeightsHaveAScalePerChannel) {
  const Graph graph =
      must(make_int8_graph(linear_graph({0.5f, -10, 0.25f, 20}, {0, 0}, true), {{-1, 1}, {}, {}, {-40, 40}}));
  const Value& weights = named(graph, "w");
  EXPECT_EQ(weights.quantization.axis, 3);
  EXPECT_FLOAT_EQ(weights.quantization.scale.at(0), 0.5f / 127);
  EXPECT_FLOAT_EQ(weights.quantization.scale.at(1), 20.0f / 127);
  const auto codes = weights.constant->as<int8_t>();
  EXPECT_EQ(std::vector<int>(codes.begin(), codes.end()), (std::vector<int>{127, -64, 64, 127}));
}

TEST(Quantize, NearlyDeadChannelWithALargeBiasStaysInsideTheAccumulator) {
  const Graph graph = must(make_int8_graph(linear_graph({1e-12f, 1, 0, 1}, {3, -2}, true), {{-1, 1}, {}, {}, {-5, 5}}));
  for (int32_t code : named(graph, "b").constant->as<int32_t>())
    EXPECT_LT(std::abs(static_cast<double>(code)), 1 << 30);
  const Value& bias = named(graph, "b");
  EXPECT_NEAR(bias.constant->as<int32_t>()[0] * static_cast<double>(bias.quantization.scale[0]), 3, 1e-5);
  EXPECT_NEAR(bias.constant->as<int32_t>()[1] * static_cast<double>(bias.quantization.scale[1]), -2, 1e-2);
}

TEST(Quantize, OutputStepsAreNeverFinerThanTheAccumulators) {
  const Graph graph = must(make_int8_graph(linear_graph({100, 100}, {0}, false), {{-1, 1}, {}, {}, {0, 1e-9}}));
  EXPECT_GE(named(graph, "y").quantization.scale[0],
            named(graph, "x").quantization.scale[0] * named(graph, "w").quantization.scale[0]);
}

TEST(Quantize, SharedWeightsAreSplitWhereTheirBiasesDiffer) {
  Graph graph = linear_graph({1, 2, 3, 4}, {1, 2}, false);
  const ValueId z = graph.add({.name = "z", .type = {DType::f32, {1, 2}}});
  graph.nodes.push_back({graph.nodes[0].op, "second", {graph.nodes[0].outputs[0], 1, 2}, {z}, {}});
  graph.outputs = {z};
  const Graph quantized = must(make_int8_graph(graph, {{-1, 1}, {}, {}, {-9, 9}, {-90, 90}}));
  const auto bias_of = [&](size_t node) { return quantized[quantized.nodes[node].inputs[2]]; };
  EXPECT_NE(bias_of(0).name, bias_of(1).name);
  EXPECT_NEAR(bias_of(0).constant->as<int32_t>()[1] * bias_of(0).quantization.scale[0], 2, 1e-2);
  EXPECT_NEAR(bias_of(1).constant->as<int32_t>()[1] * bias_of(1).quantization.scale[0], 2, 1e-1);
}

TEST(Quantize, FeatureCodesAreTheNormalisedFeaturesWithinOneStep) {
  const double scale = 1.0 / 256, mean = 2.1, deviation = 0.7;
  const Quantization input{{0.031f}, {-17}, 0};
  const InputQuantization map = input_quantization(scale, mean, deviation, input);
  std::vector<int16_t> features;
  for (int feature = -32768; feature <= 32767; feature += 13) features.push_back(static_cast<int16_t>(feature));
  const auto codes = quantize_features(map, features);
  const auto reals = dequantize(codes, input);
  for (size_t i = 0; i < features.size(); ++i) {
    const double wanted =
        std::clamp((scale * features[i] - mean) / deviation, (-128.0 + 17) * 0.031, (127.0 + 17) * 0.031);
    EXPECT_NEAR(reals[i], wanted, 0.0311) << features[i];
  }
}

TEST(Quantize, BadOptionsAndFeaturesAreNamed) {
  const Features features = stripe_features();
  const TrainedModel model = untrained_cnn(features);
  const auto error_of = [&](const QuantizeOptions& options, const Features& given) {
    const auto result = quantize_model(model, given, options, silent_progress());
    return result ? Error{} : result.error();
  };
  EXPECT_EQ(error_of({.method = "magic"}, features).where, "[quantize] method");
  EXPECT_EQ(error_of({.calibration_samples = 0}, features).code, ErrorCode::usage);
  EXPECT_EQ(error_of({.percentile = std::nan("")}, features).code, ErrorCode::usage);
  EXPECT_EQ(error_of({}, stripe_features(30, 5, 9)).code, ErrorCode::bad_data);
  Features no_training = features;
  std::ranges::fill(no_training.splits, Split::test);
  EXPECT_EQ(error_of({}, no_training).code, ErrorCode::bad_data);
}

TEST(Quantize, LayerWithoutInt8FormStaysFloatBetweenConversions) {
  Graph graph = linear_graph({1, 2}, {0}, false);
  OpSpec float_only = *graph.nodes[0].op;
  float_only.quantize = OptOut{"float only"};
  graph.nodes[0].op = &float_only;
  const Graph mixed = must(make_int8_graph(graph, {{-1, 1}, {}, {}, {-9, 9}}));
  ASSERT_EQ(mixed.nodes.size(), 3u);
  EXPECT_EQ(mixed.nodes[0].op->name, "dequantize");
  EXPECT_EQ(mixed.nodes[1].op, &float_only);
  EXPECT_EQ(mixed[mixed.nodes[1].outputs[0]].type.dtype, DType::f32);
  EXPECT_EQ(mixed.nodes[2].op->name, "quantize");
  EXPECT_EQ(mixed[mixed.inputs[0]].type.dtype, DType::i8);
  EXPECT_EQ(mixed[mixed.outputs[0]].type.dtype, DType::i8);
}
