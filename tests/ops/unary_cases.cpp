// Cases of the operators of one input; the formulas are libm's in double.
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

template <class Function>
std::function<Values(const Values&)> each(Function function) {
  return [function](const Values& inputs) {
    std::vector<float> result;
    for (float x : inputs[0]) result.push_back(static_cast<float>(function(static_cast<double>(x))));
    return Values{result};
  };
}

// One small and one larger shape over a range.
template <class Function>
std::vector<OpCase> two(float low, float high, Function function, double int8_steps = 1, double int16_steps = 4,
                        Attrs attrs = {}) {
  return {{"vector", {flows({1, 13}, low, high)}, attrs, false, int8_steps, each(function), int16_steps},
          {"image", {flows({2, 3, 5, 4}, low, high)}, attrs, false, int8_steps, each(function), int16_steps}};
}

}  // namespace

THIMBLE_OP_CASES(relu_0_to_1) { return {{"image", {flows({2, 3, 5, 4}, -1, 2)}}}; }
THIMBLE_OP_CASES(relu_n1_to_1) { return {{"image", {flows({2, 3, 5, 4}, -2, 3)}}}; }
THIMBLE_OP_CASES(logistic) {
  return two(-6, 6, [](double x) { return 1 / (1 + std::exp(-x)); });
}
THIMBLE_OP_CASES(tanh) {
  return two(
      -3, 3, [](double x) { return std::tanh(x); }, 1, 12);
}
THIMBLE_OP_CASES(hard_swish) {
  return two(-5, 5, [](double x) { return x * std::fmin(std::fmax(x + 3, 0), 6) / 6; });
}
THIMBLE_OP_CASES(leaky_relu) {
  auto cases = two(
      -2, 3, [](double x) { return x > 0 ? x : 0.2 * x; }, 1, 4, Attrs().set("alpha", 0.2));
  cases.push_back({"rising_left", {flows({3, 17}, -2, 3)}, Attrs().set("alpha", -0.5), false, 1, each([](double x) {
                     return x > 0 ? x : -0.5 * x;
                   })});
  return cases;
}
THIMBLE_OP_CASES(elu) {
  return two(-4, 2, [](double x) { return x < 0 ? std::expm1(x) : x; });
}
THIMBLE_OP_CASES(gelu) {
  auto cases = two(-4, 3, [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); });
  cases.push_back(
      {"approximate", {flows({3, 17}, -4, 3)}, Attrs().set("approximate", int64_t{1}), false, 1, each([](double x) {
         return 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
       })});
  for (OpCase& test : cases) test.int16_steps = 60;  // straight lines between 513 points
  return cases;
}
THIMBLE_OP_CASES(exp) {
  return two(
      -5, 2, [](double x) { return std::exp(x); }, 1, 200);
}
THIMBLE_OP_CASES(log) {
  return {{"image", {flows({2, 3, 5, 4}, 4, 9)}, {}, false, 1, each([](double x) { return std::log(x); }), 40}};
}
THIMBLE_OP_CASES(sqrt) {
  return two(
      0.5f, 9, [](double x) { return std::sqrt(x); }, 1.01);
}
THIMBLE_OP_CASES(rsqrt) {
  return two(
      0.5f, 9, [](double x) { return 1 / std::sqrt(x); }, 1, 80);
}
THIMBLE_OP_CASES(abs) {
  auto cases = two(-5, 2, [](double x) { return std::fabs(x); });
  cases.push_back(
      {"integers", {integers({3, 17}, -99, 99)}, {}, false, 1, each([](double x) { return std::fabs(x); })});
  return cases;
}
THIMBLE_OP_CASES(neg) {
  auto cases = two(-5, 2, [](double x) { return -x; });
  cases.push_back({"integers", {integers({3, 17}, -99, 99)}, {}, false, 1, each([](double x) { return -x; })});
  cases.push_back(
      {"long_integers", {integers({3, 17}, -99, 99, DType::i64)}, {}, false, 1, each([](double x) { return -x; })});
  return cases;
}
THIMBLE_OP_CASES(square) {
  return two(-5, 2, [](double x) { return x * x; });
}
THIMBLE_OP_CASES(sign) {
  auto cases = two(-5, 2, [](double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; });
  cases.push_back({"integers", {integers({3, 17}, -2, 2)}, {}, false, 1, each([](double x) {
                     return x > 0 ? 1 : x < 0 ? -1 : 0;
                   })});
  return cases;
}
THIMBLE_OP_CASES(floor) {
  return two(-5, 5, [](double x) { return std::floor(x); });
}
THIMBLE_OP_CASES(ceil) {
  return two(-5, 5, [](double x) { return std::ceil(x); });
}
THIMBLE_OP_CASES(round) {
  return two(-5, 5, [](double x) { return std::nearbyint(x); });
}
THIMBLE_OP_CASES(sin) {
  return two(-50, 50, [](double x) { return std::sin(x); });
}
THIMBLE_OP_CASES(cos) {
  return two(-50, 50, [](double x) { return std::cos(x); });
}
THIMBLE_OP_CASES(logical_not) {
  return {{"conditions", {conditions({3, 17})}, {}, false, 1, each([](double x) { return x == 0 ? 1 : 0; })}};
}

THIMBLE_OP_CASES(prelu) {
  const auto reference = [](const Values& inputs) {
    std::vector<float> result;
    const auto& alpha = inputs[1];
    for (size_t i = 0; i < inputs[0].size(); ++i)
      result.push_back(inputs[0][i] >= 0 ? inputs[0][i] : inputs[0][i] * alpha[i % alpha.size()]);
    return Values{result};
  };
  return {{"channels", {flows({2, 3, 5, 4}), constant({1, 1, 4}, -0.5f, 0.5f)}, {}, false, 1, reference},
          {"every_element", {flows({2, 3, 5}), flows({2, 3, 5}, 0, 0.3f)}, {}, false, 1, reference},
          {"scalar", {flows({3, 7}), constant({1}, 0.1f, 0.2f)}, {}, false, 1, reference}};
}

}  // namespace thimble::test
