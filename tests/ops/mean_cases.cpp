// Cases of mean: x, attributes axes and keep_dims.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(mean) {
  using Integers = std::vector<int64_t>;
  const auto over = [](Integers axes, int64_t keep = 0) {
    return Attrs().set("axes", std::move(axes)).set("keep_dims", keep);
  };
  return {
      {"global", {flows({2, 5, 3, 7})}, over({1, 2})},
      {"global_keep_dims", {flows({3, 25, 5, 8})}, over({1, 2}, 1)},
      {"one_pixel", {flows({2, 1, 1, 9})}, over({1, 2})},
      {"last_axis", {flows({4, 13}, 0, 3)}, over({-1})},
      {"height_only", {flows({2, 6, 3, 4}, -5, 1)}, over({1})},
  };
}

}  // namespace thimble::test
