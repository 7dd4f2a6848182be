// Cases of comparisons, logic, selection and add_n.
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

template <class Function>
std::function<Values(const Values&)> each(Function function) {
  return [function](const Values& inputs) {
    std::vector<float> result;
    for (size_t i = 0; i < inputs[0].size(); ++i)
      result.push_back(static_cast<float>(function(inputs[0][i], inputs[1][i % inputs[1].size()])));
    return Values{result};
  };
}

template <class Function>
std::vector<OpCase> comparison(Function function, bool of_conditions = false) {
  const auto reference = each(function);
  // Whole numbers 1.0 apart in both inputs: their int8 codes compare as they do.
  std::vector<OpCase> cases = {
      {"integers", {integers({2, 3, 7}, -4, 4), integers({2, 3, 7}, -4, 4)}, {}, false, 1, reference},
      {"last_axis", {integers({2, 3, 7}, -4, 4), integers({7}, -4, 4, DType::i32, true)}, {}, false, 1, reference},
      {"long_integers",
       {integers({5, 7}, -4, 4, DType::i64), integers({5, 7}, -4, 4, DType::i64)},
       {},
       false,
       1,
       reference},
      {"int8",
       {integers({5, 7}, -4, 4, DType::i8), integers({5, 7}, -4, 4, DType::i8)},
       {},
       false,
       1,
       reference,
       4,
       {Quantization{{0.5f}, {3}}, Quantization{{0.5f}, {3}}}},
      {"int16",
       {integers({5, 7}, -4, 4, DType::i16), integers({5, 7}, -4, 4, DType::i16)},
       {},
       false,
       1,
       reference,
       4,
       {Quantization{{1}, {0}}, Quantization{{1}, {0}}}},
  };
  if (of_conditions) cases.push_back({"conditions", {conditions({5, 7}), conditions({5, 7})}, {}, false, 1, reference});
  return cases;
}

Values chosen(const Values& inputs) {
  std::vector<float> result;
  for (size_t i = 0; i < inputs[1].size(); ++i)
    result.push_back(inputs[0][i % inputs[0].size()] != 0 ? inputs[1][i] : inputs[2][i % inputs[2].size()]);
  return {result};
}

}  // namespace

THIMBLE_OP_CASES(equal) {
  return comparison([](float a, float b) { return a == b; }, true);
}
THIMBLE_OP_CASES(not_equal) {
  return comparison([](float a, float b) { return a != b; }, true);
}
THIMBLE_OP_CASES(less) {
  return comparison([](float a, float b) { return a < b; });
}
THIMBLE_OP_CASES(less_equal) {
  return comparison([](float a, float b) { return a <= b; });
}
THIMBLE_OP_CASES(greater) {
  return comparison([](float a, float b) { return a > b; });
}
THIMBLE_OP_CASES(greater_equal) {
  return comparison([](float a, float b) { return a >= b; });
}

THIMBLE_OP_CASES(logical_and) {
  const auto both = each([](float a, float b) { return a != 0 && b != 0; });
  return {{"same_shape", {conditions({3, 17}), conditions({3, 17})}, {}, false, 1, both},
          {"last_axis", {conditions({3, 17}), conditions({17})}, {}, false, 1, both}};
}
THIMBLE_OP_CASES(logical_or) {
  return {{"same_shape", {conditions({3, 17}), conditions({3, 17})}, {}, false, 1, each([](float a, float b) {
             return a != 0 || b != 0;
           })}};
}

THIMBLE_OP_CASES(select) {
  return {{"same_shape", {conditions({3, 17}), flows({3, 17}), flows({3, 17})}, {}, false, 1, chosen},
          {"rows", {conditions({3}), flows({3, 2, 5}), flows({3, 2, 5})}, {}, false, 1, [](const Values& inputs) {
             std::vector<float> result;
             for (size_t i = 0; i < 30; ++i) result.push_back(inputs[0][i / 10] != 0 ? inputs[1][i] : inputs[2][i]);
             return Values{result};
           }}};
}
THIMBLE_OP_CASES(select_v2) {
  return {{"same_shape", {conditions({3, 17}), flows({3, 17}), flows({3, 17})}, {}, false, 1, chosen},
          {"last_axis", {conditions({17}), flows({3, 17}), constant({1})}, {}, false, 1, chosen},
          {"all_repeat", {conditions({2, 1, 5}), flows({1, 3, 1}), flows({5})}},
          {"integers", {conditions({3, 17}), integers({3, 17}, -9, 9), integers({3, 17}, -9, 9)}, {}, false, 1, chosen},
          {"long_integers",
           {conditions({3, 17}), integers({3, 17}, -9, 9, DType::i64), integers({3, 17}, -9, 9, DType::i64)},
           {},
           false,
           1,
           chosen},
          {"conditions", {conditions({3, 17}), conditions({3, 17}), conditions({3, 17})}, {}, false, 1, chosen}};
}

THIMBLE_OP_CASES(add_n) {
  const auto sum = [](const Values& inputs) {
    std::vector<float> result(inputs[0].size(), 0);
    for (const auto& values : inputs)
      for (size_t i = 0; i < values.size(); ++i) result[i] += values[i];
    return Values{result};
  };
  // The reference's int8 sum starts from the input's code 0, and inputs and output share a scale: not the real sum.
  return {{"three_integers",
           {integers({3, 17}, -9, 9), integers({3, 17}, -9, 9), integers({3, 17}, -9, 9)},
           {},
           false,
           1,
           sum},
          {"int8_zero_at_0",
           {integers({3, 17}, -9, 9, DType::i8), integers({3, 17}, -9, 9, DType::i8)},
           {},
           false,
           1,
           sum,
           4,
           {Quantization{{0.5f}, {0}}, Quantization{{0.5f}, {0}}, Quantization{{1}, {0}}}}};
}

}  // namespace thimble::test
