// Cases of average_pool2d, max_pool2d and l2_pool2d: x [N, H, W, C].
#include <fmt/format.h>

#include <cmath>

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
      {"eight_channels", {flows({2, 7, 6, 8})}, pool(3, 3, 2, 2, "same")},
      {"whole_image_of_twelve", {flows({1, 15, 17, 12}, -2, 0)}, pool(15, 17, 1, 1, "valid", "relu_n1_to_1")},
      {"relu", {flows({1, 6, 6, 2})}, pool(2, 2, 2, 2, "valid", "relu")},
      {"relu6", {flows({1, 6, 6, 2}, -3, 12)}, pool(2, 2, 2, 2, "valid", "relu6")},
      {"relu_n1_to_1", {flows({1, 6, 6, 2}, -3, 4)}, pool(2, 2, 2, 2, "valid", "relu_n1_to_1")},
  };
}

}  // namespace

THIMBLE_OP_CASES(average_pool2d) { return shared_cases(); }

THIMBLE_OP_CASES(max_pool2d) { return shared_cases(); }

// Of windows of one size that touch no padding: then it is the root of the mean of squares.
THIMBLE_OP_CASES(l2_pool2d) {
  std::vector<OpCase> cases;
  for (const int64_t stride : {1, 3}) {
    OpCase test{fmt::format("valid_stride{}", stride), {flows({2, 7, 6, 3})}, pool(3, 2, stride, stride, "valid")};
    test.reference = [stride](const Values& inputs) {
      const auto step = static_cast<size_t>(stride);
      Values y(1);
      for (size_t n = 0; n < 2; ++n)
        for (size_t oy = 0; oy * step + 3 <= 7; ++oy)
          for (size_t ox = 0; ox * step + 2 <= 6; ++ox)
            for (size_t c = 0; c < 3; ++c) {
              float sum = 0;
              for (size_t tap = 0; tap < 6; ++tap) {
                const float x = inputs[0][((n * 7 + oy * step + tap / 2) * 6 + ox * step + tap % 2) * 3 + c];
                sum += x * x;
              }
              y[0].push_back(std::sqrt(sum / 6));
            }
      return y;
    };
    cases.push_back(std::move(test));
  }
  cases.push_back({"same_overlapping", {flows({2, 5, 7, 3})}, pool(3, 3, 2, 2, "same")});
  cases.push_back({"relu6", {flows({1, 6, 6, 2}, -3, 12)}, pool(2, 2, 2, 2, "valid", "relu6")});
  return cases;
}

}  // namespace thimble::test
