// What is read from small ONNX models, and that damaged ones are refused with one error.
#include "formats/onnx/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "core/rng.h"
#include "formats/model_file.h"
#include "formats/onnx/wire.h"
#include "formats/onnx_sample.h"
#include "graph/op_spec.h"
#include "ops/ops.h"
#include "plan/session.h"

using namespace thimble;

namespace {

std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.emplace_back(node.op->name);
  return names;
}

Error error_of(const OnnxSample& sample) {
  const auto graph = read_onnx(sample.bytes());
  EXPECT_FALSE(graph);
  if (graph) return {};
  EXPECT_FALSE(graph.error().message.empty());
  return graph.error();
}

void survive(std::span<const uint8_t> bytes) {
  const auto graph = read_onnx(bytes);
  if (!graph) {
    EXPECT_FALSE(graph.error().message.empty());
    return;
  }
  const auto plan = make_plan(*graph, {});
  if (!plan) {
    EXPECT_FALSE(plan.error().message.empty());
  }
}

OnnxSample relu(std::vector<int64_t> shape) {
  return OnnxSample().input("x", std::move(shape)).node("Relu", {"x"}, {"y"}).output("y");
}

std::vector<OnnxSample> seeds() { return {sample_cnn(), sample_qdq(), relu({1, 4})}; }

}  // namespace

TEST(Onnx, AConvolutionalNetworkHasOneTransposeAndThatAtTheInput) {
  const auto graph = read_onnx(sample_cnn().bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(ops_of(*graph),
            (std::vector<std::string>{"transpose", "conv2d", "max_pool2d", "reshape", "fully_connected"}));
  EXPECT_EQ(graph->nodes[1].attrs.word("activation"), "relu");
  EXPECT_EQ((*graph)[graph->inputs[0]].type.shape, (Shape{1, 2, 6, 6}));
}

TEST(Onnx, ACameraGivesItsChannelsLast) {
  const auto graph = read_onnx(sample_cnn().bytes(), {.nhwc_inputs = true});
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"conv2d", "max_pool2d", "reshape", "fully_connected"}));
  EXPECT_EQ((*graph)[graph->inputs[0]].type.shape, (Shape{1, 6, 6, 2}));
}

TEST(Onnx, QuantisedPairsBecomeAnInt8Layer) {
  if (!ops::find("quantize")) GTEST_SKIP() << "no operator quantize";
  const auto graph = read_onnx(sample_qdq().bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  const auto conv = std::ranges::find_if(graph->nodes, [](const Node& node) { return node.op->name == "conv2d"; });
  ASSERT_NE(conv, graph->nodes.end());
  const Value& input = (*graph)[conv->inputs[0]];
  EXPECT_EQ(input.type.dtype, DType::i8);
  EXPECT_EQ(input.quantization, (Quantization{{0.05f}, {-8}}));  // uint8's 120
  EXPECT_EQ((*graph)[conv->inputs[1]].quantization.scale, (std::vector<float>{0.02f, 0.03f}));
  EXPECT_EQ((*graph)[conv->outputs[0]].quantization, (Quantization{{0.1f}, {0}}));
}

TEST(Onnx, AnOpenBatchIsOne) {
  OnnxSample sample = relu({0, 4});
  sample.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("N");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ((*graph)[graph->inputs[0]].type.shape, (Shape{1, 4}));
}

TEST(Onnx, ShapeArithmeticIsDoneWhileReading) {
  OnnxSample sample;
  sample.input("x", {1, 3, 4})
      .integers("zero", {}, {0})
      .integers("rest", {1}, {-1})
      .integers("axis", {1}, {0})
      .node("Shape", {"x"}, {"s"})
      .node("Gather", {"s", "zero"}, {"n"})
      .node("Unsqueeze", {"n", "axis"}, {"n1"})
      .node("Concat", {"n1", "rest"}, {"shape"}, {{"axis", {0}}})
      .node("Reshape", {"x", "shape"}, {"y"})
      .output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"reshape"}));
  EXPECT_EQ((*graph)[graph->outputs[0]].type.shape, (Shape{1, 12}));
}

TEST(Onnx, GeluIsFoundInItsParts) {
  if (!ops::find("gelu")) GTEST_SKIP() << "no operator gelu";
  OnnxSample sample;
  sample.input("x", {1, 4})
      .floats("root", {}, {1.41421354f})
      .floats("one", {}, {1})
      .floats("half", {}, {0.5f})
      .node("Div", {"x", "root"}, {"d"})
      .node("Erf", {"d"}, {"e"})
      .node("Add", {"e", "one"}, {"a"})
      .node("Mul", {"x", "a"}, {"m"})
      .node("Mul", {"m", "half"}, {"y"})
      .output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(ops_of(*graph), (std::vector<std::string>{"gelu"}));
}

TEST(Onnx, TheKindOfAFileIsToldByItsContent) {
  const auto model = read_model(sample_cnn().bytes(), "model.bin");
  ASSERT_TRUE(model) << to_string(model.error());
  EXPECT_EQ(model->format, "onnx");
}

TEST(Onnx, AnUnknownOperatorIsNamedWithItsLayer) {
  OnnxSample sample = relu({1, 4});
  sample.node("Frobnicate", {"y"}, {"z"});
  const Error error = error_of(sample);
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("Frobnicate"), std::string::npos);
  EXPECT_NE(error.where.find("Frobnicate_z"), std::string::npos);
  EXPECT_FALSE(error.hint.empty());
}

TEST(OnnxHostile, StructuresThatCannotBe) {
  EXPECT_EQ(
      error_of(OnnxSample().input("x", {1, 4}).node("Relu", {"y"}, {"z"}).node("Relu", {"z"}, {"y"}).output("y")).code,
      ErrorCode::bad_data);  // a cycle
  EXPECT_EQ(error_of(OnnxSample().input("x", {1, 4}).node("Relu", {"gone"}, {"y"}).output("y")).code,
            ErrorCode::bad_data);
  EXPECT_EQ(error_of(relu({1, 4}).node("Relu", {"x"}, {"y"})).code, ErrorCode::bad_data);  // written twice
  EXPECT_EQ(error_of(OnnxSample().input("x", {1, 4}).node("Relu", {"x"}, {"y"}).output("z")).code, ErrorCode::bad_data);
  error_of(OnnxSample().input("x", {1, 4}).node("Relu", {}, {"y"}).output("y"));
  error_of(OnnxSample().input("x", {1, 4}).output("x"));
  // Nodes that write nothing, whose handlers would look at their output.
  for (const char* op : {"Concat", "Conv", "MatMul", "Resize", "MaxPool", "Relu"})
    EXPECT_EQ(error_of(OnnxSample()
                           .input("x", {1, 1, 2, 2})
                           .floats("w", {1, 1, 1, 1}, {1})
                           .node("Relu", {"x"}, {"y"})
                           .node(op, {"x", "w"}, {"gone"})
                           .drop_outputs(1)
                           .output("y"))
                  .code,
              ErrorCode::bad_data)
        << op;
  error_of(relu({1, int64_t{1} << 40}));
  error_of(relu({1, -5}));
  error_of(relu(std::vector<int64_t>(64, 1)));
  error_of(OnnxSample(99).input("x", {1}).node("Relu", {"x"}, {"y"}).output("y"));
}

TEST(OnnxHostile, ClaimsOfMemory) {
  OnnxSample sample;
  sample.integers("shape", {3}, {1 << 20, 1 << 20, 1 << 20}).node("ConstantOfShape", {"shape"}, {"y"}).output("y");
  error_of(sample);
  OnnxSample truncated = sample_cnn();
  truncated.proto().mutable_graph()->mutable_initializer(0)->set_dims(0, 1 << 30);
  error_of(truncated);
  OnnxSample negative = sample_cnn();
  negative.proto().mutable_graph()->mutable_initializer(0)->set_dims(0, -4);
  error_of(negative);
  // One factor for each of 2^30 means.
  error_of(OnnxSample()
               .input("x", {1, 1, 1, 1})
               .node("AveragePool", {"x"}, {"y"}, {{"kernel_shape", {1, 1}}, {"pads", {16384, 16384, 16384, 16384}}})
               .output("y"));
  // Nodes of two bytes each.
  std::vector<uint8_t> many = {0x3A, 0x80, 0x89, 0x7A};  // a graph of 2,000,000 bytes
  for (int i = 0; i < 1000000; ++i) many.insert(many.end(), {0x0A, 0x00});
  EXPECT_FALSE(read_onnx(many));
}

TEST(OnnxHostile, WeightsAndConstantsOfTheWrongType) {
  const auto int8 = onnx::TensorProto::INT8;
  error_of(OnnxSample()
               .input("x", {1, 1, 2, 2})
               .codes("w", {1, 1, 1, 1}, int8, {3})
               .node("Conv", {"x", "w"}, {"y"})
               .output("y"));
  error_of(
      OnnxSample().input("x", {1, 2}).codes("w", {2, 1}, int8, {3, 4}).node("MatMul", {"x", "w"}, {"y"}).output("y"));
  error_of(OnnxSample().input("x", {1, 2}).floats("w", {2, 0}, {}).node("MatMul", {"x", "w"}, {"y"}).output("y"));
  error_of(OnnxSample()
               .integers("first", {}, {0})
               .floats("limit", {}, {3})
               .integers("step", {}, {1})
               .node("Range", {"first", "limit", "step"}, {"y"})
               .output("y"));
}

TEST(OnnxHostile, NumbersAtTheEndsOfTheirRange) {
  error_of(OnnxSample()
               .input("x", {2, 2})
               .integers("pads", {4}, {INT64_MIN, 0, 0, 0})
               .node("Pad", {"x", "pads"}, {"y"})
               .output("y"));
  for (const std::vector<int64_t>& extents : {std::vector<int64_t>{0, INT64_MAX, INT64_MAX}, {INT64_MAX, 0, 3}}) {
    error_of(OnnxSample().input("x", {1}).floats("w", extents, {}).node("Add", {"x", "w"}, {"y"}).output("y"));
    OnnxSample computed;
    computed.integers("shape", {3}, extents).node("ConstantOfShape", {"shape"}, {"y"}).output("y");
    error_of(computed);
  }
}

TEST(OnnxHostile, BoundsThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const char* bound : {"min", "max"}) {
    OnnxSample attribute(6);
    attribute.input("x", {1, 4}).node("Clip", {"x"}, {"y"}, {{bound, {}}}).output("y");
    attribute.proto().mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_f(nan);
    EXPECT_EQ(error_of(attribute).code, ErrorCode::bad_data);
  }
  EXPECT_EQ(
      error_of(OnnxSample().input("x", {1, 4}).floats("low", {}, {nan}).node("Clip", {"x", "low"}, {"y"}).output("y"))
          .code,
      ErrorCode::bad_data);
  // Clips in the scale of the convolution before them, infinities among their bounds.
  for (float low : {nan, -infinity, infinity, 0.3f}) {
    OnnxSample sample = sample_qdq();
    auto& graph = *sample.proto().mutable_graph();
    graph.mutable_node(4)->set_input(0, "clipped");
    sample.floats("low", {}, {low}).node("Clip", {"c", "low"}, {"clipped"});
    graph.mutable_node()->SwapElements(4, 6);
    graph.mutable_node()->SwapElements(5, 6);
    EXPECT_EQ(read_onnx(sample.bytes()).has_value(), low == low) << low;
  }
}

TEST(OnnxHostile, ScalesAndBiasesThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto with_bias = [](float first, float second) {
    OnnxSample sample = sample_qdq();
    sample.floats("b", {2}, {first, second}).proto().mutable_graph()->mutable_node(3)->add_input("b");
    return sample;
  };
  EXPECT_TRUE(read_onnx(with_bias(1, -1e30f).bytes()));
  EXPECT_TRUE(read_onnx(with_bias(infinity, 0).bytes()));
  EXPECT_EQ(error_of(with_bias(1, nan)).code, ErrorCode::bad_data);
  // Scales of input and weights whose product is 0 or infinite, and scales of the output that are none.
  const auto with_scale = [&](int which, float scale) {
    OnnxSample sample = with_bias(0, 0);
    auto& tensor = *sample.proto().mutable_graph()->mutable_initializer(which);
    const auto count = tensor.raw_data().size() / sizeof(float);
    const std::vector<float> scales(count, scale);
    tensor.set_raw_data(scales.data(), count * sizeof(float));
    return sample;
  };
  constexpr int kInput = 0, kWeights = 2, kOutput = 5;
  for (int which : {kInput, kWeights, kOutput})
    for (float scale : {nan, infinity, -1.0f, 0.0f})
      EXPECT_EQ(error_of(with_scale(which, scale)).code, ErrorCode::bad_data) << which << " " << scale;
  EXPECT_EQ(error_of(with_scale(kInput, 1e-44f)).code, ErrorCode::bad_data);
  OnnxSample large = with_scale(kInput, 1e38f);
  const std::vector<float> weights = {1e38f, 1e38f};
  large.proto().mutable_graph()->mutable_initializer(kWeights)->set_raw_data(weights.data(), 8);
  EXPECT_EQ(error_of(large).code, ErrorCode::bad_data);
}

// Numbers beside integers are whole ones, exact over the type's whole range.
TEST(OnnxHostile, NumbersBesideIntegers) {
  const auto int64 = onnx::TensorProto::INT64, int32 = onnx::TensorProto::INT32;
  constexpr int64_t kLarge = (int64_t{1} << 53) + 1;
  const auto holds = [](const OnnxSample& sample, int64_t number) {
    const auto graph = read_onnx(sample.bytes());
    if (!graph) return false;
    return std::ranges::any_of(graph->values, [&](const Value& value) {
      return value.constant && value.constant->dtype == DType::i64 && value.constant->size() == 1 &&
             value.constant->as<int64_t>()[0] == number;
    });
  };
  EXPECT_TRUE(holds(OnnxSample()
                        .input("x", {1, 4}, int64)
                        .integers("low", {}, {kLarge})
                        .node("Clip", {"x", "low"}, {"y"})
                        .output("y"),
                    kLarge));
  EXPECT_TRUE(holds(OnnxSample()
                        .input("x", {2}, int64)
                        .integers("pads", {2}, {1, 1})
                        .integers("fill", {}, {kLarge})
                        .node("Pad", {"x", "pads", "fill"}, {"y"})
                        .output("y"),
                    kLarge));
  error_of(OnnxSample().input("x", {1, 4}, int32).node("HardSigmoid", {"x"}, {"y"}).output("y"));
  error_of(OnnxSample().input("x", {1, 4}, int32).node("Mean", {"x", "x"}, {"y"}).output("y"));
  for (float number : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 0.5f, 1e30f}) {
    OnnxSample sample;
    sample.input("x", {1, 4}, int32).node("HardSigmoid", {"x"}, {"y"}, {{"alpha", {}}, {"beta", {}}}).output("y");
    for (auto& attribute : *sample.proto().mutable_graph()->mutable_node(0)->mutable_attribute())
      attribute.set_f(number);
    EXPECT_EQ(error_of(sample).code, ErrorCode::bad_data) << number;
    OnnxSample pad(10);
    pad.input("x", {2}, int32).node("Pad", {"x"}, {"y"}, {{"pads", {1, 1}}, {"value", {}}}).output("y");
    pad.proto().mutable_graph()->mutable_node(0)->mutable_attribute(1)->set_f(number);
    EXPECT_EQ(error_of(pad).code, ErrorCode::bad_data) << number;
  }
}

TEST(OnnxHostile, MessagesDeepInEachOther) {
  onnx::ModelProto model;
  onnx::GraphProto* graph = model.mutable_graph();
  for (int i = 0; i < 90; ++i) graph = graph->add_node()->add_attribute()->mutable_g();
  const std::string text = model.SerializeAsString();
  EXPECT_FALSE(onnx_import::parts_are_bounded({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  EXPECT_FALSE(read_onnx({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
}

TEST(OnnxHostile, NonsenseAttributes) {
  constexpr int64_t kNumbers[] = {0, -1, 1, 3, 1 << 30, INT64_MAX, INT64_MIN};
  const OnnxSample sample = sample_cnn();
  for (int node = 0; node < OnnxSample(sample).proto().graph().node_size(); ++node)
    for (const char* name :
         {"pads", "strides", "kernel_shape", "dilations", "group", "axis", "ceil_mode", "auto_pad", "transB"})
      for (int64_t number : kNumbers)
        for (int count : {1, 2, 4}) {
          OnnxSample damaged = sample;
          auto& attributes = *damaged.proto().mutable_graph()->mutable_node(node)->mutable_attribute();
          for (int i = attributes.size() - 1; i >= 0; --i)
            if (attributes[i].name() == name) attributes.DeleteSubrange(i, 1);
          auto& attribute = *attributes.Add();
          attribute.set_name(name);
          attribute.set_i(number);
          attribute.set_s("SAME_LOWER");
          for (int i = 0; i < count; ++i) attribute.add_ints(number);
          survive(damaged.bytes());
        }
}

TEST(OnnxHostile, Truncated) {
  for (const OnnxSample& sample : seeds()) {
    const auto bytes = sample.bytes();
    for (size_t size = 0; size < bytes.size(); size += 7) survive(std::span(bytes).first(size));
  }
}

TEST(OnnxHostile, BytesFlipped) {
  uint64_t seed = 0;
  for (const OnnxSample& sample : seeds()) {
    const auto model = sample.bytes();
    Rng rng({20240601, seed++});
    for (int i = 0; i < 3000; ++i) {
      std::vector<uint8_t> bytes = model;
      for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
        bytes[rng.below(bytes.size())] = static_cast<uint8_t>(rng.next());
      survive(bytes);
    }
  }
}

// For fuzz/onnx_fuzz.
TEST(OnnxHostile, Seeds) {
  const char* folder = std::getenv("THIMBLE_ONNX_SEEDS");
  if (!folder) GTEST_SKIP() << "THIMBLE_ONNX_SEEDS names no folder";
  int number = 0;
  for (const OnnxSample& sample : seeds())
    ASSERT_TRUE(write_bytes(Path(folder) / fmt::format("{}.onnx", number++), sample.bytes()));
}
