// Cases of transpose_conv: x [N, H, W, C], weights [O, kh, kw, C], bias [O].
#include <algorithm>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

// Scatters every input over the output, in double.
Values scatter(const OpCase& test, int64_t padding_h, int64_t padding_w, const Values& inputs) {
  const Shape &x = test.inputs[0].shape, &w = test.inputs[1].shape, y = test.attrs.integers("output_shape");
  const int64_t stride_h = test.attrs.integer("stride_h"), stride_w = test.attrs.integer("stride_w");
  std::vector<double> sums(static_cast<size_t>(element_count(y)), 0.0);
  for (int64_t i = 0; i < element_count(x); ++i) {
    const int64_t c = i % x[3], ix = i / x[3] % x[2], iy = i / x[3] / x[2] % x[1], n = i / x[3] / x[2] / x[1];
    for (int64_t j = 0; j < element_count(w); ++j) {
      if (j % w[3] != c) continue;
      const int64_t kx = j / w[3] % w[2], ky = j / w[3] / w[2] % w[1], o = j / w[3] / w[2] / w[1];
      const int64_t oy = iy * stride_h - padding_h + ky, ox = ix * stride_w - padding_w + kx;
      if (oy < 0 || oy >= y[1] || ox < 0 || ox >= y[2]) continue;
      sums[static_cast<size_t>(((n * y[1] + oy) * y[2] + ox) * y[3] + o)] +=
          static_cast<double>(inputs[0][static_cast<size_t>(i)]) *
          static_cast<double>(inputs[1][static_cast<size_t>(j)]);
    }
  }
  Values result(1);
  for (size_t i = 0; i < sums.size(); ++i) {
    const double bias = inputs.size() > 2 ? static_cast<double>(inputs[2][i % inputs[2].size()]) : 0.0;
    const bool relu = test.attrs.word("activation", "none") == "relu";
    result[0].push_back(static_cast<float>(relu ? std::max(0.0, sums[i] + bias) : sums[i] + bias));
  }
  return result;
}

struct Scatter {
  std::string name, padding;
  Shape x, w, y;
  int64_t stride_h, stride_w, padding_h, padding_w;
  bool bias = true;
  std::string activation = "none";
};

OpCase make(const Scatter& s) {
  OpCase test{s.name, {flows(s.x), constant(s.w)}};
  if (s.bias) test.inputs.push_back(constant({s.w[0]}));
  test.attrs.set("padding", s.padding).set("stride_h", s.stride_h).set("stride_w", s.stride_w);
  test.attrs.set("output_shape", s.y).set("activation", s.activation);
  const OpCase formula = test;
  test.reference = [formula, s](const Values& inputs) { return scatter(formula, s.padding_h, s.padding_w, inputs); };
  return test;
}

}  // namespace

THIMBLE_OP_CASES(transpose_conv) {
  return {
      make({"same_stride2", "same", {2, 4, 3, 5}, {6, 3, 3, 5}, {2, 8, 6, 6}, 2, 2, 0, 0}),
      make({"same_stride2_odd_output", "same", {1, 4, 3, 2}, {3, 4, 3, 2}, {1, 7, 5, 3}, 2, 2, 1, 1}),
      make({"valid_stride2", "valid", {1, 3, 4, 3}, {4, 3, 2, 3}, {1, 7, 8, 4}, 2, 2, 0, 0}),
      make({"stride1_without_bias", "same", {2, 5, 4, 3}, {5, 3, 3, 3}, {2, 5, 4, 5}, 1, 1, 1, 1, false}),
      make({"stride_beyond_the_taps", "same", {1, 3, 2, 4}, {2, 1, 2, 4}, {1, 9, 8, 2}, 3, 4, 0, 0}),
      make({"taps_beyond_the_input", "same", {1, 2, 2, 2}, {3, 7, 5, 2}, {1, 4, 2, 3}, 2, 1, 2, 2}),
      make({"relu", "valid", {1, 3, 3, 4}, {9, 2, 2, 4}, {1, 6, 4, 9}, 2, 1, 0, 0, true, "relu"}),
  };
}

}  // namespace thimble::test
