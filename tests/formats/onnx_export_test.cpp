// Patterns that exporters write: what PyTorch and tf2onnx make of layers that ONNX has no operator for, shuffles and
// shapes, branches on shapes, weights in a second file.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <numeric>

#include "core/rng.h"
#include "formats/model_file.h"
#include "formats/model_runs.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx_sample.h"
#include "formats/tflite/biases.h"
#include "graph/op_spec.h"

using namespace thimble;

namespace {

std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.emplace_back(node.op->name);
  return names;
}

int64_t count_of(const Graph& graph, std::string_view op) { return std::ranges::count(ops_of(graph), op); }

std::vector<float> ramp(size_t count, float step = 1, float first = 0) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + step * static_cast<float>(i);
  return values;
}

test::Bytes bytes_of(const std::vector<float>& values) {
  test::Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class T = float>
std::vector<T> results(const Graph& graph, const std::vector<float>& input) {
  const test::Bytes bytes = test::run_samples(graph, bytes_of(input));
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void expect_values(const OnnxSample& sample, const std::vector<float>& input, const std::vector<float>& expected) {
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  test::expect_close(bytes_of(results(*graph, input)), bytes_of(expected));
}

void set_text(OnnxSample& sample, const std::string& name, const std::string& text) {
  auto& nodes = *sample.proto().mutable_graph()->mutable_node();
  auto& attribute = *nodes[nodes.size() - 1].add_attribute();
  attribute.set_name(name);
  attribute.set_s(text);
}

OnnxSample pointwise(const std::string& x, const std::string& y, OnnxSample sample) {
  return sample.floats("w" + y, {4, 4, 1, 1}, ramp(16, 0.1f)).node("Conv", {x, "w" + y}, {y});
}

// x + 1, with the weights of `add` in a file of 12 bytes.
OnnxSample with_side_file(const std::string& file, const std::string& offset, const std::string& length) {
  OnnxSample sample;
  sample.input("x", {1, 2}).floats("w", {2}, {0, 0}).node("Add", {"x", "w"}, {"y"}).output("y");
  auto& tensor = *sample.proto().mutable_graph()->mutable_initializer(0);
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] :
       {std::pair<std::string, std::string>{"location", file}, {"offset", offset}, {"length", length}}) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return sample;
}

Result<std::vector<uint8_t>> three_floats(const std::string&) { return bytes_of({10, 20, 30}); }

}  // namespace

TEST(OnnxExports, AChannelShuffleIsOneTranspose) {
  OnnxSample sample;
  sample.input("x", {1, 4, 3, 3}).integers("apart", {5}, {1, 2, 2, 3, 3}).integers("back", {4}, {1, 4, 3, 3});
  sample = pointwise("x", "c", sample);
  sample.node("Reshape", {"c", "apart"}, {"a"})
      .node("Transpose", {"a"}, {"t"}, {{"perm", {0, 2, 1, 3, 4}}})
      .node("Reshape", {"t", "back"}, {"s"});
  sample = pointwise("s", "y", sample).output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(count_of(*graph, "transpose"), 3);  // of the input, the shuffle, the output
  const std::vector<float> x = ramp(36);
  std::vector<float> expected(36);
  for (size_t at = 0; at < 9; ++at) {
    float c[4] = {}, shuffled[4] = {};
    for (size_t o = 0; o < 4; ++o)
      for (size_t i = 0; i < 4; ++i) c[o] += 0.1f * static_cast<float>(o * 4 + i) * x[i * 9 + at];
    for (size_t i = 0; i < 4; ++i) shuffled[i] = c[i % 2 * 2 + i / 2];
    for (size_t o = 0; o < 4; ++o)
      for (size_t i = 0; i < 4; ++i) expected[o * 9 + at] += 0.1f * static_cast<float>(o * 4 + i) * shuffled[i];
  }
  test::expect_close(bytes_of(results(*graph, x)), bytes_of(expected));
}

TEST(OnnxExports, WhatAReaderBroadcastsIsNotExpanded) {
  OnnxSample sample;
  sample.input("x", {1, 4, 3, 3}).integers("shape", {4}, {1, 4, 3, 3});
  sample.node("GlobalAveragePool", {"x"}, {"m"})
      .node("Expand", {"m", "shape"}, {"e"})
      .node("Mul", {"x", "e"}, {"y"})
      .output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(count_of(*graph, "broadcast_to"), 0);
}

TEST(OnnxExports, ABranchOnAShapeIsTaken) {
  OnnxSample sample(17);
  sample.input("x", {1, 3})
      .integers("axis", {}, {0})
      .integers("one", {}, {1})
      .node("Shape", {"x"}, {"s"})
      .node("Gather", {"s", "axis"}, {"n"})
      .node("Equal", {"n", "one"}, {"c"})
      .node("If", {"c"}, {"y"});
  auto& branches = *sample.proto().mutable_graph()->mutable_node(3);
  for (const auto& [name, op] : {std::pair<std::string, std::string>{"then_branch", "Neg"}, {"else_branch", "Abs"}}) {
    auto& attribute = *branches.add_attribute();
    attribute.set_name(name);
    auto& node = *attribute.mutable_g()->add_node();
    node.set_op_type(op);
    node.add_input("x");
    node.add_output(name + "/y");
    attribute.mutable_g()->add_output()->set_name(name + "/y");
  }
  sample.output("y");
  expect_values(sample, {1, -2, 3}, {-1, 2, -3});
  // One that the input decides.
  branches.set_input(0, "x");
  const auto refused = read_onnx(sample.bytes());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  // Branches of what is not known, and that end in nothing.
  branches.set_input(0, "c");
  for (auto& attribute : *branches.mutable_attribute()) {
    attribute.mutable_g()->mutable_node(0)->set_op_type("Frobnicate");
  }
  EXPECT_FALSE(read_onnx(sample.bytes()));
  for (auto& attribute : *branches.mutable_attribute()) {
    attribute.mutable_g()->mutable_node(0)->set_op_type("If");
  }
  EXPECT_FALSE(read_onnx(sample.bytes()));
  for (auto& attribute : *branches.mutable_attribute()) {
    attribute.mutable_g()->mutable_node(0)->set_op_type("Neg");
  }
  branches.mutable_attribute(0)->mutable_g()->mutable_output(0)->set_name("gone");
  EXPECT_FALSE(read_onnx(sample.bytes()));
}

namespace {

// h = h + x[t] for three rounds; every h in a list.
OnnxSample loop(int64_t rounds) {
  OnnxSample sample(17);
  sample.input("x", {3, 2})
      .integers("rounds", {}, {rounds})
      .codes("go", {}, onnx::TensorProto::BOOL, {1})
      .floats("h0", {2}, {100, 200})
      .node("Loop", {"rounds", "go", "h0"}, {"h", "all"});
  auto& attribute = *sample.proto().mutable_graph()->mutable_node(0)->add_attribute();
  attribute.set_name("body");
  auto& body = *attribute.mutable_g();
  for (const char* name : {"t", "c", "before"}) body.add_input()->set_name(name);
  const auto node = [&](const char* op, std::initializer_list<const char*> inputs, const char* output) {
    auto& made = *body.add_node();
    made.set_op_type(op);
    for (const char* input : inputs) made.add_input(input);
    made.add_output(output);
  };
  node("Gather", {"x", "t"}, "xt");
  node("Add", {"before", "xt"}, "after");
  node("Identity", {"c"}, "again");
  for (const char* name : {"again", "after", "after"}) body.add_output()->set_name(name);
  return sample;
}

}  // namespace

TEST(OnnxExports, ALoopIsWrittenOutRoundByRound) {
  expect_values(loop(3).output("h"), {1, 2, 10, 20, 30, 40}, {141, 262});
  expect_values(loop(3).output("all"), {1, 2, 10, 20, 30, 40}, {101, 202, 111, 222, 141, 262});
  EXPECT_FALSE(read_onnx(loop(0).output("all").bytes()));
  EXPECT_FALSE(read_onnx(loop(INT64_MAX).output("h").bytes()));  // the fourth round reads beyond x
  OnnxSample endless = loop(INT64_MAX).output("h");
  endless.proto().mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_g()->mutable_node(0)->set_input(
      1, "rounds");
  EXPECT_FALSE(read_onnx(endless.bytes()));
  OnnxSample computed = loop(3).output("h");  // an end that the input decides
  computed.proto().mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_g()->mutable_output(0)->set_name(
      "xt");
  EXPECT_FALSE(read_onnx(computed.bytes()));
  OnnxSample short_body = loop(3).output("h");
  short_body.proto().mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_g()->clear_input();
  EXPECT_FALSE(read_onnx(short_body.bytes()));
}

TEST(OnnxExports, ALayerOutsideALoopStaysAsItIs) {
  OnnxSample sample = loop(3);  // each round adds to the layer's result: nothing may be folded into the layer
  auto& graph = *sample.proto().mutable_graph();
  auto& body = *graph.mutable_node(0)->mutable_attribute(0)->mutable_g();
  OnnxSample layer(17);
  layer.floats("w", {2, 2}, {1, 0, 0, 1}).floats("step", {2}, {1, 1}).node("MatMul", {"x", "w"}, {"m"});
  for (const auto& tensor : layer.proto().graph().initializer()) *graph.add_initializer() = tensor;
  *graph.add_node() = layer.proto().graph().node(0);
  graph.mutable_node()->SwapElements(0, 1);
  auto& add = *body.add_node();
  add.set_op_type("Add");
  for (const char* name : {"m", "step"}) add.add_input(name);
  add.add_output("moved");
  body.mutable_node(0)->set_input(0, "moved");
  body.mutable_node()->SwapElements(0, 3);
  body.mutable_node()->SwapElements(1, 3);
  body.mutable_node()->SwapElements(2, 3);
  expect_values(sample.output("h"), {1, 2, 10, 20, 30, 40}, {144, 265});
}

TEST(OnnxExports, TheErrorFunctionByItself) {
  OnnxSample sample;
  sample.input("x", {6}).node("Erf", {"x"}, {"y"}).output("y");
  expect_values(sample, {-100, -0.5f, 0, 0.25f, 1, 3}, {-1, -0.5204999f, 0, 0.2763264f, 0.8427008f, 0.9999779f});
}

TEST(OnnxExports, AnInputBesideALayerTakesTheLayersOrder) {
  OnnxSample sample;
  sample.input("x", {1, 4, 3, 3});
  sample = pointwise("x", "c", sample);
  sample.node("Add", {"x", "c"}, {"a"});
  sample = pointwise("a", "d", sample);
  sample.node("Concat", {"x", "d"}, {"j"}, {{"axis", {1}}}).node("GlobalAveragePool", {"j"}, {"y"}).output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(count_of(*graph, "transpose"), 1);
}

TEST(OnnxExports, LocalResponsesAreNormalised) {
  OnnxSample sample;
  sample.input("x", {1, 4, 1, 1}).node("LRN", {"x"}, {"y"}, {{"size", {2}}});
  auto& attribute = *sample.proto().mutable_graph()->mutable_node(0)->add_attribute();
  attribute.set_name("alpha");
  attribute.set_f(1);
  sample.output("y");
  const std::vector<float> x = {1, 2, -3, 4};
  std::vector<float> expected;
  for (size_t c = 0; c < 4; ++c) {
    const float sum = x[c] * x[c] + (c < 3 ? x[c + 1] * x[c + 1] : 0);
    expected.push_back(x[c] / std::pow(1 + sum / 2, 0.75f));
  }
  expect_values(sample, x, expected);
}

TEST(OnnxExports, PadsAreReshapedWhileReading) {
  OnnxSample sample;  // PyTorch lists pads from the last axis and turns them round
  sample.input("x", {1, 2})
      .integers("given", {4}, {1, 2, 0, 0})
      .integers("pairs", {2}, {-1, 2})
      .integers("flat", {1}, {-1})
      .integers("from", {1}, {-1})
      .integers("to", {1}, {INT64_MIN})
      .integers("axis", {1}, {0})
      .integers("step", {1}, {-1})
      .node("Reshape", {"given", "pairs"}, {"r"})
      .node("Slice", {"r", "from", "to", "axis", "step"}, {"s"})
      .node("Transpose", {"s"}, {"t"}, {{"perm", {1, 0}}})
      .node("Reshape", {"t", "flat"}, {"pads"})
      .node("Pad", {"x", "pads"}, {"y"})
      .output("y");
  expect_values(sample, {5, 6}, {0, 5, 6, 0, 0});
}

TEST(OnnxExports, APaddedMaximumKeepsItsRange) {
  OnnxSample sample;
  sample.input("x", {1, 1, 4, 4})
      .node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", {3, 3}}, {"strides", {2, 2}}, {"pads", {1, 1, 1, 1}}})
      .output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(count_of(*graph, "padv2"), 0);
  EXPECT_EQ(results(*graph, ramp(16, 1, -20)), (std::vector<float>{-15, -13, -7, -5}));
  OnnxSample wide;
  wide.input("x", {1, 1, 4, 4})
      .node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", {3, 3}}, {"strides", {3, 3}}, {"pads", {2, 2, 2, 2}}})
      .output("y");
  expect_values(wide, ramp(16, 1, -20), {-20, -17, -8, -5});
  OnnxSample positive;
  positive.input("x", {1, 1, 4, 4})
      .node("Relu", {"x"}, {"r"})
      .node("MaxPool", {"r"}, {"y"}, {{"kernel_shape", {3, 3}}, {"strides", {2, 2}}, {"pads", {1, 1, 1, 1}}})
      .output("y");
  const auto plain = read_onnx(positive.bytes());
  ASSERT_TRUE(plain) << to_string(plain.error());
  EXPECT_EQ(count_of(*plain, "pad"), 1);
}

TEST(OnnxExports, TransposedConvolutionsInGroupsAndWithDilation) {
  OnnxSample groups;
  groups.input("x", {1, 2, 1, 2})
      .floats("w", {2, 1, 1, 2}, {1, 2, 3, 4})
      .floats("b", {2}, {100, 200})
      .node("ConvTranspose", {"x", "w", "b"}, {"y"}, {{"group", {2}}})
      .output("y");
  expect_values(groups, {1, 10, 2, 20}, {101, 112, 120, 206, 268, 280});
  OnnxSample dilated;
  dilated.input("x", {1, 1, 1, 2})
      .floats("w", {1, 1, 1, 2}, {1, 2})
      .node("ConvTranspose", {"x", "w"}, {"y"}, {{"dilations", {1, 2}}})
      .output("y");
  expect_values(dilated, {1, 10}, {1, 10, 2, 20});
}

TEST(OnnxExports, TopKWithItsPlaces) {
  OnnxSample sample;
  sample.input("x", {1, 4}).integers("k", {1}, {2}).node("TopK", {"x", "k"}, {"v", "i"}).output("i");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(results<int64_t>(*graph, {1, 7, 3, 5}), (std::vector<int64_t>{1, 3}));
}

TEST(OnnxExports, ProductsByLetters) {
  OnnxSample sample;
  sample.input("x", {1, 2, 3}).floats("w", {2, 3}, {1, 0, 2, 0, 1, 1}).node("Einsum", {"x", "w"}, {"y"});
  set_text(sample, "equation", "bij, kj -> bki");
  sample.output("y");
  expect_values(sample, {1, 2, 3, 4, 5, 6}, {7, 16, 5, 11});
  OnnxSample turned;
  turned.input("x", {2, 3}).node("Einsum", {"x"}, {"y"});
  set_text(turned, "equation", "ij->ji");
  turned.output("y");
  expect_values(turned, {1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6});
  for (const char* text : {"", "ii->i", "i...->i", "ij,jk,kl->il", "bij->bi", "bij,kj->q", ",", "->"}) {
    OnnxSample odd;
    odd.input("x", {1, 2, 3}).floats("w", {2, 3}, ramp(6)).node("Einsum", {"x", "w"}, {"y"});
    set_text(odd, "equation", text);
    odd.output("y");
    EXPECT_FALSE(read_onnx(odd.bytes())) << text;
  }
}

TEST(OnnxExports, CubicResizeIsAMatrixAlongEachAxis) {
  OnnxSample sample;
  sample.input("x", {1, 1, 1, 4}).floats("scales", {4}, {1, 1, 1, 2}).node("Resize", {"x", "", "scales"}, {"y"});
  set_text(sample, "mode", "cubic");
  sample.output("y");
  // Half-pixel centres, coefficient -0.75.
  expect_values(sample, {1, 2, 3, 4},
                {0.89453125f, 1.19140625f, 1.66796875f, 2.296875f, 2.703125f, 3.33203125f, 3.80859375f, 4.10546875f});
}

TEST(OnnxExports, NormalisationOfGroupsTransposesNothing) {
  OnnxSample sample;  // as PyTorch writes it
  sample.input("x", {1, 4, 3, 3})
      .integers("groups", {3}, {0, 2, -1})
      .integers("image", {4}, {1, 4, 3, 3})
      .floats("ones", {2}, {1, 1})
      .floats("zeros", {2}, {0, 0});
  sample = pointwise("x", "c", sample);
  sample.node("Reshape", {"c", "groups"}, {"g"})
      .node("InstanceNormalization", {"g", "ones", "zeros"}, {"n"})
      .node("Reshape", {"n", "image"}, {"b"});
  sample = pointwise("b", "y", sample).output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(count_of(*graph, "transpose"), 2);  // of the input and the output
}

TEST(OnnxExports, OnlyImagesEnterChannelsLast) {
  OnnxSample sample;
  sample.input("x", {1, 2, 3}).node("Relu", {"x"}, {"y"}).output("y");
  const auto graph = read_onnx(sample.bytes(), {.nhwc_inputs = true});
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ((*graph)[graph->inputs[0]].type.shape, (Shape{1, 2, 3}));
}

TEST(OnnxExports, WeightsInASecondFile) {
  const OnnxSample sample = with_side_file("weights.bin", "4", "8");
  const auto graph = read_onnx(sample.bytes(), {.side_file = three_floats});
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(results(*graph, {1, 2}), (std::vector<float>{21, 32}));
  EXPECT_FALSE(read_onnx(sample.bytes()));  // bytes alone have no file beside them
  for (const auto& [offset, length] : std::vector<std::pair<const char*, const char*>>{{"8", "8"},
                                                                                       {"0", "4"},
                                                                                       {"0", "12"},
                                                                                       {"-4", "8"},
                                                                                       {"18446744073709551615", "8"},
                                                                                       {"4", "x"},
                                                                                       {"4", "99999999999999999999"}}) {
    const auto damaged = read_onnx(with_side_file("weights.bin", offset, length).bytes(), {.side_file = three_floats});
    ASSERT_FALSE(damaged) << offset << " " << length;
    EXPECT_EQ(damaged.error().code, ErrorCode::bad_data);
    EXPECT_FALSE(damaged.error().where.empty());
  }
  for (const std::string& name : {std::string("../weights.bin"), std::string("/etc/hostname"), std::string("a/b"),
                                  std::string(""), std::string(".."), std::string("a\\b"), std::string("a\0b", 3)}) {
    const auto outside = read_onnx(with_side_file(name, "4", "8").bytes(), {.side_file = [](const std::string& asked) {
                                     ADD_FAILURE() << "asked for " << asked;
                                     return three_floats(asked);
                                   }});
    EXPECT_FALSE(outside) << name;
  }
}

// Each of a model's tensors in a file of its own: what all of them hold is bounded, not each.
TEST(OnnxExports, FilesBesideTheModelAreBoundedTogether) {
  OnnxSample sample = with_side_file("0", "4", "8");
  auto& tensors = *sample.proto().mutable_graph()->mutable_initializer();
  const int at = tensors.size() - 1;
  for (int i = 1; i < 20; ++i) {
    auto& tensor = *tensors.Add();
    tensor = tensors[at];
    tensor.set_name(fmt::format("w{}", i));
    for (auto& entry : *tensor.mutable_external_data())
      if (entry.key() == "location") entry.set_value(std::to_string(i));
  }
  int asked = 0;
  const auto graph = read_onnx(sample.bytes(), {.side_file = [&](const std::string&) {
                                 ++asked;
                                 return Result<std::vector<uint8_t>>(std::vector<uint8_t>(size_t{120} << 20));
                               }});
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().code, ErrorCode::unsupported);
  EXPECT_EQ(asked, 5);
}

TEST(OnnxExports, TheSecondFileLiesBesideTheModel) {
  const Path folder = Path(testing::TempDir()) / "onnx_side_file";
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(write_bytes(folder / "model.onnx", with_side_file("weights.bin", "4", "8").bytes()));
  EXPECT_FALSE(read_model_file({folder / "model.onnx"}));
  ASSERT_TRUE(write_bytes(folder / "elsewhere.bin", bytes_of({10, 20, 30})));
  std::filesystem::create_symlink(folder / "elsewhere.bin", folder / "weights.bin");
  EXPECT_FALSE(read_model_file({folder / "model.onnx"}));
  std::filesystem::remove(folder / "weights.bin");
  ASSERT_EQ(::mkfifo((folder / "weights.bin").c_str(), 0600), 0);
  EXPECT_FALSE(read_model_file({folder / "model.onnx"}));  // and does not wait for who writes into the pipe
  std::filesystem::remove(folder / "weights.bin");
  ASSERT_TRUE(write_bytes(folder / "weights.bin", bytes_of({10, 20, 30})));
  const auto first = read_model_file({folder / "model.onnx"});
  ASSERT_TRUE(first) << to_string(first.error());
  ASSERT_TRUE(write_bytes(folder / "weights.bin", bytes_of({10, 20, 31})));
  const auto second = read_model_file({folder / "model.onnx"});
  ASSERT_TRUE(second) << to_string(second.error());
  EXPECT_NE(first->hash, second->hash);  // firmware is cached by it
}

TEST(OnnxExports, ConvolutionsGetABiasForTensorFlowLite) {
  OnnxSample sample;
  sample.input("x", {1, 4, 3, 3});
  sample = pointwise("x", "y", sample).output("y");
  const auto graph = read_onnx(sample.bytes());
  ASSERT_TRUE(graph) << to_string(graph.error());
  const Graph given = with_biases(*graph);
  const auto conv = std::ranges::find_if(given.nodes, [](const Node& node) { return node.op->name == "conv2d"; });
  ASSERT_NE(conv, given.nodes.end());
  ASSERT_EQ(conv->inputs.size(), 3u);
  EXPECT_EQ(given[conv->inputs[2]].type.shape, (Shape{4}));
  EXPECT_EQ(results(given, ramp(36)), results(*graph, ramp(36)));
  EXPECT_EQ(with_biases(given).values.size(), given.values.size());
}

TEST(OnnxExports, DamagedGraphsWithinGraphs) {
  OnnxSample resized;
  resized.input("x", {1, 1, 2, 3}).floats("scales", {4}, {1, 1, 2, 2}).node("Resize", {"x", "", "scales"}, {"y"});
  set_text(resized, "mode", "cubic");
  resized.output("y");
  OnnxSample product;
  product.input("x", {1, 2, 3}).floats("w", {2, 3}, ramp(6)).node("Einsum", {"x", "w"}, {"y"});
  set_text(product, "equation", "bij,kj->bki");
  product.output("y");
  OnnxSample groups;
  groups.input("x", {1, 2, 2, 2})
      .floats("w", {2, 1, 1, 2}, {1, 2, 3, 4})
      .node("ConvTranspose", {"x", "w"}, {"y"}, {{"group", {2}}, {"dilations", {1, 2}}})
      .output("y");
  uint64_t seed = 0;
  for (const OnnxSample& sample : {loop(3).output("h"), loop(3).output("all"), resized, product, groups,
                                   with_side_file("weights.bin", "4", "8")}) {
    const auto model = sample.bytes();
    Rng rng({20261121, seed++});
    for (int i = 0; i < 1500; ++i) {
      std::vector<uint8_t> bytes = model;
      for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
        bytes[rng.below(bytes.size())] = static_cast<uint8_t>(rng.next());
      const auto graph = read_onnx(bytes, {.side_file = three_floats});
      if (!graph) {
        EXPECT_FALSE(graph.error().message.empty());
      }
    }
  }
}
