// Cases of cast, quantize and dequantize.
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

Attrs to(DType dtype) { return Attrs().set("dtype", std::string(name_of(dtype))); }

template <class Function>
std::function<Values(const Values&)> each(Function function) {
  return [function](const Values& inputs) {
    std::vector<float> result;
    for (float x : inputs[0]) result.push_back(static_cast<float>(function(x)));
    return Values{result};
  };
}

// To the nearest number of a scale, within [least, most].
std::function<Values(const Values&)> rounded(float scale, float least, float most) {
  return each([=](float x) { return std::fmin(std::fmax(std::round(x / scale) * scale, least), most); });
}

const Quantization kNone;

}  // namespace

THIMBLE_OP_CASES(cast) {
  const auto whole = each([](float x) { return std::trunc(x); });
  const auto same = each([](float x) { return x; });
  const auto nonzero = each([](float x) { return x != 0; });
  std::vector<OpCase> cases;
  for (DType dtype : {DType::i8, DType::i16, DType::i32, DType::i64})
    cases.push_back({"real_to_" + std::string(name_of(dtype)), {flows({3, 17}, -99, 99)}, to(dtype), false, 1, whole});
  cases.push_back({"real_to_bool", {flows({3, 17}, -2, 2)}, to(DType::boolean), false, 1, nonzero});
  cases.push_back({"int32_to_bool", {integers({3, 17}, -1, 1)}, to(DType::boolean), false, 1, nonzero});
  for (DType from : {DType::i8, DType::i16, DType::i32, DType::i64})
    for (DType dtype : {DType::f32, DType::i8, DType::i16, DType::i32, DType::i64})
      cases.push_back({std::string(name_of(from)) + "_to_" + std::string(name_of(dtype)),
                       {integers({3, 17}, -99, 99, from)},
                       to(dtype),
                       false,
                       1,
                       same});
  cases.push_back({"bool_to_real", {conditions({3, 17})}, to(DType::f32), false, 1, same});
  cases.push_back({"uint8_to_int32", {integers({3, 17}, 0, 255, DType::u8)}, to(DType::i32), false, 1, same});
  return cases;
}

THIMBLE_OP_CASES(quantize) {
  const Quantization half{{0.5f}, {-3}}, half_byte{{0.5f}, {125}}, tenth{{0.1f}, {0}}, quarter{{0.25f}, {7}};
  return {
      {"int8", {flows({3, 17}, -70, 70)}, to(DType::i8), false, 1, rounded(0.5f, -62.5f, 65), 4, {kNone, half}},
      {"uint8", {flows({3, 17}, -70, 70)}, to(DType::u8), false, 1, rounded(0.5f, -62.5f, 65), 4, {kNone, half_byte}},
      {"int16",
       {flows({3, 17}, -70, 70)},
       to(DType::i16),
       false,
       1,
       rounded(0.1f, -3276.8f, 3276.7f),
       4,
       {kNone, tenth}},
      {"uint8_to_int8",
       {integers({3, 17}, -60, 60, DType::u8)},
       to(DType::i8),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {half_byte, half}},
      {"int8_to_uint8",
       {integers({3, 17}, -60, 60, DType::i8)},
       to(DType::u8),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {half, half_byte}},
      {"int8_to_int8",
       {integers({3, 17}, -20, 20, DType::i8)},
       to(DType::i8),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {half, quarter}},
      {"int8_to_int16",
       {integers({3, 17}, -60, 60, DType::i8)},
       to(DType::i16),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {half, tenth}},
      {"int16_to_int8",
       {integers({3, 17}, -30, 30, DType::i16)},
       to(DType::i8),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {tenth, half}},
      {"int16_to_int32",
       {integers({3, 17}, -60, 60, DType::i16)},
       to(DType::i32),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {tenth, quarter}},
      {"int32_to_int16",
       {integers({3, 17}, -60, 60, DType::i32)},
       to(DType::i16),
       false,
       1,
       each([](float x) { return x; }),
       4,
       {quarter, tenth}},
  };
}

THIMBLE_OP_CASES(dequantize) {
  const auto same = each([](float x) { return x; });
  return {{"int8", {integers({3, 17}, -60, 60, DType::i8)}, {}, false, 1, same, 4, {Quantization{{0.5f}, {-3}}}},
          {"uint8", {integers({3, 17}, -60, 60, DType::u8)}, {}, false, 1, same, 4, {Quantization{{0.5f}, {125}}}},
          {"int16", {integers({3, 17}, -60, 60, DType::i16)}, {}, false, 1, same, 4, {Quantization{{0.125f}, {0}}}}};
}

}  // namespace thimble::test
