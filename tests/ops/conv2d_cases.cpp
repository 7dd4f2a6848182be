// Cases of conv2d: x [N, H, W, C], weights [O, kh, kw, C], bias [O].
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(conv2d) {
  const auto window = [](const char* padding, int64_t stride_h, int64_t stride_w, int64_t dilation_h,
                         int64_t dilation_w) {
    Attrs attrs;
    attrs.set("padding", padding).set("stride_h", stride_h).set("stride_w", stride_w);
    return attrs.set("dilation_h", dilation_h).set("dilation_w", dilation_w);
  };
  return {
      {"pointwise", {flows({2, 5, 4, 8}), constant({12, 1, 1, 8}), constant({12})}},
      {"pointwise_odd_channels", {flows({1, 3, 3, 7}), constant({5, 1, 1, 7}), constant({5})}},
      {"pointwise_stride2", {flows({2, 5, 5, 4}), constant({6, 1, 1, 4}), constant({6})}, window("same", 2, 2, 1, 1)},
      {"valid_3x3", {flows({2, 6, 7, 3}), constant({4, 3, 3, 3}), constant({4})}},
      {"same_3x3_without_bias", {flows({3, 5, 5, 2}), constant({6, 3, 3, 2})}, window("same", 1, 1, 1, 1)},
      {"first_layer_of_keywords",
       {flows({2, 13, 10, 1}), constant({8, 10, 4, 1}), constant({8})},
       window("same", 2, 2, 1, 1)},
      {"same_even_kernel_stride3x2",
       {flows({2, 8, 7, 3}), constant({5, 4, 2, 3}), constant({5})},
       window("same", 3, 2, 1, 1)},
      {"dilated_same", {flows({2, 7, 8, 2}), constant({3, 3, 3, 2}), constant({3})}, window("same", 1, 1, 2, 3)},
      {"dilated_valid", {flows({1, 9, 9, 2}), constant({4, 3, 2, 2}), constant({4})}, window("valid", 2, 1, 2, 2)},
      {"kernel_larger_than_input",
       {flows({2, 2, 3, 2}), constant({4, 5, 7, 2}), constant({4})},
       window("same", 1, 1, 1, 1)},
      {"relu",
       {flows({2, 4, 4, 3}), constant({7, 3, 3, 3}), constant({7})},
       window("same", 1, 1, 1, 1).set("activation", "relu")},
      {"relu6",
       {flows({2, 4, 4, 3}, -3, 3), constant({7, 3, 3, 3}), constant({7}, 0, 4)},
       window("valid", 1, 1, 1, 1).set("activation", "relu6")},
      {"positive_input",
       {flows({2, 5, 5, 4}, 0, 6), constant({8, 3, 3, 4}), constant({8})},
       window("same", 2, 2, 1, 1)},
      {"grouped", {flows({2, 5, 4, 6}), constant({8, 3, 3, 3}), constant({8})}, window("same", 1, 2, 1, 1)},
      {"grouped_dilated", {flows({1, 7, 8, 8}), constant({12, 3, 2, 2}), constant({12})}, window("valid", 1, 1, 2, 3)},
      {"one_channel_a_group",
       {flows({2, 4, 5, 5}), constant({10, 3, 3, 1})},
       window("same", 2, 1, 1, 1).set("activation", "relu_n1_to_1")},
      {"one_pixel", {flows({1, 1, 1, 12}), constant({4, 1, 1, 12}), constant({4})}},
      {"first_layer_of_images",
       {flows({1, 9, 10, 3}), constant({8, 3, 3, 3}), constant({8})},
       window("same", 2, 2, 1, 1).set("activation", "relu")},
      {"words_in_rows_same",
       {flows({2, 5, 6, 8}), constant({8, 3, 3, 8}), constant({8})},
       window("same", 1, 1, 1, 1).set("activation", "relu")},
      {"words_in_rows_dilated", {flows({1, 7, 8, 4}), constant({6, 2, 3, 4})}, window("same", 1, 1, 2, 2)},
      {"one_channel_5x5", {flows({1, 9, 9, 1}), constant({3, 5, 5, 1}), constant({3})}},
      {"many_taps", {flows({1, 4, 3, 40}), constant({9, 3, 3, 40}), constant({9})}, window("same", 1, 1, 1, 1)},
      {"long_runs", {flows({1, 1, 5, 1100}), constant({3, 1, 1, 1100}), constant({3})}},
      {"negative_input",
       {flows({1, 5, 5, 4}, -6, 0), constant({7, 3, 3, 4}), constant({7})},
       window("same", 1, 1, 1, 1).set("activation", "relu6")},
      {"large_multipliers", {flows({1, 3, 3, 4}, -9, 9), constant({6, 1, 1, 4}, -0.01f, 0.01f), constant({6})}},
      {"large_multipliers_relu",
       {flows({1, 3, 3, 4}, -9, 9), constant({6, 1, 1, 4}, -9, 9), constant({6}, -0.1f, 0.1f)},
       window("valid", 1, 1, 1, 1).set("activation", "relu")},
      {"pointwise_many_channels", {flows({1, 5, 4, 35}), constant({18, 1, 1, 35}), constant({18})}},
      {"batch_of_many_groups",
       {flows({37, 3, 4, 2}), constant({3, 2, 2, 2}), constant({3})},
       window("same", 1, 1, 1, 1)},
  };
}

}  // namespace thimble::test
