// Cases of arg_max, arg_min and topk_v2: x of any shape.
#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

using Better = bool (*)(float, float);

// Input [outer, count, inner].
std::vector<float> best_indices(const std::vector<float>& x, size_t outer, size_t count, size_t inner, Better better) {
  std::vector<float> y;
  for (size_t i = 0; i < outer * inner; ++i) {
    const float* column = x.data() + i / inner * count * inner + i % inner;
    size_t best = 0;
    for (size_t k = 1; k < count; ++k)
      if (better(column[k * inner], column[best * inner])) best = k;
    y.push_back(static_cast<float>(best));
  }
  return y;
}

std::vector<OpCase> searches(Better better) {
  std::vector<OpCase> cases;
  const auto add = [&](std::string name, CaseInput input, int64_t axis, int64_t wide, size_t outer, size_t count,
                       size_t inner) {
    OpCase test{std::move(name), {std::move(input)}, Attrs().set("axis", axis).set("output_type", wide)};
    test.reference = [=](const Values& inputs) { return Values{best_indices(inputs[0], outer, count, inner, better)}; };
    cases.push_back(std::move(test));
  };
  add("last", flows({3, 10}), -1, 0, 3, 10, 1);
  add("first_int64", flows({6, 4}), 0, 1, 1, 6, 4);
  add("channels", flows({2, 3, 4, 5}), 3, 0, 24, 5, 1);
  add("width", flows({2, 3, 4, 5}), -2, 0, 6, 4, 5);
  add("vector", flows({9}), 0, 0, 1, 9, 1);
  add("equal_elements", flows({4, 7}, 1, 1), 1, 0, 4, 7, 1);
  add("int32", integers({3, 8}, -5, 5), 1, 0, 3, 8, 1);
  return cases;
}

// Of rows of `size`.
Values top_k(const std::vector<float>& x, size_t size, size_t k) {
  Values y(2);
  for (size_t row = 0; row < x.size(); row += size) {
    std::vector<size_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return x[row + i]; });
    for (size_t i = 0; i < k; ++i) {
      y[0].push_back(x[row + order[i]]);
      y[1].push_back(static_cast<float>(order[i]));
    }
  }
  return y;
}

}  // namespace

THIMBLE_OP_CASES(arg_max) {
  return searches([](float a, float b) { return a > b; });
}

THIMBLE_OP_CASES(arg_min) {
  return searches([](float a, float b) { return a < b; });
}

THIMBLE_OP_CASES(topk_v2) {
  std::vector<OpCase> cases;
  const auto add = [&](std::string name, CaseInput input, int64_t k) {
    const auto size = static_cast<size_t>(input.shape.back());
    OpCase test{std::move(name), {std::move(input)}, Attrs().set("k", k)};
    test.reference = [=](const Values& inputs) { return top_k(inputs[0], size, static_cast<size_t>(k)); };
    cases.push_back(std::move(test));
  };
  add("three", flows({4, 10}), 3);
  add("one", flows({2, 3, 5}), 1);
  add("all", flows({3, 6}), 6);
  add("equal_elements", integers({5, 12}, -2, 2), 7);
  return cases;
}

}  // namespace thimble::test
