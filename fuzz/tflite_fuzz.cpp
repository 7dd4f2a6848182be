// libFuzzer: any bytes as a .tflite file. What is read must write again to the same bytes twice, and plan or be
// refused.
#include <cstdlib>

#include "formats/tflite/tflite.h"
#include "plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thimble;
  (void)read_tflite_info({data, size});
  const auto graph = read_tflite({data, size});
  if (!graph) return 0;
  const auto written = write_tflite(*graph);
  if (!written) std::abort();
  const auto again = read_tflite(*written);
  const auto rewritten = again ? write_tflite(*again) : written;
  if (!again || !rewritten || *rewritten != *written) std::abort();
  (void)make_plan(*graph, {});
  return 0;
}
