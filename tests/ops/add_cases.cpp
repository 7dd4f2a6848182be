// Cases of add: equal shapes, and inputs that are repeated along each kind of axis.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(add) {
  return {
      {"vector", {flows({1, 13}), flows({1, 13})}},
      {"image", {flows({2, 3, 5, 4}), flows({2, 3, 5, 4})}},
      {"other_scales", {flows({3, 17}, -0.1f, 0.2f), flows({3, 17}, -8, 5)}},
      {"larger_scale_second", {flows({1, 70}, -1, 1), flows({1, 70}, -3, 2)}},
      {"relu_from_the_least", {flows({1, 300}, 0, 5), flows({1, 300}, 0, 1)}, Attrs().set("activation", "relu")},
      {"constant", {flows({1, 9}), constant({1, 9})}},
      {"relu", {flows({2, 11}), flows({2, 11})}, Attrs().set("activation", "relu")},
      {"relu6", {flows({2, 11}, -2, 5), flows({2, 11}, -2, 5)}, Attrs().set("activation", "relu6")},
      {"relu_n1_to_1", {flows({2, 11}, -2, 2), flows({2, 11})}, Attrs().set("activation", "relu_n1_to_1")},
      {"last_axis", {flows({2, 3, 4}), constant({4})}},
      {"last_axis_first", {constant({4}), flows({2, 3, 4})}},
      {"scalar", {flows({2, 3, 4}), constant({1, 1, 1})}},
      {"channel_map", {flows({2, 3, 5, 4}), flows({2, 1, 1, 4})}},
      {"both_repeat", {flows({1, 3, 1, 4}), flows({2, 1, 5, 4})}},
      {"six_axes", {flows({2, 1, 2, 1, 2, 3}), flows({1, 2, 1, 3, 1, 3})}},
      {"column", {flows({3, 1}), flows({3, 7})}},
  };
}

}  // namespace thimble::test
