// The unit-test vectors of CMSIS-NN for pools, softmax and arithmetic of two inputs through the kernels: integers byte
// for byte, float32 within 1e-5 of the largest value. A printed list says what ran.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "device/kernels/binary_f32.h"
#include "device/kernels/binary_quantized.h"
#include "device/kernels/pool2d.h"
#include "device/kernels/softmax.h"
#include "graph/kernel_table.h"
#include "ops/broadcast.h"
#include "ops/cmsis_nn_data.h"
#include "ops/unary.h"

namespace thimble::test {

namespace {

const CmsisNames kFirst = {"input_tensor", "input_tensor_1", "input1", "input"}, kSecond = {"input_tensor_2", "input2"},
                 kOutputs = {"output_ref", "output"};

std::string_view suffix_of(const CmsisCase& c) {
  const std::string& type = c.array(kOutputs)->type;
  return type == "float32_t" ? "f32" : type == "int16_t" ? "s16" : "s8";
}

// A bound of the output as kernels take it: an integer or the bits of a float.
int32_t bound(const CmsisCase& c, const CmsisNames& names, double fallback) {
  if (suffix_of(c) == "f32") return device::bits_of(static_cast<float>(c.real(names, fallback)));
  return c.integer(names, static_cast<int32_t>(fallback));
}

KernelCall pool_call(const CmsisCase& c) {
  const int32_t h = c.integer("INPUT_H"), w = c.integer("INPUT_W"), channels = c.integer("INPUT_C");
  const auto elements = static_cast<int32_t>(c.array(kFirst)->items.size());
  const device::Pool2DParams params{.batches = elements / (h * w * channels),
                                    .input_h = h,
                                    .input_w = w,
                                    .channels = channels,
                                    .output_h = c.integer("OUTPUT_H"),
                                    .output_w = c.integer("OUTPUT_W"),
                                    .window_h = c.integer("FILTER_H"),
                                    .window_w = c.integer("FILTER_W"),
                                    .stride_h = c.integer("STRIDE_H"),
                                    .stride_w = c.integer("STRIDE_W"),
                                    .padding_h = c.integer("PADDING_H"),
                                    .padding_w = c.integer("PADDING_W"),
                                    .activation_min = bound(c, {"ACTIVATION_MIN"}, 0),
                                    .activation_max = bound(c, {"ACTIVATION_MAX"}, 0)};
  return KernelCall::make(
      fmt::format("{}_{}", c.name.starts_with("avg") ? "average_pool2d" : "max_pool2d", suffix_of(c)), params);
}

// Input `index` of "maximum" and "minimum"; a plain vector for the others.
Shape shape_of(const CmsisCase& c, int index, const CmsisNames& array) {
  const auto at = [&](std::string_view name) { return int64_t{c.integer(fmt::format("{}_{}", name, index).c_str())}; };
  if (c.integer("BATCH_1") > 0) return {at("BATCH"), at("HEIGHT"), at("WIDTH"), at("CHANNEL")};
  return {static_cast<int64_t>(c.array(array)->items.size())};
}

template <class Params>
Params with_shapes(const CmsisCase& c) {
  const std::array shapes = {shape_of(c, 1, kFirst), shape_of(c, 2, kSecond)};
  Params params{};
  ops::set_broadcast(params, ops::broadcast_axes("test", shapes).value());
  return params;
}

KernelCall sum_call(const CmsisCase& c) {
  auto p = with_shapes<device::AddQuantizedParams>(c);
  p.left_shift = c.integer("LEFT_SHIFT");
  p.a_zero_point = -c.integer("INPUT1_OFFSET");
  p.a_multiplier = c.integer("INPUT1_MULT");
  p.a_shift = c.integer("INPUT1_SHIFT");
  p.b_zero_point = -c.integer("INPUT2_OFFSET");
  p.b_multiplier = c.integer("INPUT2_MULT");
  p.b_shift = c.integer("INPUT2_SHIFT");
  p.output_zero_point = c.integer("OUTPUT_OFFSET");
  p.output_multiplier = c.integer("OUTPUT_MULT");
  p.output_shift = c.integer("OUTPUT_SHIFT");
  p.activation_min = bound(c, {"OUT_ACTIVATION_MIN"}, 0);
  p.activation_max = bound(c, {"OUT_ACTIVATION_MAX"}, 0);
  return KernelCall::make(fmt::format("add_{}", suffix_of(c)), p);
}

KernelCall product_call(const CmsisCase& c) {
  auto p = with_shapes<device::MulQuantizedParams>(c);
  p.a_zero_point = -c.integer("INPUT1_OFFSET");
  p.b_zero_point = -c.integer("INPUT2_OFFSET");
  p.output_zero_point = c.integer("OUTPUT_OFFSET");
  p.output_multiplier = c.integer("OUTPUT_MULT");
  p.output_shift = c.integer("OUTPUT_SHIFT");
  p.activation_min = bound(c, {"OUT_ACTIVATION_MIN"}, 0);
  p.activation_max = bound(c, {"OUT_ACTIVATION_MAX"}, 0);
  return KernelCall::make(fmt::format("mul_{}", suffix_of(c)), p);
}

KernelCall binary_call(const CmsisCase& c) {
  if (c.name.starts_with("maximum") || c.name.starts_with("minimum")) {
    auto p = with_shapes<device::MaximumParams>(c);
    p.smaller = c.name.starts_with("minimum");
    return KernelCall::make(fmt::format("maximum_{}", suffix_of(c)), p);
  }
  if (suffix_of(c) != "f32") return c.name.starts_with("add") ? sum_call(c) : product_call(c);
  auto p = with_shapes<device::BinaryF32Params>(c);
  p.activation_min = bound(c, {"OUT_ACTIVATION_MIN"}, 0);
  p.activation_max = bound(c, {"OUT_ACTIVATION_MAX"}, 0);
  return KernelCall::make(c.name.starts_with("add") ? "add_f32" : "mul_f32", p);
}

template <class T>
void expect_results(const CmsisCase& c, const KernelCall& call, std::vector<Tensor> tables = {}) {
  std::vector<T> a = c.numbers<T>(kFirst), b = c.numbers<T>(kSecond);
  const std::vector<T> expected = c.numbers<T>(kOutputs);
  std::vector<T> output(expected.size());
  std::vector<void*> operands = {a.data()};
  if (!b.empty()) operands.push_back(b.data());
  for (Tensor& table : tables) operands.push_back(table.bytes.data());
  operands.push_back(output.data());
  const Outcome outcome = run_kernel(call, operands);
  ASSERT_TRUE(outcome) << to_string(outcome.error());
  ASSERT_FALSE(expected.empty());
  double largest = 0;
  for (T value : expected) largest = std::max(largest, std::abs(static_cast<double>(value)));
  const double tolerance = std::is_same_v<T, float> ? 1e-5 * largest : 0;
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(output[i]), static_cast<double>(expected[i]), tolerance) << "element " << i;
}

std::vector<Tensor> softmax_tables() {
  constexpr float kRange = 65535;
  return {ops::table_s16({10.0f / kRange, 32767}, {2.0f / kRange, 0}, [](float x) { return std::exp(x); }),
          ops::table_s16({1.0f / kRange, -32768}, {2.0f / kRange, 0}, [](float x) { return 1.0f / (1.0f + x); })};
}

void run_case(const CmsisCase& c) {
  if (c.name == "softmax_s16") {
    const KernelCall call = KernelCall::make(
        "softmax_s16", device::SoftmaxS16Params{c.integer("NUM_ROWS"), c.integer("ROW_SIZE"), c.integer("INPUT_MULT"),
                                                c.integer("INPUT_LEFT_SHIFT")});
    return expect_results<int16_t>(c, call, softmax_tables());
  }
  const KernelCall call = c.name.find("pool") != std::string::npos ? pool_call(c) : binary_call(c);
  if (suffix_of(c) == "f32") return expect_results<float>(c, call);
  if (suffix_of(c) == "s16") return expect_results<int16_t>(c, call);
  expect_results<int8_t>(c, call);
}

}  // namespace

TEST(CmsisNn, PoolsSoftmaxAndArithmeticGiveItsResults) {
  const std::vector<std::string> names = cmsis_nn_names();
  if (names.empty()) GTEST_SKIP() << cmsis_nn_folder() << " is absent";
  std::vector<std::string> ran;
  for (const std::string& name : names) {
    bool ours = name.find("f16") == std::string::npos;
    const auto starts = [&](std::string_view prefix) { return name.starts_with(prefix); };
    ours = ours && (starts("avgpool") || starts("maxpool") || name == "softmax_s16" || name == "add" ||
                    starts("add_") || name == "mul" || starts("mul_") || starts("maximum_") || starts("minimum_"));
    if (!ours) continue;
    SCOPED_TRACE(name);
    const auto loaded = load_cmsis_nn(name);
    ASSERT_TRUE(loaded) << to_string(loaded.error());
    ASSERT_NO_FATAL_FAILURE(run_case(*loaded));
    ran.push_back(name);
  }
  fmt::print("{} of {} cases ran: {}\n", ran.size(), names.size(), fmt::join(ran, " "));
  EXPECT_GT(ran.size(), 30u);
}

}  // namespace thimble::test
