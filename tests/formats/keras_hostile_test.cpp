// Small Keras files with known results, and what becomes of files that are damaged, hostile or not for us: one error,
// in bounded memory, never a crash.
#include <gtest/gtest.h>

#include <random>

#include "formats/keras/keras.h"
#include "formats/keras_file.h"
#include "plan/session.h"

using namespace thimble;

namespace {

using Bytes = std::vector<uint8_t>;

std::string dense(const std::string& name, int units, const std::string& more = {}) {
  return R"({"class_name":"Dense","config":{"name":")" + name + R"(","units":)" + std::to_string(units) +
         R"(,"activation":"relu","use_bias":true)" + more + "}}";
}

std::string sequential(const std::string& layers, const std::string& shape = "[null,2]") {
  return R"({"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"InputLayer","config":{"name":"in",)"
         R"("batch_shape":)" +
         shape + "}}" + (layers.empty() ? "" : "," + layers) + "]}}";
}

// relu([1 2] x + [0.5 -10]) over kernel [[1, 2], [3, 4]].
const std::vector<float> kKernel{1, 2, 3, 4}, kBias{0.5f, -10};

Bytes h5_of(const std::string& config, const std::vector<uint64_t>& kernel_shape = {2, 2},
            const std::vector<std::string>& names = {"d/kernel:0", "d/bias:0"}, uint8_t filters = 0) {
  Hdf5Writer writer;
  const auto variables = writer.group(
      {{"kernel:0", writer.dataset(kernel_shape, kKernel, filters)}, {"bias:0", writer.dataset({2}, kBias)}});
  const auto layer = writer.group({{"d", variables}}, {{"weight_names", names}});
  const auto weights = writer.group({{"d", layer}});
  return writer.finish(
      writer.group({{"model_weights", weights}}, {{"model_config", {config}}, {"keras_version", {"2.15.0"}}}));
}

std::string weights_h5() {
  Hdf5Writer writer;
  const auto variables = writer.group({{"0", writer.dataset({2, 2}, kKernel)}, {"1", writer.dataset({2}, kBias)}});
  const auto layers = writer.group({{"dense", writer.group({{"vars", variables}})}});
  const Bytes bytes = writer.finish(writer.group({{"layers", layers}}));
  return {bytes.begin(), bytes.end()};
}

Bytes keras_of(const std::string& config) {
  return zip_of({{"config.json", config},
                 {"metadata.json", R"({"keras_version":"3.15.1"})"},
                 {"model.weights.h5", weights_h5()}});
}

std::vector<float> run(const Bytes& model, const std::vector<float>& input) {
  const auto graph = read_keras(model);
  EXPECT_TRUE(graph) << to_string(graph.error());
  if (!graph) return {};
  const auto plan = make_plan(*graph, {});
  EXPECT_TRUE(plan) << to_string(plan.error());
  auto session = Session::make(*plan);
  EXPECT_TRUE(session);
  EXPECT_EQ(session->input(0).size(), input.size() * sizeof(float));
  std::memcpy(session->input(0).data(), input.data(), session->input(0).size());
  session->invoke();
  std::vector<float> output(session->output(0).size() / sizeof(float));
  std::memcpy(output.data(), session->output(0).data(), session->output(0).size());
  return output;
}

// The error, as the command line shows it.
std::string refusal(const Bytes& model) {
  const auto graph = read_keras(model);
  EXPECT_FALSE(graph) << "was read";
  return graph ? "" : to_string(graph.error());
}

void expect_words(const Bytes& model, std::initializer_list<const char*> words) {
  const std::string text = refusal(model);
  for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
}

}  // namespace

TEST(KerasFile, LegacyHdf5GivesItsNumbers) {
  EXPECT_EQ(run(h5_of(sequential(dense("d", 2))), {1, 2}), (std::vector<float>{7.5f, 0}));
}

TEST(KerasFile, ArchiveGivesItsNumbers) {
  EXPECT_EQ(run(keras_of(sequential(dense("d", 2))), {1, 3}), (std::vector<float>{10.5f, 4}));
}

TEST(KerasFile, SharedLayerIsCalledTwice) {
  const std::string config = R"({"class_name":"Functional","config":{"name":"m","layers":[
    {"class_name":"InputLayer","name":"in","config":{"name":"in","batch_input_shape":[null,2]},"inbound_nodes":[]},
    {"class_name":"Dense","name":"d","config":{"name":"d","units":2,"activation":"linear"},
     "inbound_nodes":[[["in",0,0,{}]],[["d",0,0,{}]]]}],
    "input_layers":[["in",0,0]],"output_layers":[["d",1,0]]}})";
  // [1 2] -> [7.5 0] -> [8 5]
  EXPECT_EQ(run(h5_of(config), {1, 2}), (std::vector<float>{8, 5}));
}

TEST(KerasRefuses, WhatItDoesNotKnowInWords) {
  const auto layer = [](const std::string& kind, const std::string& settings = "\"name\":\"x\"") {
    return sequential(R"({"class_name":")" + kind + R"(","config":{)" + settings + "}}", "[null,4,4,1]");
  };
  expect_words(keras_of(layer("Lambda")), {"x", "Lambda", "docs/keras.md"});
  expect_words(keras_of(layer("MyOwn")), {"x", "MyOwn"});
  expect_words(keras_of(layer("MaxPooling2D", R"("name":"x","data_format":"channels_first")")),
               {"x", "channels_first", "channels_last"});
  expect_words(keras_of(layer("Activation", R"("name":"x","activation":"wild")")), {"x", "wild"});
  expect_words(keras_of(R"({"class_name":"MyModel","config":{}})"), {"MyModel", "Python"});
  expect_words(keras_of(sequential("", "[null,null]")), {"in", "no fixed size"});
  expect_words(zip_of({{"readme", "x"}}), {"config.json"});
}

TEST(KerasRefuses, WeightsThatDoNotFit) {
  const std::string config = sequential(dense("d", 2));
  expect_words(h5_of(config, {4, 1}), {"d", "[4,1]"});
  expect_words(h5_of(config, {1ull << 40, 1}), {"HDF5"});
  expect_words(h5_of(config, {2, 1}), {"16 bytes", "8"});
  expect_words(h5_of(config, {2, 2}, {"d/kernel:0"}), {"d", "1 weights, expected 2"});
  expect_words(h5_of(config, {2, 2}, {"d/bias:0", "d/kernel:0"}), {"bias", "kernel"});
  expect_words(h5_of(sequential(dense("other", 2))), {"other", "no weights"});
  Hdf5Writer weights_only;
  expect_words(weights_only.finish(weights_only.group({})), {"model.save"});
}

TEST(KerasRefuses, HostileJson) {
  for (const std::string& config :
       {std::string(200000, '['), std::string(1 << 20, '{'), std::string("{}"), std::string("[]"), std::string(),
        std::string(R"({"class_name":3})"),
        std::string(R"({"class_name":"Sequential","config":{"name":1,"layers":{}}})"),
        std::string(R"({"class_name":"Functional","config":{"layers":[],"input_layers":[],"output_layers":[]}})"),
        sequential(R"({"class_name":"ZeroPadding2D","config":{"name":"z","padding":2000000000}})", "[null,4,4,1]"),
        sequential(R"({"class_name":"RepeatVector","config":{"name":"z","n":1e300}})"),
        sequential(R"({"class_name":"Reshape","config":{"name":"z","target_shape":[0,-1]}})"),
        sequential("", "[null,100000,100000,100000,100000]"), sequential(dense("d", 2), "[null]")})
    EXPECT_FALSE(refusal(keras_of(config)).empty());
}

// A model whose calls go round in a circle, and one inside itself a thousand times.
TEST(KerasRefuses, CallsWithoutEnd) {
  const std::string config = R"({"class_name":"Functional","config":{"name":"m","layers":[
    {"class_name":"InputLayer","name":"in","config":{"batch_shape":[null,2]},"inbound_nodes":[]},
    {"class_name":"ReLU","name":"a","config":{},"inbound_nodes":[[["b",0,0]]]},
    {"class_name":"ReLU","name":"b","config":{},"inbound_nodes":[[["a",0,0]]]}],
    "input_layers":["in",0,0],"output_layers":["b",0,0]}})";
  expect_words(keras_of(config), {"b", "never computed"});

  std::string inner = R"({"class_name":"ReLU","name":"r","config":{},"inbound_nodes":[[["in",0,0]]]})", last = "r";
  for (int level = 0; level < 12; ++level) {
    std::string calls;
    for (int call = 0; call < 10; ++call)
      calls += fmt::format("{}[[\"{}\",{},0]]", call ? "," : "", call ? fmt::format("m{}", level) : "in",
                           call ? call - 1 : 0);
    inner = fmt::format(
        R"({{"class_name":"Functional","name":"m{}","config":{{"name":"m{}","layers":[{{"class_name":"InputLayer","name":"in","config":{{"batch_shape":[null,2]}},"inbound_nodes":[]}},{}],"input_layers":["in",0,0],"output_layers":["{}",{},0]}},"inbound_nodes":[{}]}})",
        level, level, inner, last, level ? 9 : 0, calls);
    last = fmt::format("m{}", level);
  }
  EXPECT_NE(refusal(keras_of(inner)).find("more than"), std::string::npos);
}

// However a file lists its layers, each waits for its inputs without being looked at again: 10,000 in reverse would be
// 50,000,000 looks.
TEST(KerasFile, LayersListedInReverse) {
  constexpr int kLayers = 9998;
  const auto layer = [](int i, int from) {
    return fmt::format(R"({{"class_name":"Dropout","name":"r{}","config":{{}},"inbound_nodes":[[["{}",0,0]]]}},)", i,
                       from < 0 ? "in" : fmt::format("r{}", from));
  };
  std::string layers;
  for (int i = kLayers - 1; i >= 0; --i) layers += layer(i, i - 1);
  const std::string config = R"({"class_name":"Functional","config":{"name":"m","layers":[)" + layers +
                             R"({"class_name":"ReLU","name":"out","config":{},"inbound_nodes":[[["r9997",0,0]]]},
    {"class_name":"InputLayer","name":"in","config":{"batch_shape":[null,2]},"inbound_nodes":[]}],
    "input_layers":["in",0,0],"output_layers":["out",0,0]}})";
  EXPECT_EQ(run(keras_of(config), {-1, 2}), (std::vector<float>{0, 2}));
}

// Calls are made in rounds through the file's list, whatever waits for what.
TEST(KerasFile, LayersThatWaitForOneAnother) {
  const std::string config = R"({"class_name":"Functional","config":{"name":"m","layers":[
    {"class_name":"Add","name":"sum","config":{},
     "inbound_nodes":[[["d",1,0],["r",0,0]],[["sum",0,0],["d",0,0],["sum",0,0]]]},
    {"class_name":"ReLU","name":"r","config":{},"inbound_nodes":[[["d",0,0]]]},
    {"class_name":"Dense","name":"d","config":{"name":"d","units":2,"activation":"linear"},
     "inbound_nodes":[[["in",0,0,{}]],[["r",0,0,{}]]]},
    {"class_name":"InputLayer","name":"in","config":{"name":"in","batch_input_shape":[null,2]},"inbound_nodes":[]}],
    "input_layers":[["in",0,0]],"output_layers":[["sum",1,0]]}})";
  // d: [1 2] -> [7.5 0] -> [8 5]; sum: [15.5 5], then twice that and [7.5 0]
  EXPECT_EQ(run(h5_of(config), {1, 2}), (std::vector<float>{38.5f, 10}));
}

TEST(KerasRefuses, ModelsInsideModelsThatDoNothing) {
  std::string idle, calls;
  for (int i = 0; i < 2000; ++i)
    idle += fmt::format(R"({{"class_name":"ReLU","name":"i{}","config":{{}},"inbound_nodes":[]}},)", i);
  for (int i = 0; i < 100; ++i) calls += fmt::format(R"({}[["{}",{},0]])", i ? "," : "", i ? "m" : "in", i ? i - 1 : 0);
  const std::string input = R"({"class_name":"InputLayer","name":"in","config":{"batch_shape":[null,2]},)"
                            R"("inbound_nodes":[]})";
  const std::string config = R"({"class_name":"Functional","config":{"name":"outer","layers":[)" + input +
                             R"(,{"class_name":"Functional","name":"m","config":{"name":"m","layers":[)" + idle +
                             input + R"(],"input_layers":["in",0,0],"output_layers":["in",0,0]},"inbound_nodes":[)" +
                             calls + R"(]}],"input_layers":["in",0,0],"output_layers":["m",99,0]}})";
  expect_words(keras_of(config), {"more than 100000 layers"});
}

TEST(KerasRefuses, MoreFiltersThanHaveABitInAChunk) {
  expect_words(h5_of(sequential(dense("d", 2)), {2, 2}, {"d/kernel:0", "d/bias:0"}, 40), {"40 filters"});
}

// Each level has two directions: 2^40 layers if they were followed.
TEST(KerasRefuses, DirectionsInsideDirections) {
  std::string layer = R"({"class_name":"LSTM","config":{"name":"l","units":2}})";
  for (int level = 0; level < 40; ++level)
    layer = R"({"class_name":"Bidirectional","config":{"name":"b","layer":)" + layer + "}}";
  expect_words(keras_of(sequential(layer, "[null,4,2]")), {"Bidirectional"});
}

TEST(KerasRefuses, EveryShortenedFile) {
  const std::string config = sequential(dense("d", 2));
  for (const Bytes& model : {h5_of(config), keras_of(config)})
    for (size_t size = 0; size < model.size(); size += 7) EXPECT_FALSE(read_keras({model.data(), size})) << size;
}

TEST(KerasRefuses, OrReadsEveryDamagedFile) {
  const std::string config = sequential(dense("d", 2));
  std::mt19937 random(1);
  for (const Bytes& whole : {h5_of(config), keras_of(config)})
    for (int trial = 0; trial < 3000; ++trial) {
      Bytes model = whole;
      for (int edits = 1 + static_cast<int>(random() % 4); edits > 0; --edits)
        model[random() % model.size()] = static_cast<uint8_t>(random() % 3 ? random() : random() % 2 * 255);
      const auto graph = read_keras(model);
      if (graph) (void)make_plan(*graph, {});
    }
}

TEST(KerasRefuses, ZipBombs) {
  const Bytes bomb = keras_of(std::string(size_t{100} << 20, ' '));
  EXPECT_LT(bomb.size(), size_t{1} << 20);
  EXPECT_FALSE(refusal(bomb).empty());
}
