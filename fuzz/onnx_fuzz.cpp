// libFuzzer: any bytes as an .onnx file. What is read must plan or be refused. Seeds: the files that
//   THIMBLE_ONNX_SEEDS=FOLDER build/tests/test_formats --gtest_filter=OnnxHostile.Seeds
// writes.
#include "formats/onnx/onnx.h"
#include "plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thimble;
  const auto graph = read_onnx({data, size});
  if (graph) (void)make_plan(*graph, {});
  return 0;
}
