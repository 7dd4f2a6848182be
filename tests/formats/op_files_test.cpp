// Every case of every operator goes into a .tflite file and comes back: the same bytes from the first write on, and the
// same results.
#include "formats/op_files.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/files.h"
#include "formats/tflite/tflite.h"

using namespace thimble;
using namespace thimble::test;

namespace {

// Two inferences, so that state is seen; empty and a failure when the graph does not run.
std::vector<uint8_t> run_twice(const Graph& graph, const std::vector<uint8_t>& inputs) {
  const auto plan = make_plan(graph, {});
  if (!plan) {
    ADD_FAILURE() << to_string(plan.error());
    return {};
  }
  auto session = Session::make(*plan);
  std::vector<uint8_t> outputs;
  for (int i = 0; i < 2; ++i) {
    size_t at = 0;
    for (size_t p = 0; p < plan->inputs.size(); ++p) {
      std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(at), session->input(p).size(), session->input(p).begin());
      at += session->input(p).size();
    }
    session->invoke();
    for (size_t p = 0; p < plan->outputs.size(); ++p)
      outputs.insert(outputs.end(), session->output(p).begin(), session->output(p).end());
  }
  return outputs;
}

}  // namespace

TEST(OpFiles, EveryCaseComesBack) {
  const char* corpus = std::getenv("THIMBLE_CORPUS");  // a folder: seeds for fuzz/tflite_fuzz
  size_t int8 = 0, int16 = 0;
  for (const OpFile& file : op_files()) {
    SCOPED_TRACE(file.name);
    int8 += file.name.ends_with("/int8");
    int16 += file.name.ends_with("/int16");
    const auto written = write_tflite(file.graph);
    ASSERT_TRUE(written) << to_string(written.error());
    if (corpus) {
      ASSERT_TRUE(write_bytes(Path(corpus) / content_hash(*written), *written));
    }
    const auto again = read_tflite(*written);
    if (!again) {
      ADD_FAILURE() << to_string(again.error());
      continue;
    }
    const auto rewritten = write_tflite(*again);
    ASSERT_TRUE(rewritten) << to_string(rewritten.error());
    const auto third = read_tflite(*rewritten);
    ASSERT_TRUE(third) << to_string(third.error());
    EXPECT_EQ(write_tflite(*third).value(), *rewritten);
    EXPECT_EQ(run_twice(*again, file.inputs), run_twice(file.graph, file.inputs));
  }
  EXPECT_GT(int8, 40u);
  EXPECT_GT(int16, 0u);
}
