// Cases of relu and relu6: x of any shape.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(relu) {
  return {
      {"one_element", {flows({1, 1})}},
      {"image", {flows({2, 3, 5, 7})}},
      {"positive_input", {flows({3, 11}, 0.1f, 4)}},
      {"negative_input", {flows({3, 11}, -4, -0.1f)}},
  };
}

THIMBLE_OP_CASES(relu6) {
  return {
      {"both_bounds", {flows({4, 33}, -9, 9)}},
      {"image", {flows({2, 3, 5, 7}, -2, 5)}},
  };
}

}  // namespace thimble::test
