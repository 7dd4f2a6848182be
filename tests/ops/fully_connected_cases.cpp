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
      {"groups_and_rest", {flows({2, 37}), constant({11, 37}), constant({11})}},
      {"less_than_a_block", {flows({3, 3}), constant({8, 3}), constant({8}, -3, 3)}},
      {"long_sums", {flows({1, 200}), constant({8, 200}), constant({8})}},
      {"sums_of_25_bits", {flows({1, 1603}), constant({6, 1603}), constant({6})}},
      {"zero_points_at_the_ends",
       {flows({2, 32}, 0, 2), constant({4, 32}), constant({4}, -9, 9)},
       Attrs().set("activation", "relu")},
  };
}

}  // namespace thimble::test
