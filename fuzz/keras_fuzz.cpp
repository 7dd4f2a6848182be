// libFuzzer: any bytes as a .h5 or .keras file. What is read must plan or be refused.
#include "formats/keras/keras.h"
#include "plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thimble;
  const auto graph = read_keras({data, size});
  if (graph) (void)make_plan(*graph, {});
  return 0;
}
