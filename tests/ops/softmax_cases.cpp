// Cases of softmax: x [..., depth].
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(softmax) {
  return {
      {"one_class", {flows({3, 1}, -4, 4)}},
      {"ten_classes", {flows({5, 10}, -6, 6)}},
      {"sharp", {flows({2, 12}, -30, 30)}},
      {"beta", {flows({2, 7}, -4, 4)}, Attrs().set("beta", 0.5)},
      {"rows_of_an_image", {flows({2, 3, 2, 5}, -3, 3)}},
  };
}

}  // namespace thimble::test
