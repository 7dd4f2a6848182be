// Cases of average_pool2d and max_pool2d: x [N, H, W, C].
#include "ops/op_case.h"

namespace thimble::test {

namespace {

Attrs pool(int64_t window_h, int64_t window_w, int64_t stride_h, int64_t stride_w, std::string padding,
           std::string activation = "none") {
  Attrs attrs;
  attrs.set("window_h", window_h).set("window_w", window_w).set("stride_h", stride_h).set("stride_w", stride_w);
  attrs.set("padding", std::move(padding)).set("activation", std::move(activation));
  return attrs;
}

std::vector<OpCase> shared_cases() {
  return {
      {"valid_2x2", {flows({2, 6, 4, 3})}, pool(2, 2, 2, 2, "valid")},
      {"valid_leftover", {flows({1, 7, 5, 2})}, pool(2, 2, 2, 2, "valid")},
      {"same_overlapping", {flows({2, 5, 7, 3})}, pool(3, 3, 2, 2, "same")},
      {"same_stride1", {flows({1, 4, 3, 5})}, pool(3, 2, 1, 1, "same")},
      {"whole_image", {flows({3, 5, 3, 4})}, pool(5, 3, 1, 1, "valid")},
      {"one_axis", {flows({2, 9, 1, 3})}, pool(3, 1, 3, 1, "same")},
      {"relu", {flows({1, 6, 6, 2})}, pool(2, 2, 2, 2, "valid", "relu")},
      {"relu6", {flows({1, 6, 6, 2}, -3, 12)}, pool(2, 2, 2, 2, "valid", "relu6")},
      {"relu_n1_to_1", {flows({1, 6, 6, 2}, -3, 4)}, pool(2, 2, 2, 2, "valid", "relu_n1_to_1")},
  };
}

}  // namespace

THIMBLE_OP_CASES(average_pool2d) { return shared_cases(); }

THIMBLE_OP_CASES(max_pool2d) { return shared_cases(); }

}  // namespace thimble::test
