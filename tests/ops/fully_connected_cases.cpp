// Cases of fully_connected: x [N, ...], weights [out, in], bias [out].
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(fully_connected) {
  return {
      {"one_row", {flows({1, 7}), constant({5, 7}), constant({5})}},
      {"batch_without_bias", {flows({3, 16}), constant({4, 16})}},
      {"flattens_images", {flows({2, 3, 4, 2}), constant({6, 24}), constant({6})}},
      {"one_output", {flows({4, 33}), constant({1, 33}), constant({1}, -3, 3)}},
      {"keeps_extents", {flows({2, 3, 4, 6}), constant({5, 6}), constant({5})}, Attrs().set("keep_num_dims", 1)},
      {"last_extent_is_rows", {flows({2, 3, 6}), constant({5, 6}), constant({5})}},
      {"relu", {flows({5, 12}), constant({9, 12}), constant({9})}, Attrs().set("activation", "relu")},
      {"relu6", {flows({3, 20}, -4, 4), constant({8, 20}), constant({8}, 0, 4)}, Attrs().set("activation", "relu6")},
  };
}

}  // namespace thimble::test
