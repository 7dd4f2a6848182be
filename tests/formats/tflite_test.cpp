// What reading and writing .tflite files promises, on a model made here.
#include "formats/tflite/tflite.h"

#include <gtest/gtest.h>

#include <cstring>

#include "formats/sample_graph.h"
#include "formats/tflite/schema.h"
#include "plan/plan.h"

using namespace thimble;

namespace {

std::vector<uint8_t> sample_bytes() { return write_tflite(sample_graph()).value(); }

// The bytes of a model after a change to one of its stored fields.
template <class Change>
std::vector<uint8_t> changed(const Change& change) {
  std::vector<uint8_t> bytes = sample_bytes();
  EXPECT_TRUE(change(*tflite::GetMutableModel(bytes.data()))) << "the field to change is not stored";
  return bytes;
}

tflite::SubGraph& subgraph_of(tflite::Model& model) { return *model.mutable_subgraphs()->GetMutableObject(0); }
tflite::Tensor& tensor_of(tflite::Model& model, uint32_t index) {
  return *subgraph_of(model).mutable_tensors()->GetMutableObject(index);
}

Error refusal(std::span<const uint8_t> bytes) {
  const auto graph = read_tflite(bytes);
  EXPECT_FALSE(graph) << "a model that should be refused was read";
  return graph ? Error{} : graph.error();
}

void expect_refused(std::span<const uint8_t> bytes, ErrorCode code, std::string_view says) {
  const Error error = refusal(bytes);
  EXPECT_EQ(error.code, code) << to_string(error);
  EXPECT_NE(to_string(error).find(says), std::string::npos) << to_string(error);
}

size_t offset_of(const std::vector<uint8_t>& bytes, std::span<const std::byte> part) {
  const void* at = memmem(bytes.data(), bytes.size(), part.data(), part.size());
  return at ? static_cast<size_t>(static_cast<const uint8_t*>(at) - bytes.data()) : SIZE_MAX;
}

}  // namespace

TEST(Tflite, ReadsBackWhatWasWritten) {
  const Graph written = sample_graph();
  const auto read = read_tflite(write_tflite(written).value());
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->name, written.name);
  EXPECT_EQ(read->inputs, written.inputs);
  EXPECT_EQ(read->outputs, written.outputs);
  ASSERT_EQ(read->values.size(), written.values.size());
  for (size_t i = 0; i < written.values.size(); ++i) {
    EXPECT_EQ(read->values[i].name, written.values[i].name);
    EXPECT_EQ(read->values[i].type, written.values[i].type);
    EXPECT_EQ(read->values[i].quantization, written.values[i].quantization);
    ASSERT_EQ(read->values[i].constant != nullptr, written.values[i].constant != nullptr);
    if (written.values[i].constant) {
      EXPECT_EQ(read->values[i].constant->bytes, written.values[i].constant->bytes);
    }
  }
  ASSERT_EQ(read->nodes.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->nodes[i].op, written.nodes[i].op);
    EXPECT_EQ(read->nodes[i].inputs, written.nodes[i].inputs);
    EXPECT_EQ(read->nodes[i].attrs, written.nodes[i].attrs);
  }
}

TEST(Tflite, SameGraphSameBytes) {
  const auto once = sample_bytes();
  EXPECT_EQ(once, sample_bytes());
  EXPECT_EQ(once, write_tflite(read_tflite(once).value()).value());
}

TEST(Tflite, ReadsFromAnyAddress) {
  const auto bytes = sample_bytes();
  std::vector<uint8_t> shifted(bytes.size() + 1);
  std::ranges::copy(bytes, shifted.begin() + 1);
  EXPECT_TRUE(read_tflite(std::span(shifted).subspan(1)));
}

TEST(Tflite, KeepsTheRulesThatInterpretersRelyOn) {
  const Graph graph = sample_graph();
  const auto bytes = write_tflite(graph).value();
  const tflite::Model& model = *tflite::GetModel(bytes.data());
  EXPECT_EQ(bytes.size() % 16, 0u);
  EXPECT_EQ(model.version(), 3u);
  EXPECT_EQ(model.buffers()->Get(0)->data(), nullptr);
  for (const Value& value : graph.values)
    if (value.constant) {
      EXPECT_EQ(offset_of(bytes, value.constant->bytes) % 16, 0u) << value.name;
    }
  // Two versions: the first layer has a scale for each channel of its weights.
  ASSERT_EQ(model.operator_codes()->size(), 2u);
  EXPECT_EQ(model.operator_codes()->Get(0)->deprecated_builtin_code(), tflite::BuiltinOperator_FULLY_CONNECTED);
  EXPECT_EQ(model.operator_codes()->Get(0)->builtin_code(), tflite::BuiltinOperator_FULLY_CONNECTED);
  EXPECT_EQ(model.signature_defs()->Get(0)->signature_key()->str(), "serving_default");
  EXPECT_EQ(model.signature_defs()->Get(0)->inputs()->Get(0)->name()->str(), "features");
  EXPECT_EQ(model.metadata()->Get(0)->name()->str(), "min_runtime_version");
}

TEST(Tflite, CarriesLabelsDescriptionAndMetadata) {
  const TfliteInfo info{.description = "keyword model",
                        .labels = {"ja", "nein", "unbekannt"},
                        .metadata = {{"signal_fingerprint", "1a2b3c4d"}}};
  const auto read = read_tflite_info(write_tflite(sample_graph(), {.info = info}).value());
  ASSERT_TRUE(read) << to_string(read.error());
  TfliteInfo expected = info;
  expected.signatures = {{"serving_default", {{"features", 0}}, {{"scores", 0}}}};
  EXPECT_EQ(*read, expected);
}

TEST(Tflite, StoresTheArenaPlanForTheTensorsOfTheFile) {
  Graph graph = sample_graph();
  graph.values.insert(graph.values.begin(), int8_value("nobody reads this", {1}, 1, 0));
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) id += id == kNoValue ? 0 : 1;
    for (ValueId& id : node.outputs) ++id;
  }
  for (ValueId* id : {&graph.inputs[0], &graph.outputs[0]}) ++*id;
  const auto bytes = write_tflite(graph, {.arena_offsets = {-1, 16, -1, -1, 32, -1, 48}}).value();
  const tflite::Model& model = *tflite::GetModel(bytes.data());
  const auto* entry = model.metadata()->Get(model.metadata()->size() - 1);
  ASSERT_EQ(entry->name()->str(), "OfflineMemoryAllocation");
  const auto* data = model.buffers()->Get(entry->buffer())->data();
  std::vector<int32_t> plan(data->size() / 4);
  std::memcpy(plan.data(), data->data(), data->size());
  EXPECT_EQ(plan, (std::vector<int32_t>{1, 0, 6, 16, -1, -1, 32, -1, 48}));
  EXPECT_FALSE(write_tflite(graph, {.arena_offsets = {1, 2}}));
}

TEST(Tflite, ReadsOperatorNumbersFromTheOlderFieldToo) {
  const auto bytes = changed([](tflite::Model& model) {
    return model.mutable_operator_codes()->GetMutableObject(0)->mutate_builtin_code(tflite::BuiltinOperator_ADD);
  });
  const auto graph = read_tflite(bytes);
  ASSERT_TRUE(graph) << to_string(graph.error());
  EXPECT_EQ(graph->nodes[0].op->name, "fully_connected");
}

TEST(TfliteRefuses, WhatIsNotAModel) {
  expect_refused({}, ErrorCode::bad_data, "not a .tflite model");
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
  expect_refused({reinterpret_cast<const uint8_t*>(pointer.data()), pointer.size()}, ErrorCode::bad_data,
                 "git lfs pull");
  auto bytes = sample_bytes();
  bytes[7] = '4';
  expect_refused(bytes, ErrorCode::bad_data, "not a .tflite model");
  expect_refused(changed([](tflite::Model& model) { return model.mutate_version(2); }), ErrorCode::unsupported,
                 "version 2");
}

TEST(TfliteRefuses, UnsupportedOperatorsByName) {
  const auto bytes = changed([](tflite::Model& model) {
    return model.mutable_operator_codes()->GetMutableObject(0)->mutate_builtin_code(
        tflite::BuiltinOperator_HASHTABLE_FIND);
  });
  expect_refused(bytes, ErrorCode::unsupported, "HASHTABLE_FIND");
  expect_refused(bytes, ErrorCode::unsupported, "operator 0 (hidden)");
  expect_refused(bytes, ErrorCode::unsupported, "thimble ops");
}

TEST(TfliteRefuses, OptionsOfAnotherOperator) {
  expect_refused(changed([](tflite::Model& model) {
                   return model.mutable_operator_codes()->GetMutableObject(0)->mutate_builtin_code(
                       tflite::BuiltinOperator_SOFTMAX);
                 }),
                 ErrorCode::bad_data, "softmax_0");
}

TEST(TfliteRefuses, TypesWithoutKernelWhenTheyArePlanned) {
  const auto graph = read_tflite(changed([](tflite::Model& model) {
    for (uint32_t flowing : {0u, 3u, 5u}) tensor_of(model, flowing).mutate_type(tflite::TensorType_INT32);
    return true;
  }));
  ASSERT_TRUE(graph) << to_string(graph.error());
  const auto plan = make_plan(*graph, {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
  EXPECT_EQ(plan.error().where, "fully_connected_0");
  EXPECT_FALSE(plan.error().hint.empty());
  expect_refused(
      changed([](tflite::Model& model) { return tensor_of(model, 0).mutate_type(tflite::TensorType_FLOAT16); }),
      ErrorCode::unsupported, "FLOAT16");
}

TEST(TfliteRefuses, MissingScalesWhereTheyAreNeeded) {
  Graph graph = sample_graph();
  graph[0].quantization = {};
  const auto plan = make_plan(read_tflite(write_tflite(graph).value()).value(), {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().where, "fully_connected_0");
  EXPECT_NE(plan.error().message.find("scale"), std::string::npos) << to_string(plan.error());
}

TEST(TfliteRefuses, HybridModelsSayingWhatToDo) {
  Graph graph = sample_graph();
  for (Value& value : graph.values)
    if (!value.constant) value = {.name = value.name, .type = {DType::f32, value.type.shape}};
  expect_refused(write_tflite(graph).value(), ErrorCode::unsupported, "hybrid");
}

TEST(TfliteRefuses, IndicesOutsideTheirTables) {
  for (int32_t id : {-2, 6, 1 << 30}) {
    expect_refused(changed([&](tflite::Model& model) {
                     subgraph_of(model).mutable_inputs()->Mutate(0, id);
                     return true;
                   }),
                   ErrorCode::bad_data, "names tensor");
    expect_refused(changed([&](tflite::Model& model) {
                     subgraph_of(model).mutable_operators()->GetMutableObject(1)->mutable_inputs()->Mutate(0, id);
                     return true;
                   }),
                   ErrorCode::bad_data, "operator 1 (FULLY_CONNECTED)");
  }
  expect_refused(changed([](tflite::Model& model) { return tensor_of(model, 1).mutate_buffer(99); }),
                 ErrorCode::bad_data, "buffer 99");
}

TEST(TfliteRefuses, OperatorsOutOfOrderOrInACircle) {
  expect_refused(changed([](tflite::Model& model) {
                   subgraph_of(model).mutable_operators()->GetMutableObject(0)->mutable_inputs()->Mutate(0, 5);
                   return true;
                 }),
                 ErrorCode::bad_data, "before anything wrote it");
}

TEST(TfliteRefuses, ShapesThatDoNotMatchTheirData) {
  const auto with_extent = [](int32_t extent) {
    return changed([&](tflite::Model& model) {
      tensor_of(model, 4).mutable_shape()->Mutate(0, extent);
      return true;
    });
  };
  expect_refused(with_extent(4), ErrorCode::bad_data, "6 bytes of data, expected 12");
  expect_refused(with_extent(-3), ErrorCode::bad_data, "negative extent");
  expect_refused(with_extent(INT32_MAX), ErrorCode::bad_data, "more than");
}

TEST(TfliteRefuses, ScalesThatAreNoPositiveNumbers) {
  for (float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    expect_refused(changed([&](tflite::Model& model) {
                     auto* scales = tensor_of(model, 0).mutable_quantization()->mutable_scale();
                     scales->Mutate(0, scale);
                     return true;
                   }),
                   ErrorCode::bad_data, "scale");
}

TEST(TfliteRefuses, ScalesPerChannelWhereTheOperatorHasNone) {
  Graph graph = sample_graph();
  graph[1].quantization = {{0.1f, 0.2f, 0.3f, 0.4f}, {0, 0, 0, 0}, 1};
  expect_refused(write_tflite(graph).value(), ErrorCode::unsupported, "axis 1");
}

TEST(TfliteRefuses, ToWriteWhatOnlyTrainingNeeds) {
  Graph graph = sample_graph();
  graph.nodes[1].op = ops::find("dropout");
  ASSERT_NE(graph.nodes[1].op, nullptr);
  graph.nodes[1].inputs = {graph.nodes[1].inputs[0]};
  graph[graph.outputs[0]].type.shape = {1, 3};
  const auto written = write_tflite(graph);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::unsupported) << to_string(written.error());
  EXPECT_EQ(written.error().where, "scores");
}

// TensorFlow Lite keeps some attributes in constant inputs: axes, paddings, shapes.
TEST(Tflite, AttributesThatAreInputsInTheFileComeBack) {
  Graph graph{.name = "shapes"};
  const ValueId image = graph.add(int8_value("image", {1, 4, 4, 2}, 0.5f, 3));
  const ValueId padded = graph.add(int8_value("padded", {1, 6, 5, 2}, 0.5f, 3));
  const ValueId mean = graph.add(int8_value("mean", {1, 2}, 0.5f, 3));
  const ValueId flat = graph.add(int8_value("flat", {2}, 0.5f, 3));
  const std::vector<int64_t> paddings = {0, 0, 1, 1, 0, 1, 0, 0}, axes = {1, 2}, shape = {-1};
  graph.nodes.push_back({ops::find("pad"), "pad", {image}, {padded}, Attrs().set("paddings", paddings)});
  graph.nodes.push_back(
      {ops::find("mean"), "mean", {padded}, {mean}, Attrs().set("axes", axes).set("keep_dims", int64_t{0})});
  graph.nodes.push_back({ops::find("reshape"), "flatten", {mean}, {flat}, Attrs().set("shape", shape)});
  graph.inputs = {image};
  graph.outputs = {flat};
  const auto bytes = write_tflite(graph);
  ASSERT_TRUE(bytes) << to_string(bytes.error());
  const tflite::SubGraph& stored = *tflite::GetModel(bytes->data())->subgraphs()->Get(0);
  ASSERT_EQ(stored.tensors()->size(), 7u);
  EXPECT_EQ(stored.operators()->Get(0)->inputs()->Get(1), 4);
  EXPECT_EQ(stored.tensors()->Get(4)->name()->str(), "padded/paddings");
  EXPECT_EQ(stored.tensors()->Get(4)->shape()->Get(0), 4);
  EXPECT_EQ(stored.tensors()->Get(4)->shape()->Get(1), 2);

  const auto read = read_tflite(*bytes);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->values.size(), graph.values.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    EXPECT_EQ(read->nodes[i].attrs, graph.nodes[i].attrs);
    EXPECT_EQ(read->nodes[i].inputs, graph.nodes[i].inputs);
  }
  EXPECT_EQ(write_tflite(*read).value(), *bytes);
}
