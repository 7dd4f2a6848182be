// Cases of one_hot: indices, on and off.
#include "ops/op_case.h"

namespace thimble::test {

namespace {

OpCase at_axis(std::string name, Shape shape, DType dtype, int64_t axis, size_t inner) {
  constexpr size_t kDepth = 4;
  // Some indices lie outside and give a vector of zeros.
  OpCase test{std::move(name),
              {integers(std::move(shape), -1, 5, dtype), constant({}, 1, 2), constant({}, -2, -1)},
              Attrs().set("axis", axis).set("depth", int64_t{kDepth})};
  test.reference = [=](const Values& inputs) {
    std::vector<float> y(inputs[0].size() * kDepth, inputs[2][0]);
    for (size_t i = 0; i < inputs[0].size(); ++i) {
      const float index = inputs[0][i];
      if (index < 0 || index >= static_cast<float>(kDepth)) continue;
      y[(i / inner * kDepth + static_cast<size_t>(index)) * inner + i % inner] = inputs[1][0];
    }
    return Values{y};
  };
  return test;
}

}  // namespace

THIMBLE_OP_CASES(one_hot) {
  return {
      at_axis("last", {7}, DType::i32, -1, 1),
      at_axis("first", {2, 3}, DType::i32, 0, 6),
      at_axis("middle_int64", {2, 3}, DType::i64, 1, 3),
  };
}

}  // namespace thimble::test
