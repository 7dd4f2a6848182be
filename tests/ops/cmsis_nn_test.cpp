// The unit-test vectors of CMSIS-NN for convolutions, fully connected layers and matrix products through the kernels:
// integers byte for byte, float32 within 1e-5 of the largest value. A printed list says what ran and what did not.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "device/kernels/batch_matmul.h"
#include "device/kernels/conv2d.h"
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/fully_connected.h"
#include "device/kernels/transpose_conv.h"
#include "graph/kernel_table.h"
#include "ops/cmsis_nn_data.h"

namespace thimble::test {

namespace {

const CmsisNames kInputs = {"input", "input_data"}, kWeights = {"weights", "input_weights", "weights_data"},
                 kBiases = {"biases", "bias", "input_bias", "biases_data"},
                 kOutputs = {"output_ref", "output", "output_ref_data"},
                 kMultipliers = {"output_mult", "output_multiplier"}, kShifts = {"output_shift"};
// Values of the outputs and of the reference.
struct Compared {
  std::vector<double> found, expected;
  bool exact = true;
};

std::string suffix_of(const CmsisCase& c) {
  const std::string& type = c.array(kInputs)->type;
  if (type == "float32_t") return "_f32";
  if (type == "int8_t") return "_s8";
  const CmsisArray* bias = c.array(kBiases);
  return bias && bias->type == "int32_t" ? "_s16_b32" : "_s16";
}

// Weights as int8, where they are packed unpacked.
std::vector<int8_t> integer_weights(const CmsisCase& c, size_t count) {
  const std::vector<int8_t> stored = c.numbers<int8_t>(kWeights);
  return stored.size() < count ? unpack_int4(stored, count) : stored;
}

struct LinearLayer {
  size_t weights = 0, channels = 0;       // counts
  std::function<size_t(size_t)> channel;  // of a weight
  int32_t fold = 0;                       // zero point that goes into the bias
};

template <class T, class Sum>
Compared run_integer(const CmsisCase& c, KernelCall call, const LinearLayer& layer) {
  std::vector<T> input = c.numbers<T>(kInputs);
  const std::vector<T> expected = c.numbers<T>(kOutputs);
  std::vector<int8_t> weights = integer_weights(c, layer.weights);
  std::vector<Sum> bias = c.numbers<Sum>(kBiases);
  bias.resize(layer.channels);
  for (size_t i = 0; i < weights.size() && layer.fold != 0; ++i) bias[layer.channel(i)] -= layer.fold * weights[i];
  std::vector<int32_t> multiplier = c.numbers<int32_t>(kMultipliers);
  std::vector<int8_t> shift = c.numbers<int8_t>(kShifts);
  if (multiplier.empty()) {
    multiplier.assign(layer.channels, c.integer("OUTPUT_MULTIPLIER"));
    shift.assign(layer.channels, static_cast<int8_t>(c.integer("OUTPUT_SHIFT")));
  }
  std::vector<T> output(expected.size());
  void* operands[] = {input.data(), weights.data(), bias.data(), multiplier.data(), shift.data(), output.data()};
  const Outcome outcome = run_kernel(call, operands);
  EXPECT_TRUE(outcome) << to_string(outcome.error());
  return {{output.begin(), output.end()}, {expected.begin(), expected.end()}};
}

Compared run_float(const CmsisCase& c, const KernelCall& call, size_t channels) {
  std::vector<float> input = c.numbers<float>(kInputs), weights = c.numbers<float>(kWeights);
  std::vector<float> bias = c.numbers<float>(kBiases);
  bias.resize(channels);
  const std::vector<float> expected = c.numbers<float>(kOutputs);
  std::vector<float> output(expected.size());
  void* operands[] = {input.data(), weights.data(), bias.data(), output.data()};
  const Outcome outcome = run_kernel(call, operands);
  EXPECT_TRUE(outcome) << to_string(outcome.error());
  return {{output.begin(), output.end()}, {expected.begin(), expected.end()}, false};
}

template <class Params>
void set_window(const CmsisCase& c, Params& p) {
  p.batches = c.integer("INPUT_BATCHES", 1);
  p.input_h = c.integer("INPUT_H"), p.input_w = c.integer("INPUT_W"), p.input_c = c.integer("IN_CH");
  p.output_h = c.integer("OUTPUT_H"), p.output_w = c.integer("OUTPUT_W");
  p.kernel_h = c.integer({"FILTER_Y", "FILTER_H"}), p.kernel_w = c.integer({"FILTER_X", "FILTER_W"});
  p.stride_h = c.integer({"STRIDE_Y", "STRIDE_H"}), p.stride_w = c.integer({"STRIDE_X", "STRIDE_W"});
  p.padding_h = c.integer({"PAD_Y", "PADDING_H"}), p.padding_w = c.integer({"PAD_X", "PADDING_W"});
}

template <class Params>
void set_integers(const CmsisCase& c, Params& p) {
  p.output_zero_point = c.integer("OUTPUT_OFFSET");
  p.activation_min = c.integer("OUT_ACTIVATION_MIN"), p.activation_max = c.integer("OUT_ACTIVATION_MAX");
}

template <class Params>
void set_range(const CmsisCase& c, Params& p) {
  const CmsisNames least = {"OUT_ACTIVATION_MIN", "ACTIVATION_MIN"}, most = {"OUT_ACTIVATION_MAX", "ACTIVATION_MAX"};
  p.activation_min = device::bits_of(static_cast<float>(c.real(least, -INFINITY)));
  p.activation_max = device::bits_of(static_cast<float>(c.real(most, INFINITY)));
}

template <class Params>
Compared dispatch(const CmsisCase& c, const std::string& kernel, const Params& params, const LinearLayer& layer) {
  const std::string suffix = suffix_of(c);
  const auto call = KernelCall::make(kernel + suffix, params);
  if (suffix == "_s8") return run_integer<int8_t, int32_t>(c, call, layer);
  if (suffix == "_s16") return run_integer<int16_t, int64_t>(c, call, layer);
  return run_integer<int16_t, int32_t>(c, call, layer);
}

template <class Params>
void set_dilation(const CmsisCase& c, Params& p) {
  p.dilation_h = c.integer({"DILATION_Y", "DILATION_H"}, 1), p.dilation_w = c.integer({"DILATION_X", "DILATION_W"}, 1);
}

// filter: channels that a filter reads. Params: window, channels and dilation are set.
template <class Params>
void set_convolution(const CmsisCase& c, Params& p) {
  set_window(c, p);
  set_dilation(c, p);
  p.output_c = c.integer("OUT_CH");
  p.filter_c = c.integer({"FILTER_CH", "IN_CH"});
}

Compared convolution(const CmsisCase& c) {
  if (suffix_of(c) == "_f32") {
    device::Conv2DF32Params p{};
    set_convolution(c, p), set_range(c, p);
    return run_float(c, KernelCall::make("conv2d_f32", p), static_cast<size_t>(p.output_c));
  }
  device::Conv2DIntegerParams p{};
  set_convolution(c, p), set_integers(c, p);
  p.input_zero_point = -c.integer("INPUT_OFFSET");
  const auto filter = static_cast<size_t>(p.kernel_h * p.kernel_w * p.filter_c);
  return dispatch(c, "conv2d", p,
                  {filter * static_cast<size_t>(p.output_c), static_cast<size_t>(p.output_c),
                   [=](size_t i) { return i / filter; }, p.input_zero_point});
}

Compared depthwise(const CmsisCase& c) {
  if (suffix_of(c) == "_f32") {
    device::DepthwiseConv2DF32Params p{};
    set_window(c, p), set_dilation(c, p), set_range(c, p);
    p.depth_multiplier = c.integer("CH_MULT", 1);
    return run_float(c, KernelCall::make("depthwise_conv2d_f32", p), static_cast<size_t>(c.integer("OUT_CH")));
  }
  device::DepthwiseConv2DIntegerParams p{};
  set_window(c, p), set_dilation(c, p), set_integers(c, p);
  p.depth_multiplier = c.integer("CH_MULT", 1);
  p.input_zero_point = -c.integer("INPUT_OFFSET");
  const auto channels = static_cast<size_t>(c.integer("OUT_CH"));
  return dispatch(c, "depthwise_conv2d", p,
                  {static_cast<size_t>(p.kernel_h * p.kernel_w) * channels, channels,
                   [=](size_t i) { return i % channels; }, p.input_zero_point});
}

Compared fully_connected(const CmsisCase& c) {
  const int32_t rows = c.integer("INPUT_BATCHES", 1), outputs = c.integer("OUT_CH");
  const int32_t image = c.integer("IN_CH") * c.integer("INPUT_H", 1) * c.integer("INPUT_W", 1);
  const int32_t inputs = c.integer("ACCUMULATION_DEPTH", image);
  if (suffix_of(c) == "_f32") {
    device::FullyConnectedF32Params p{rows, inputs, outputs, 0, 0};
    set_range(c, p);
    return run_float(c, KernelCall::make("fully_connected_f32", p), static_cast<size_t>(outputs));
  }
  device::FullyConnectedIntegerParams p{rows, inputs, outputs, 0, 0, 0};
  set_integers(c, p);
  const auto depth = static_cast<size_t>(inputs);
  return dispatch(c, "fully_connected", p,
                  {depth * static_cast<size_t>(outputs), static_cast<size_t>(outputs),
                   [=](size_t i) { return i / depth; }, -c.integer("INPUT_OFFSET")});
}

Compared transposed(const CmsisCase& c) {
  if (suffix_of(c) == "_f32") {
    device::TransposeConvF32Params p{};
    set_window(c, p), set_range(c, p);
    p.output_c = c.integer("OUT_CH");
    return run_float(c, KernelCall::make("transpose_conv_f32", p), static_cast<size_t>(p.output_c));
  }
  device::TransposeConvIntegerParams p{};
  set_window(c, p), set_integers(c, p);
  p.output_c = c.integer("OUT_CH");
  p.input_zero_point = -c.integer("INPUT_OFFSET");
  const auto channels = static_cast<size_t>(p.output_c);
  return dispatch(c, "transpose_conv", p,
                  {static_cast<size_t>(p.kernel_h * p.kernel_w * p.input_c) * channels, channels, {}, 0});
}

// Each [rows, cols] block of a stack of matrices, transposed.
std::vector<float> transpose_blocks(const std::vector<float>& stack, int32_t rows, int32_t cols) {
  std::vector<float> result(stack.size());
  const auto block = static_cast<size_t>(rows * cols), width = static_cast<size_t>(cols);
  for (size_t i = 0; i < stack.size(); ++i) {
    const size_t row = i % block / width, col = i % width;
    result[i / block * block + col * static_cast<size_t>(rows) + row] = stack[i];
  }
  return result;
}

// Matrices of [BATCH, HEIGHT, ROWS, COLS]. Of the left one both layouts are given; the right one is given as [depth,
// cols], also where ADJ_Y asks for the other layout.
Compared matrix_product(const CmsisCase& c) {
  const bool adj_x = c.integer("ADJ_X") != 0, adj_y = c.integer("ADJ_Y") != 0;
  device::BatchMatmulF32Params p{};
  set_range(c, p);
  p.rows = c.integer("OUTPUT_ROWS"), p.cols = c.integer("OUTPUT_COLS");
  const int32_t left = c.integer("LHS_ROWS") * c.integer("LHS_COLS"),
                right = c.integer("RHS_ROWS") * c.integer("RHS_COLS");
  p.depth = left / p.rows;
  p.a_row_step = adj_x ? 1 : p.depth, p.a_depth_step = adj_x ? p.rows : 1;
  p.b_depth_step = adj_y ? 1 : p.cols, p.b_col_step = adj_y ? p.depth : 1;
  p.batches0 = 1, p.batches1 = c.integer("OUTPUT_BATCH"), p.batches2 = c.integer("OUTPUT_HEIGHT");
  p.a_step2 = c.integer("LHS_HEIGHT") == 1 ? 0 : left, p.b_step2 = c.integer("RHS_HEIGHT") == 1 ? 0 : right;
  p.a_step1 = c.integer("LHS_BATCH") == 1 ? 0 : left * c.integer("LHS_HEIGHT");
  p.b_step1 = c.integer("RHS_BATCH") == 1 ? 0 : right * c.integer("RHS_HEIGHT");
  std::vector<float> a = c.numbers<float>({adj_x ? "lhs_transposed_tensor" : "lhs_input_tensor"});
  std::vector<float> b = c.numbers<float>({"rhs_input_tensor"});
  if (adj_y) b = transpose_blocks(b, p.depth, p.cols);
  const std::vector<float> expected = c.numbers<float>({"output"});
  std::vector<float> bias(1), output(expected.size());
  void* operands[] = {a.data(), b.data(), bias.data(), output.data()};
  const Outcome outcome = run_kernel(KernelCall::make("batch_matmul_f32", p), operands);
  EXPECT_TRUE(outcome) << to_string(outcome.error());
  return {{output.begin(), output.end()}, {expected.begin(), expected.end()}, false};
}

// Batch normalisation in its inference form is a depthwise convolution of one tap.
Compared batch_norm(const CmsisCase& c) {
  device::DepthwiseConv2DF32Params p{};
  set_range(c, p);
  p.batches = c.integer("INPUT_N");
  p.input_h = p.output_h = c.integer("INPUT_H"), p.input_w = p.output_w = c.integer("INPUT_W");
  p.input_c = c.integer("INPUT_C"), p.depth_multiplier = 1;
  p.kernel_h = p.kernel_w = p.stride_h = p.stride_w = p.dilation_h = p.dilation_w = 1;
  CmsisCase renamed = c;
  renamed.arrays["weights"] = c.arrays.contains("scale") ? c.arrays.at("scale") : c.arrays.at("scale_data");
  return run_float(renamed, KernelCall::make("depthwise_conv2d_f32", p), static_cast<size_t>(p.input_c));
}

using Runner = Compared (*)(const CmsisCase&);

// By the first words of a case's name, longest first.
struct Family {
  std::string_view prefix;
  Runner run;
};
constexpr Family kFamilies[] = {
    {"reverse_transpose_conv", transposed},
    {"transpose_conv", transposed},
    {"batch_matmul", matrix_product},
    {"basic_int4", convolution},
    {"conv", convolution},
    {"kernel1x1", convolution},
    {"stride2pad1", convolution},
    {"grouped_conv", convolution},
    {"int16xint8", convolution},
    {"requantize_s64", convolution},
    {"depthwise", depthwise},
    {"dw_", depthwise},
    {"fully_connected", fully_connected},
    {"fc_per_ch", fully_connected},
    {"bn_", batch_norm},
};

Runner runner_of(const std::string& name) {
  for (const Family& family : kFamilies)
    if (name.starts_with(family.prefix)) return family.run;
  return nullptr;
}

void expect_equal(const Compared& result, const std::string& name) {
  double largest = 0;
  for (double value : result.expected) largest = std::max(largest, std::abs(value));
  ASSERT_FALSE(result.expected.empty()) << name;
  ASSERT_EQ(result.found.size(), result.expected.size()) << name;
  int64_t differing = 0;
  for (size_t i = 0; i < result.found.size(); ++i)
    differing += !(std::abs(result.found[i] - result.expected[i]) <= (result.exact ? 0 : 1e-5 * largest));
  EXPECT_EQ(differing, 0) << name << ": of " << result.found.size() << " values";
}

}  // namespace

TEST(CmsisNn, LinearLayersGiveItsResults) {
  const std::vector<std::string> names = cmsis_nn_names();
  if (names.empty()) GTEST_SKIP() << cmsis_nn_folder() << " is absent";
  std::vector<std::string> ran, half, others;
  for (const std::string& name : names) {
    const Runner run = runner_of(name);
    if (name.find("f16") != std::string::npos)
      (run ? half : others).push_back(name);
    else if (!run)
      others.push_back(name);
    else {
      const auto loaded = load_cmsis_nn(name);
      ASSERT_TRUE(loaded) << to_string(loaded.error());
      expect_equal(run(*loaded), name);
      ran.push_back(name);
    }
  }
  fmt::print("{} of {} cases ran: {}\n", ran.size(), names.size(), fmt::join(ran, " "));
  fmt::print("{} did not, because there is no float16: {}\n", half.size(), fmt::join(half, " "));
  fmt::print("{} belong to other operators: {}\n", others.size(), fmt::join(others, " "));
  EXPECT_GT(ran.size(), 60u);
}

}  // namespace thimble::test
