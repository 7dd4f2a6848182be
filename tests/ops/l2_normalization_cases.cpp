// Cases of l2_normalization: x [..., depth].
#include <algorithm>
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(l2_normalization) {
  std::vector<OpCase> cases = {
      {"vector", {flows({1, 16})}},
      {"rows", {flows({5, 7}, -3, 1)}},
      {"one_element", {flows({3, 1}, 0.5f, 2)}},
      {"image", {flows({2, 3, 2, 9}, -0.1f, 0.1f)}},
      {"zeros", {flows({2, 4}, 0, 0)}},
  };
  for (OpCase& test : cases) {
    const auto depth = static_cast<size_t>(test.inputs[0].shape.back());
    test.reference = [depth](const Values& inputs) {
      Values y = inputs;
      for (size_t row = 0; row < y[0].size(); row += depth) {
        double squares = 0;
        for (size_t i = row; i < row + depth; ++i) squares += std::pow(static_cast<double>(inputs[0][i]), 2);
        for (size_t i = row; i < row + depth; ++i) y[0][i] /= static_cast<float>(std::max(std::sqrt(squares), 1e-6));
      }
      return y;
    };
  }
  return cases;
}

}  // namespace thimble::test
