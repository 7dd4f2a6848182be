// libFuzzer: any bytes as a .tflite file. What is read must write again to the same bytes twice, and plan or be
// refused; what is small enough runs, so that kernels see the parameters of hostile files. Seeds: the files that
//   THIMBLE_CORPUS=FOLDER build/tests/test_formats --gtest_filter=OpFiles.*
// writes.
#include <algorithm>
#include <cstdlib>

#include "formats/tflite/tflite.h"
#include "plan/session.h"

namespace {

constexpr int64_t kMostMacs = 1 << 20, kMostBytes = 1 << 20;

void run(const thimble::Plan& plan) {
  if (plan.macs > kMostMacs || plan.arena_bytes > kMostBytes) return;
  auto session = thimble::Session::make(plan);
  if (!session) std::abort();
  for (size_t i = 0; i < plan.inputs.size(); ++i) std::ranges::fill(session->input(i), uint8_t{0x41});
  session->invoke();
}

}  // namespace

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
  if (const auto plan = make_plan(*graph, {})) run(*plan);
  return 0;
}
