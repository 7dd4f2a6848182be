// What is done before planning changes no byte of an output: random int8 and int16 networks with filters of zeros.
#include "graph/passes/prepare_for_device.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "graph/builder.h"
#include "graph/interpreter.h"
#include "graph/op_spec.h"
#include "ops/ops.h"

namespace thimble::test {
namespace {

struct Chances {
  double zero_filter = 0, zero_input = 0;
};

// Builds int8 and int16 layers with random weights, of which whole filters or whole input channels may be zero.
class Maker {
 public:
  explicit Maker(uint64_t seed, Chances chances = {}, DType dtype = DType::i8)
      : rng_{seed}, chances_(chances), dtype_(dtype) {}

  bool chance(double p) { return rng_.uniform(0, 1) < p; }
  int64_t number(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(rng_.below(static_cast<uint64_t>(most - least + 1)));
  }
  Quantization scale() {
    if (dtype_ == DType::i16) return {{static_cast<float>(rng_.uniform(0.0002, 0.0006))}, {0}};
    // -128 is where outputs of relu have it.
    return {{static_cast<float>(rng_.uniform(0.02, 0.06))},
            {chance(0.5) ? -128 : static_cast<int32_t>(number(-128, 127))}};
  }
  ValueId input(Shape shape) { return builder_.input("x", {dtype_, std::move(shape)}, scale()); }

  ValueId node(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {}, Quantization q = {}) {
    const ValueId id = builder_.node(*ops::find(op), std::string(op), std::move(inputs), std::move(attrs)).value()[0];
    builder_.graph()[id].quantization = q.empty() ? scale() : std::move(q);
    return id;
  }
  ValueId keeping_scale(std::string_view op, ValueId x, Attrs attrs) {
    return node(op, {x}, std::move(attrs), builder_[x].quantization);
  }

  // axis counts the outputs; input channels lie along the last axis where that is another one.
  ValueId linear(std::string_view op, ValueId x, Shape weights, int axis, Attrs attrs = {}) {
    const int64_t outputs = weights[static_cast<size_t>(axis)], last = weights.back();
    const int64_t per_output = element_count(weights) / outputs;
    const int64_t inputs = axis == 0 ? builder_[x].type.shape.back() : 1;
    std::vector<bool> no_output(static_cast<size_t>(outputs)), no_input(static_cast<size_t>(inputs));
    for (size_t i = 0; i < no_output.size(); ++i) no_output[i] = chance(chances_.zero_filter);
    for (size_t i = 0; i < no_input.size(); ++i) no_input[i] = chance(chances_.zero_input);
    std::vector<int8_t> numbers(static_cast<size_t>(element_count(weights)));
    for (int64_t i = 0; i < element_count(weights); ++i) {
      const int64_t o = axis == 0 ? i / per_output : i % last, c = axis == 0 ? i % inputs : 0;
      if (!no_output[static_cast<size_t>(o)] && !no_input[static_cast<size_t>(c)])
        numbers[static_cast<size_t>(i)] = static_cast<int8_t>(number(-127, 127));
    }
    Quantization q{{}, {}, axis};
    const int64_t scales = chance(0.5) && op != "fully_connected" ? outputs : 1;
    for (int64_t i = 0; i < scales; ++i) {
      q.scale.push_back(static_cast<float>(rng_.uniform(0.002, 0.02)));
      q.zero_point.push_back(0);
    }
    std::vector<ValueId> operands{x, builder_.constant("w", Tensor::from<int8_t>(weights, numbers), q)};
    if (chance(0.8)) operands.push_back(bias(outputs));
    return node(op, operands, std::move(attrs));
  }
  ValueId conv(ValueId x, int64_t outputs, int64_t taps, Attrs attrs) {
    return linear("conv2d", x, {outputs, taps, taps, builder_[x].type.shape[3]}, 0, std::move(attrs));
  }
  ValueId depthwise(ValueId x, int64_t multiplier, int64_t taps, Attrs attrs) {
    return linear("depthwise_conv2d", x, {1, taps, taps, builder_[x].type.shape[3] * multiplier}, 3,
                  std::move(attrs.set("depth_multiplier", multiplier)));
  }
  ValueId fully_connected(ValueId x, int64_t outputs) {
    return linear("fully_connected", x, {outputs, element_count(builder_[x].type.shape)}, 0);
  }

  Graph finish(std::vector<ValueId> outputs) {
    for (ValueId id : outputs) builder_.output(id);
    return builder_.finish().value();
  }
  const Value& operator[](ValueId id) const { return builder_[id]; }

 private:
  ValueId bias(int64_t outputs) {
    if (dtype_ == DType::i16) {
      std::vector<int64_t> numbers;
      for (int64_t i = 0; i < outputs; ++i) numbers.push_back(number(-200000, 200000));
      return builder_.constant("b", Tensor::from<int64_t>({outputs}, numbers), {{0.0001f}, {0}});
    }
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < outputs; ++i) numbers.push_back(static_cast<int32_t>(number(-20000, 20000)));
    return builder_.constant("b", Tensor::from<int32_t>({outputs}, numbers), {{0.0001f}, {0}});
  }

  Rng rng_;
  Chances chances_;
  DType dtype_;
  GraphBuilder builder_{"random"};
};

std::vector<std::byte> outputs_of(const Graph& graph, uint64_t seed, const KernelForm& form = {}) {
  Interpreter interpreter = Interpreter::make(graph, form).value();
  Rng rng{seed};
  std::vector<std::byte> bytes;
  for (int sample = 0; sample < 3; ++sample) {
    for (ValueId id : graph.inputs)
      for (std::byte& byte : interpreter.value(id)) byte = static_cast<std::byte>(rng.next());
    EXPECT_TRUE(interpreter.run());
    for (ValueId id : graph.outputs)
      bytes.insert(bytes.end(), interpreter.value(id).begin(), interpreter.value(id).end());
  }
  return bytes;
}

Graph expect_same(const Graph& graph, uint64_t seed) {
  auto prepared = prepare_for_device(graph);
  if (!prepared) {
    ADD_FAILURE() << to_string(prepared.error());
    return graph;
  }
  const std::vector<std::byte> expected = outputs_of(graph, seed);
  // Every core's kernels, for the widths and paddings that only passes make.
  for (const char* isa : {"portable", "scalar", "arm_dsp", "arm_mve"})
    for (const bool wide : {false, true})
      EXPECT_EQ(outputs_of(*prepared, seed, {.isa = isa, .wide_weights = wide}), expected) << isa;
  EXPECT_LE(count_macs(*prepared), count_macs(graph));
  EXPECT_LE(count_parameters(*prepared), count_parameters(graph) + 1000);  // biases that were not there
  const Graph again = prepare_for_device(*prepared).value();
  EXPECT_EQ(count_macs(again), count_macs(*prepared));
  EXPECT_EQ(count_parameters(again), count_parameters(*prepared));
  EXPECT_EQ(again.nodes.size(), prepared->nodes.size());
  return *prepared;
}

Attrs window(Maker& m, int64_t stride) {
  return Attrs()
      .set("padding", m.chance(0.5) ? "same" : "valid")
      .set("stride_h", stride)
      .set("stride_w", stride)
      .set("activation", m.chance(0.5) ? "relu" : "none");
}

ValueId random_layer(Maker& m, ValueId x) {
  const Shape shape = m[x].type.shape;
  const int64_t taps = shape[1] >= 3 && m.chance(0.6) ? 3 : 1, stride = shape[1] >= 5 ? m.number(1, 2) : 1;
  switch (m.number(0, 8)) {
    case 0:
    case 1:
    case 2:
      return m.conv(x, m.number(1, 9), taps, window(m, stride));
    case 3:
    case 4:
      return m.depthwise(x, shape[3] < 12 ? m.number(1, 2) : 1, taps, window(m, stride));
    case 5:
      return m.keeping_scale(m.chance(0.5) ? "max_pool2d" : "average_pool2d", x,
                             window(m, stride).set("window_h", taps).set("window_w", taps));
    case 6:
      if (m.chance(0.5)) return m.keeping_scale(m.chance(0.5) ? "relu" : "relu6", x, {});
      return m.node("relu", {x});
    case 7:
      return m.keeping_scale(
          "pad", x,
          Attrs().set("paddings", std::vector<int64_t>{0, 0, m.number(0, 2), m.number(0, 2), m.number(0, 2), 1, 0, 0}));
    default:  // a residual block
      return m.node("add", {x, m.conv(x, shape[3], 1, window(m, 1))});
  }
}

Graph random_network(uint64_t seed, DType dtype) {
  Maker m(seed, {.zero_filter = 0.4, .zero_input = 0.2}, dtype);
  ValueId x = m.input({1, m.number(3, 9), m.number(3, 9), m.number(1, 4)});
  std::vector<ValueId> outputs;
  for (int64_t layers = m.number(2, 9); layers > 0; --layers) {
    const Shape& shape = m[x].type.shape;
    if (shape[1] < 3 || shape[2] < 3) break;
    x = random_layer(m, x);
    if (m.chance(0.05)) outputs.push_back(x);
  }
  if (m.chance(0.3)) x = m.node("mean", {x}, Attrs().set("axes", std::vector<int64_t>{1, 2}));
  if (m.chance(0.5)) {
    if (m.chance(0.5))
      x = m.keeping_scale("reshape", x, Attrs().set("shape", std::vector<int64_t>{1, element_count(m[x].type.shape)}));
    x = m.fully_connected(x, m.number(1, 6));
    x = m.fully_connected(x, m.number(1, 6));
  }
  outputs.push_back(x);
  return m.finish(outputs);
}

TEST(PrepareForDevice, RandomNetworksKeepTheirBytes) {
  int64_t before = 0, after = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_network(seed, seed % 4 == 3 ? DType::i16 : DType::i8);
    before += count_macs(graph);
    after += count_macs(expect_same(graph, seed));
    if (HasFailure()) return;
  }
  EXPECT_LT(after, before * 3 / 4);
}

TEST(EliminateChannels, ConstantsOfFiltersOfZerosMoveIntoTheBias) {
  Maker m(1, {.zero_filter = 1});
  const ValueId x = m.conv(m.input({1, 5, 5, 3}), 8, 3, Attrs().set("padding", "same"));
  const Graph graph = m.finish({m.conv(x, 4, 1, {})});
  const Graph prepared = expect_same(graph, 1);
  // What the model gives keeps its channels, all else falls to the fewest there can be.
  EXPECT_EQ(prepared[prepared.outputs[0]].type.shape, graph[graph.outputs[0]].type.shape);
  EXPECT_LE(prepared[prepared.nodes[0].outputs[0]].type.shape.back(), 2);
}

TEST(EliminateChannels, PaddingReadsTheZeroPointAndNotTheConstant) {
  int stayed = 0, gone = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Maker m(seed, {.zero_filter = 0.5});
    const ValueId x = m.conv(m.input({1, 6, 6, 4}), 12, 1, {});
    const Graph graph = m.finish({m.conv(x, 3, 3, Attrs().set("padding", seed % 2 ? "same" : "valid"))});
    const Graph prepared = expect_same(graph, seed);
    (prepared[prepared.nodes[0].outputs[0]].type.shape == Shape{1, 6, 6, 12} ? stayed : gone)++;
  }
  EXPECT_GT(gone, 20);
}

TEST(EliminateChannels, WhatNobodyReadsGoes) {
  Maker m(5, {.zero_input = 0.6});
  const ValueId a = m.conv(m.input({1, 4, 4, 2}), 16, 1, {});
  const ValueId b = m.depthwise(a, 1, 3, Attrs().set("padding", "same"));
  const Graph graph = m.finish({m.conv(b, 4, 1, {})});
  const Graph prepared = expect_same(graph, 5);
  const int64_t left = prepared[prepared.nodes[1].outputs[0]].type.shape.back();
  EXPECT_LT(left, 16);
  EXPECT_EQ(prepared[prepared.nodes[0].outputs[0]].type.shape.back(), left);
  EXPECT_EQ(count_macs(prepared), 16 * (2 * left + 9 * left + 4 * left));
}

TEST(EliminateChannels, TakesLittleTimeForAnyFile) {
  Maker m(9, {.zero_filter = 1});
  const ValueId x = m.conv(m.input({1, 4000, 4000, 1}), 1, 1, {});
  const Attrs window = Attrs().set("padding", "same").set("window_h", int64_t{4000}).set("window_w", int64_t{4000});
  const ValueId pooled = m.keeping_scale("average_pool2d", x, window);
  const Graph graph = m.finish({m.conv(pooled, 2, 1, {})});
  EXPECT_TRUE(prepare_for_device(graph));
}

TEST(EliminateChannels, OutputsAndSharedConstantsStay) {
  Maker m(6, {.zero_filter = 0.7});
  const ValueId x = m.conv(m.input({1, 4, 4, 2}), 16, 1, {});
  const Graph graph =
      m.finish({x, m.node("concatenation", {x, x}, Attrs().set("axis", int64_t{3}), m[x].quantization)});
  const Graph prepared = expect_same(graph, 6);
  EXPECT_EQ(count_macs(prepared), count_macs(graph));
}

TEST(PrepareForDevice, PaddingAndActivationsMoveIntoTheConvolution) {
  for (const std::string op : {"conv2d", "depthwise_conv2d"}) {
    Maker m(7);
    ValueId x = m.input({1, 5, 6, 3});
    x = m.keeping_scale("pad", x, Attrs().set("paddings", std::vector<int64_t>{0, 0, 1, 2, 2, 0, 0, 0}));
    const Attrs stride = Attrs().set("stride_h", int64_t{2}).set("stride_w", int64_t{2});
    x = op == "conv2d" ? m.conv(x, 4, 3, stride) : m.depthwise(x, 2, 3, stride);
    const Graph graph = m.finish({m.keeping_scale("relu6", x, {})});
    const Graph prepared = expect_same(graph, 7);
    EXPECT_EQ(prepared.nodes.size(), 1u);
    EXPECT_EQ(prepared[prepared.outputs[0]].name, graph[graph.outputs[0]].name);
  }
}

TEST(PrepareForDevice, LeavesWhatIsNotTheSame) {
  Maker m(8);
  const ValueId x = m.input({1, 5, 6, 3});
  const Attrs paddings = Attrs().set("paddings", std::vector<int64_t>{0, 0, 1, 1, 1, 1, 0, 0});
  const ValueId twice = m.keeping_scale("pad", x, paddings);  // read by two
  const ValueId same = m.conv(m.keeping_scale("pad", x, paddings), 4, 3, Attrs().set("padding", "same"));
  const ValueId pool = m.keeping_scale("max_pool2d", twice, Attrs().set("window_h", int64_t{2}));
  // Another scale: the activation also changes the codes.
  const ValueId relu = m.node("relu", {m.conv(twice, 4, 3, {})});
  const Graph graph = m.finish({same, pool, relu});
  EXPECT_EQ(expect_same(graph, 8).nodes.size(), graph.nodes.size());
}

}  // namespace
}  // namespace thimble::test
