// Cases of softmax and log_softmax: x [..., depth].
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(softmax) {
  return {
      {"one_class", {flows({3, 1}, -4, 4)}},
      {"ten_classes", {flows({5, 10}, -6, 6)}},
      // int16 counts what is below exp(-10) as exp(-10).
      {.name = "sharp", .inputs = {flows({2, 12}, -30, 30)}, .int16_steps = 24},
      {"beta", {flows({2, 7}, -4, 4)}, Attrs().set("beta", 0.5)},
      {"rows_of_an_image", {flows({2, 3, 2, 5}, -3, 3)}},
  };
}

THIMBLE_OP_CASES(log_softmax) {
  std::vector<OpCase> cases = {
      {"one_class", {flows({3, 1}, -4, 4)}},
      {"ten_classes", {flows({5, 10}, -6, 6)}},
      {"many_classes", {flows({2, 300}, -2, 2)}},
      {"rows_of_an_image", {flows({2, 3, 2, 5}, -3, 3)}},
  };
  for (OpCase& test : cases) {
    const auto depth = static_cast<size_t>(test.inputs[0].shape.back());
    test.reference = [depth](const Values& inputs) {
      Values y = inputs;
      for (size_t row = 0; row < y[0].size(); row += depth) {
        double sum = 0;
        for (size_t i = row; i < row + depth; ++i) sum += std::exp(static_cast<double>(inputs[0][i]));
        for (size_t i = row; i < row + depth; ++i) y[0][i] -= static_cast<float>(std::log(sum));
      }
      return y;
    };
  }
  return cases;
}

}  // namespace thimble::test
