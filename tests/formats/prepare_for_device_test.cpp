// Models made by others, as they came and as they are prepared for a device: the same bytes.
#include "graph/passes/prepare_for_device.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "formats/model_file.h"
#include "formats/model_runs.h"
#include "formats/shared_models.h"

namespace thimble::test {
namespace {

// More than half of its filters are zero.
TEST(PrepareForDevice, VisualWakeWordsLosesItsConstantChannels) {
  const Path folder = shared_models() / "mlperf_tiny";
  if (!std::filesystem::exists(folder / "vww_int8.tflite"))
    GTEST_SKIP() << "no " << (folder / "vww_int8.tflite").string() << " (THIMBLE_SHARED_DATA)";
  const Graph graph = read_model_file({folder / "vww_int8.tflite"}).value().graph;
  const Graph prepared = prepare_for_device(graph).value();
  EXPECT_EQ(count_macs(graph), 7489664);
  EXPECT_EQ(count_macs(prepared), 3733073);
  expect_same(prepared, read_bytes(folder / "vww_int8.in.bin").value(),
              read_bytes(folder / "vww_int8.out.bin").value());
}

TEST(PrepareForDevice, SharedModelsKeepTheirBytes) {
  int changed = 0;
  for (const Path& path : shared_tflite_files()) {
    const auto imported = read_model_file({path});
    if (!imported || count_macs(imported->graph) > 20'000'000 || !make_plan(imported->graph, {})) continue;
    SCOPED_TRACE(path.string());
    const Graph& graph = imported->graph;
    const auto prepared = prepare_for_device(graph);
    ASSERT_TRUE(prepared) << to_string(prepared.error());
    if (prepared->nodes.size() == graph.nodes.size() && count_macs(*prepared) == count_macs(graph)) continue;
    ++changed;
    Bytes inputs;
    Rng rng{7};
    for (ValueId id : graph.inputs) {
      const bool real = graph[id].type.dtype == DType::f32;
      for (int64_t i = 0; i < element_count(graph[id].type.shape) * static_cast<int64_t>(size_of(graph[id].type.dtype));
           ++i)
        inputs.push_back(real ? (i % 4 == 3 ? 0x3f : 0) : static_cast<uint8_t>(rng.next()));
    }
    EXPECT_EQ(run_samples(*prepared, inputs), run_samples(graph, inputs));
  }
  if (changed == 0) GTEST_SKIP() << "no models in " << shared_models().string() << " (THIMBLE_SHARED_DATA)";
}

}  // namespace
}  // namespace thimble::test
