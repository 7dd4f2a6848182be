// Cases of the reductions: x, attributes axes and keep_dims.
#include <algorithm>
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

using Integers = std::vector<int64_t>;
using Fold = float (*)(float, float);

Attrs over(Integers axes, int64_t keep = 0) { return Attrs().set("axes", std::move(axes)).set("keep_dims", keep); }

// For each element the output it goes to, found from its index along every kept axis.
std::vector<float> folded(const std::vector<float>& x, const Shape& shape, const Integers& axes, float start,
                          Fold fold) {
  std::vector<bool> reduced(shape.size(), false);
  for (int64_t axis : axes)
    reduced[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis)] = true;
  int64_t outputs = 1;
  for (size_t axis = 0; axis < shape.size(); ++axis) outputs *= reduced[axis] ? 1 : shape[axis];
  std::vector<float> y(static_cast<size_t>(outputs), start);
  for (size_t i = 0; i < x.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t output = 0, stride = 1;
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      if (!reduced[axis]) {
        output += rest % shape[axis] * stride;
        stride *= shape[axis];
      }
    float& value = y[static_cast<size_t>(output)];
    value = fold(value, x[i]);
  }
  return y;
}

// One case over each arrangement of axes; low and high of the input.
std::vector<OpCase> arrangements(float start, Fold fold, CaseInput (*input)(Shape), double int8_steps = 1) {
  std::vector<OpCase> cases;
  const auto add = [&](std::string name, Shape shape, Integers axes, int64_t keep = 0) {
    OpCase test{std::move(name), {input(shape)}, over(axes, keep)};
    test.reference = [=](const Values& inputs) { return Values{folded(inputs[0], shape, axes, start, fold)}; };
    test.int8_steps = int8_steps;
    cases.push_back(std::move(test));
  };
  add("last", {3, 7}, {-1});
  add("first_keep_dims", {5, 4}, {0}, 1);
  add("all", {2, 3, 4}, {0, 1, 2});
  add("all_keep_dims", {2, 3, 4}, {0, 1, 2}, 1);
  add("none", {2, 5}, {});
  add("image", {2, 3, 5, 4}, {1, 2});
  add("apart", {2, 3, 4, 5}, {0, 2}, 1);
  add("apart_from_the_end", {3, 2, 4, 3}, {-1, 1});
  add("six_axes", {2, 3, 2, 2, 3, 2}, {0, 2, 4});
  add("twice_the_same", {4, 6}, {1, -1});
  return cases;
}

CaseInput numbers(Shape shape) { return flows(std::move(shape), -2, 3); }
CaseInput factors(Shape shape) { return flows(std::move(shape), 0.7f, 1.3f); }
CaseInput whole(Shape shape) { return integers(std::move(shape), -50, 90); }
CaseInput whole64(Shape shape) { return integers(std::move(shape), -50, 90, DType::i64); }

void append(std::vector<OpCase>& cases, std::vector<OpCase> more, const std::string& prefix) {
  for (OpCase& test : more) {
    test.name = prefix + test.name;
    cases.push_back(std::move(test));
  }
}

std::vector<OpCase> with_integers(float start, Fold fold, CaseInput (*input)(Shape), double int8_steps) {
  std::vector<OpCase> cases = arrangements(start, fold, input, int8_steps);
  append(cases, arrangements(start, fold, whole), "int32_");
  append(cases, arrangements(start, fold, whole64), "int64_");
  return cases;
}

float larger(float a, float b) { return std::max(a, b); }
float smaller(float a, float b) { return std::min(a, b); }

}  // namespace

THIMBLE_OP_CASES(mean) {
  return {
      {"global", {flows({2, 5, 3, 7})}, over({1, 2})},
      {"global_keep_dims", {flows({3, 25, 5, 8})}, over({1, 2}, 1)},
      {"one_pixel", {flows({2, 1, 1, 9})}, over({1, 2})},
      {"last_axis", {flows({4, 13}, 0, 3)}, over({-1})},
      {"height_only", {flows({2, 6, 3, 4}, -5, 1)}, over({1})},
      {"apart", {flows({2, 6, 3, 4}, -5, 1)}, over({1, 3}, 1)},
      {"with_batch", {flows({3, 4, 5})}, over({0, -1})},
      {"all", {flows({3, 4, 5})}, over({2, 1, 0})},
      {"none", {flows({3, 4})}, over({})},
      {"six_axes", {flows({2, 3, 2, 4, 2, 3})}, over({1, 3, 5})},
      // Integers are rounded towards zero.
      {"int32", {integers({1, 5}, 7, 7)}, over({1})},
      {"int64", {integers({1, 5}, 7, 7, DType::i64)}, over({1})},
  };
}

THIMBLE_OP_CASES(sum) {
  return with_integers(
      0, [](float a, float b) { return a + b; }, numbers, 1);
}

THIMBLE_OP_CASES(reduce_prod) {
  // int8 rescales after every factor, so its error grows with their number.
  std::vector<OpCase> cases = arrangements(
      1, [](float a, float b) { return a * b; }, factors, 16);
  for (OpCase& test : cases) test.int16_steps = 4096;
  for (const DType dtype : {DType::i32, DType::i64}) {
    OpCase test{std::string(name_of(dtype)), {integers({3, 4}, -3, 3, dtype)}, over({1})};
    test.reference = [](const Values& inputs) {
      return Values{folded(inputs[0], {3, 4}, {1}, 1, [](float a, float b) { return a * b; })};
    };
    cases.push_back(std::move(test));
  }
  return cases;
}

THIMBLE_OP_CASES(reduce_max) { return with_integers(-INFINITY, larger, numbers, 0.001); }

THIMBLE_OP_CASES(reduce_min) { return with_integers(INFINITY, smaller, numbers, 0.001); }

THIMBLE_OP_CASES(reduce_any) { return arrangements(0, larger, conditions); }

THIMBLE_OP_CASES(reduce_all) { return arrangements(1, smaller, conditions); }

}  // namespace thimble::test
