// Architectures as data: what a .toml becomes, and what its mistakes become.
#include "train/architecture.h"

#include "graph/op_spec.h"
#include "train/support.h"

using namespace thimble;

namespace {

Error error_of(const std::string& toml, Attrs settings = {}) {
  const Path path = fresh_folder("architecture") / "mine.toml";
  EXPECT_TRUE(write_text(path, toml));
  const auto graph =
      make_architecture({.name = path.string(), .settings = std::move(settings), .input = {1, 8, 8, 1}, .outputs = 2});
  EXPECT_FALSE(graph);
  return graph ? Error{} : graph.error();
}

}  // namespace

TEST(Architecture, MlpHasTheLayersItsFileSays) {
  const Graph graph = sine_network();
  EXPECT_EQ(count_parameters(graph), 1 * 16 + 16 + 16 * 16 + 16 + 16 * 1 + 1);
  EXPECT_EQ(count_macs(graph), 16 + 256 + 16);
  EXPECT_EQ(graph.nodes.front().name, "dense_1");
  EXPECT_TRUE(verify(graph));
}

TEST(Architecture, DsCnnTakesItsSettings) {
  ArchitectureOptions options{.name = "ds_cnn", .input = {1, 49, 10, 1}, .outputs = 12};
  options.settings.set("channels", int64_t{64});
  const Graph graph = must(make_architecture(options));
  // MLPerf Tiny's keyword spotting reference has these convolutions: 10x4 to 64, four blocks at 25x5.
  EXPECT_EQ(count_macs(graph), 25 * 5 * 64 * 40 + 4 * 25 * 5 * 64 * (9 + 64) + 64 * 12);
  EXPECT_EQ(graph[graph.outputs[0]].type.shape, (Shape{1, 12}));
  EXPECT_EQ(graph.nodes.back().name, "softmax");
  EXPECT_EQ(graph.nodes[0].name, "conv_1");
  EXPECT_EQ(graph.nodes[1].name, "conv_1/batch_norm");
}

TEST(Architecture, WeightsComeFromTheSeed) {
  EXPECT_EQ(weights_of(sine_network(1)), weights_of(sine_network(1)));
  EXPECT_NE(weights_of(sine_network(1)), weights_of(sine_network(2)));
}

TEST(Architecture, HeWeightsKeepTheirDeviation) {
  ArchitectureOptions options{.name = "mlp", .input = {1, 200}, .outputs = 2};
  options.settings.set("hidden", int64_t{500});
  const Graph graph = must(make_architecture(options));
  double squares = 0;
  const auto weights = graph[graph.nodes[0].inputs[1]].constant->as<float>();
  for (float weight : weights) squares += weight * weight;
  EXPECT_NEAR(squares / static_cast<double>(weights.size()), 2.0 / 200, 0.0005);
}

TEST(Architecture, AllThatTravelWithTheProgramCanBeBuilt) {
  const auto names = architecture_names();
  EXPECT_GE(names.size(), 3u);
  for (const std::string& name : names) {
    const auto graph = make_architecture({.name = name, .input = {1, 32, 32, 3}, .outputs = 10});
    EXPECT_TRUE(graph) << name << ": " << to_string(graph.error());
  }
}

TEST(Architecture, AnUnknownNameSuggestsTheNearest) {
  const auto graph = make_architecture({.name = "ds_cn", .input = {1, 49, 10, 1}, .outputs = 12});
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().code, ErrorCode::usage);
  EXPECT_NE(graph.error().hint.find("ds_cnn"), std::string::npos);
}

TEST(Architecture, AnUnknownSettingSuggestsTheNearest) {
  const auto graph =
      make_architecture({.name = "mlp", .settings = Attrs().set("hiden", int64_t{8}), .input = {1, 4}, .outputs = 2});
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().code, ErrorCode::usage);
  EXPECT_NE(graph.error().hint.find("hidden"), std::string::npos);
}

TEST(Architecture, AnUnknownKeyNamesItsLineAndTheNearest) {
  const Error error = error_of("[[layer]]\nop = \"fully_connected\"\nfilter = 2\n");
  EXPECT_EQ(error.code, ErrorCode::usage);
  EXPECT_NE(error.where.find("mine.toml:3"), std::string::npos) << error.where;
  EXPECT_NE(error.hint.find("filters"), std::string::npos);
}

TEST(Architecture, MistakesAreNamed) {
  EXPECT_NE(error_of("[[layer]]\nop = \"conv3d\"\n").hint.find("conv2d"), std::string::npos);
  EXPECT_NE(error_of("[[layer]]\nop = \"fully_connected\"\n").message.find("needs filters"), std::string::npos);
  EXPECT_NE(error_of("[[layer]\n").where.find("mine.toml:1"), std::string::npos);
  EXPECT_NE(error_of("x = 1\n").message.find("unknown key"), std::string::npos);
  EXPECT_EQ(error_of("[[layer]]\nop = \"fully_connected\"\nfilters = 3\n").code,
            ErrorCode::bad_data);  // 2 classes wanted
  EXPECT_NE(error_of("[[layer]]\nop = \"fully_connected\"\nfilters = 2\nactivation = \"rellu\"\n").hint.find("relu"),
            std::string::npos);
}

TEST(Architecture, AShapeThatDoesNotFitNamesTheLayer) {
  const Error error = error_of("[[layer]]\nop = \"conv2d\"\nfilters = 4\nkernel = 9\npadding = \"valid\"\n");
  EXPECT_EQ(error.code, ErrorCode::bad_data);
  EXPECT_NE(error.where.find("conv_1"), std::string::npos) << error.where;
}
