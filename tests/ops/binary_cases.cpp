// Cases of the arithmetic operators of two inputs, beyond add's.
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

// function(a[i], b[i]) for inputs of one size, or with b of one element.
template <class Function>
std::function<Values(const Values&)> each(Function function) {
  return [function](const Values& inputs) {
    std::vector<float> result;
    for (size_t i = 0; i < inputs[0].size(); ++i)
      result.push_back(static_cast<float>(function(inputs[0][i], inputs[1][inputs[1].size() == 1 ? 0 : i])));
    return Values{result};
  };
}

}  // namespace

THIMBLE_OP_CASES(sub) {
  return {
      {"image", {flows({2, 3, 5, 4}), flows({2, 3, 5, 4}, -3, 4)}},
      {"from_constant", {constant({4}), flows({2, 3, 4})}},
      {"channel_map", {flows({2, 3, 5, 4}), flows({2, 1, 1, 4})}, Attrs().set("activation", "relu")},
      {"six_axes", {flows({2, 1, 2, 1, 2, 3}), flows({1, 2, 1, 3, 1, 3})}},
  };
}

THIMBLE_OP_CASES(mul) {
  return {
      {"image", {flows({2, 3, 5, 4}), flows({2, 3, 5, 4}, -3, 4)}},
      {"gate", {flows({2, 3, 5, 4}), flows({2, 1, 1, 4}, 0, 1)}},
      {"constant", {constant({5, 1}), flows({2, 3, 5, 4})}, Attrs().set("activation", "relu6")},
      {"scalar", {flows({3, 7}), constant({1}, 0.1f, 0.2f)}},
      {"both_repeat", {flows({1, 3, 1, 4}), flows({2, 1, 5, 4})}},
      {"integers", {integers({2, 5}, -9, 9), integers({5}, -9, 9)}},
  };
}

THIMBLE_OP_CASES(div) {
  const auto quotient = each([](float a, float b) { return a / b; });
  return {
      {"image", {flows({2, 3, 5}), flows({2, 3, 5}, 1, 4)}, {}, false, 1, quotient},
      {"negative", {flows({3, 17}), flows({3, 17}, -4, -1)}, {}, false, 1, quotient},
      {"scalar", {flows({3, 7}), constant({1}, 2, 2.5f)}, {}, false, 1, quotient},
      {"integers", {integers({2, 5}, -99, 99), integers({2, 5}, 2, 9)}, {}, false, 1, each([](float a, float b) {
         return std::trunc(a / b);
       })},
  };
}

THIMBLE_OP_CASES(maximum) {
  const auto larger = each([](float a, float b) { return std::fmax(a, b); });
  return {
      {"image", {flows({2, 3, 5}), flows({2, 3, 5})}, {}, false, 1, larger},
      {"scalar", {flows({3, 7}), constant({1}, 0, 0.1f)}, {}, false, 1, larger},
      {"integers", {integers({2, 5}, -99, 99), integers({2, 5}, -99, 99)}, {}, false, 1, larger},
      {"both_repeat", {flows({1, 3, 1, 4}), flows({2, 1, 5, 4})}},
  };
}

THIMBLE_OP_CASES(minimum) {
  const auto smaller = each([](float a, float b) { return std::fmin(a, b); });
  return {
      {"image", {flows({2, 3, 5}), flows({2, 3, 5})}, {}, false, 1, smaller},
      {"scalar", {flows({3, 7}), constant({1}, 0, 0.1f)}, {}, false, 1, smaller},
      {"long_integers",
       {integers({2, 5}, -99, 99, DType::i64), integers({2, 5}, -99, 99, DType::i64)},
       {},
       false,
       1,
       smaller},
  };
}

THIMBLE_OP_CASES(squared_difference) {
  const auto square = each([](float a, float b) { return (a - b) * (a - b); });
  return {
      {"image", {flows({2, 3, 5}), flows({2, 3, 5})}, {}, false, 1, square, 16},
      {"scalar", {flows({3, 7}, -3, 4), constant({1}, 0.5f, 0.6f)}, {}, false, 1, square, 16},
      {"integers", {integers({2, 5}, -99, 99), integers({2, 5}, -99, 99)}, {}, false, 1, square, 16},
  };
}

THIMBLE_OP_CASES(floor_div) {
  const auto quotient = each([](float a, float b) { return std::floor(static_cast<double>(a) / b); });
  return {
      {"reals", {flows({3, 17}, -9, 9), flows({3, 17}, 0.5f, 2)}, {}, false, 1, quotient},
      {"integers", {integers({2, 50}, -99, 99), integers({2, 50}, -9, -2)}, {}, false, 1, quotient},
      {"long_integers",
       {integers({2, 5}, -99, 99, DType::i64), integers({2, 5}, 2, 9, DType::i64)},
       {},
       false,
       1,
       quotient},
  };
}

THIMBLE_OP_CASES(floor_mod) {
  const auto rest = each([](float a, float b) { return a - std::floor(static_cast<double>(a) / b) * b; });
  return {
      {"reals", {flows({3, 17}, -9, 9), flows({3, 17}, 0.5f, 2)}, {}, false, 1, rest},
      {"integers", {integers({2, 50}, -99, 99), integers({2, 50}, -9, -2)}, {}, false, 1, rest},
  };
}

THIMBLE_OP_CASES(pow) {
  const auto power = each([](float a, float b) { return std::pow(static_cast<double>(a), b); });
  return {
      {"reals", {flows({3, 17}, 0.1f, 9), flows({3, 17}, -2, 2)}, {}, false, 1, power},
      {"square", {flows({3, 17}, -9, 9), constant({1}, 2, 2)}, {}, false, 1, power},
      {"integers", {integers({2, 50}, -9, 9), integers({2, 50}, 0, 4)}, {}, false, 1, power},
  };
}

THIMBLE_OP_CASES(atan2) {
  return {{"plane", {flows({9, 17}, -3, 3), flows({9, 17}, -3, 3)}, {}, false, 1, each([](float a, float b) {
             return std::atan2(static_cast<double>(a), b);
           })}};
}

}  // namespace thimble::test
