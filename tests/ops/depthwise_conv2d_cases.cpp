// Cases of depthwise_conv2d: x [N, H, W, C], weights [1, kh, kw, C * M], bias [C * M].
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(depthwise_conv2d) {
  const auto window = [](const char* padding, int64_t stride_h, int64_t stride_w, int64_t dilation_h,
                         int64_t dilation_w, int64_t multiplier = 1) {
    Attrs attrs;
    attrs.set("padding", padding)
        .set("stride_h", stride_h)
        .set("stride_w", stride_w)
        .set("depth_multiplier", multiplier);
    return attrs.set("dilation_h", dilation_h).set("dilation_w", dilation_w);
  };
  return {
      {"same_3x3", {flows({2, 5, 4, 8}), constant({1, 3, 3, 8}), constant({8})}, window("same", 1, 1, 1, 1)},
      {"same_3x3_without_bias", {flows({2, 5, 4, 7}), constant({1, 3, 3, 7})}, window("same", 1, 1, 1, 1)},
      {"valid_stride2", {flows({2, 7, 8, 5}), constant({1, 3, 3, 5}), constant({5})}, window("valid", 2, 2, 1, 1)},
      {"same_stride2x3", {flows({2, 8, 9, 6}), constant({1, 4, 5, 6}), constant({6})}, window("same", 2, 3, 1, 1)},
      {"dilated", {flows({1, 9, 8, 4}), constant({1, 3, 3, 4}), constant({4})}, window("same", 1, 1, 3, 2)},
      {"dilated_stride2", {flows({1, 9, 8, 4}), constant({1, 3, 3, 4}), constant({4})}, window("valid", 2, 1, 2, 2)},
      {"one_to_eight", {flows({2, 6, 5, 1}), constant({1, 3, 4, 8}), constant({8})}, window("same", 2, 2, 1, 1, 8)},
      {"multiplier_3", {flows({2, 5, 5, 4}), constant({1, 3, 3, 12}), constant({12})}, window("same", 1, 1, 1, 1, 3)},
      {"multiplier_6", {flows({2, 5, 5, 2}), constant({1, 2, 3, 12}), constant({12})}, window("valid", 1, 2, 1, 1, 6)},
      {"kernel_larger_than_input",
       {flows({2, 2, 3, 4}), constant({1, 5, 9, 4}), constant({4})},
       window("same", 1, 1, 1, 1)},
      {"relu",
       {flows({2, 4, 4, 9}), constant({1, 3, 3, 9}), constant({9})},
       window("same", 1, 1, 1, 1).set("activation", "relu")},
      {"relu6",
       {flows({2, 4, 4, 6}, -6, 6), constant({1, 3, 3, 6}), constant({6}, 0, 4)},
       window("same", 1, 1, 1, 1).set("activation", "relu6")},
      {"wide_in_bands", {flows({1, 21, 60, 3}), constant({1, 3, 3, 3}), constant({3})}, window("same", 1, 1, 1, 1)},
      {"tall_in_bands", {flows({2, 70, 31, 2}), constant({1, 3, 3, 2}), constant({2})}, window("same", 2, 1, 1, 1)},
      {"columns_stride2", {flows({1, 49, 10, 4}), constant({1, 3, 3, 4}), constant({4})}, window("same", 2, 2, 1, 1)},
      {"bands_stride2", {flows({1, 50, 51, 3}), constant({1, 3, 3, 3}), constant({3})}, window("same", 2, 2, 1, 1)},
      {"gap_between_lines", {flows({1, 80, 33, 2}), constant({1, 3, 3, 2}), constant({2})}, window("same", 5, 1, 1, 1)},
      {"column_of_taps", {flows({1, 25, 5, 3}), constant({1, 3, 1, 3}), constant({3})}, window("same", 1, 1, 1, 1)},
      {"row_of_taps", {flows({1, 6, 7, 3}), constant({1, 1, 2, 3}), constant({3})}, window("valid", 1, 2, 1, 1)},
      {"one_pixel", {flows({1, 1, 1, 5}), constant({1, 3, 3, 5}), constant({5})}, window("same", 1, 1, 1, 1)},
      {"small_outputs",
       {flows({1, 5, 6, 4}), constant({1, 3, 3, 4}), constant({4}, -300, 300)},
       window("same", 1, 1, 1, 1)},
      {"zero_points_at_the_ends",
       {flows({1, 5, 6, 4}, 0, 3), constant({1, 3, 3, 4}, -2, 2), constant({4}, -4, 4)},
       window("same", 1, 1, 1, 1).set("activation", "relu")},
      {"many_channels", {flows({2, 7, 6, 37}), constant({1, 3, 3, 37}), constant({37})}, window("same", 1, 1, 1, 1)},
      {"many_channels_4x4_stride2x3",
       {flows({1, 13, 9, 18}), constant({1, 4, 4, 18}), constant({18})},
       window("same", 2, 3, 1, 1)},
      {"many_channels_long_columns",
       {flows({1, 19, 3, 16}), constant({1, 3, 2, 16}), constant({16})},
       window("valid", 1, 1, 1, 1)},
      {"many_channels_7x5",
       {flows({1, 9, 8, 19}), constant({1, 7, 5, 19}), constant({19})},
       window("same", 1, 2, 1, 1).set("activation", "relu6")},
      {"batch_of_many_groups",
       {flows({37, 3, 4, 2}), constant({1, 2, 2, 2}), constant({2})},
       window("same", 1, 1, 1, 1)},
      {"whole_input", {flows({3, 5, 1, 8}), constant({1, 5, 1, 8}), constant({8})}},
      {"whole_image", {flows({1, 3, 4, 12}), constant({1, 3, 4, 12})}},
  };
}

}  // namespace thimble::test
