// Cases of add: a and b of one shape.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(add) {
  return {
      {"vector", {flows({1, 13}), flows({1, 13})}},
      {"image", {flows({2, 3, 5, 4}), flows({2, 3, 5, 4})}},
      {"other_scales", {flows({3, 17}, -0.1f, 0.2f), flows({3, 17}, -8, 5)}},
      {"constant", {flows({1, 9}), constant({1, 9})}},
      {"relu", {flows({2, 11}), flows({2, 11})}, Attrs().set("activation", "relu")},
      {"relu6", {flows({2, 11}, -2, 5), flows({2, 11}, -2, 5)}, Attrs().set("activation", "relu6")},
  };
}

}  // namespace thimble::test
