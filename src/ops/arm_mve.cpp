#include "ops/arm_mve.h"

#include <algorithm>
#include <cstring>

#include "device/kernels/conv2d_arm_mve.h"
#include "device/kernels/depthwise_any_arm_mve.h"
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/depthwise_conv2d_arm_mve.h"
#include "device/kernels/elementwise_arm_mve.h"
#include "ops/overlap.h"

namespace thimble::ops {

namespace {

using device::kMveBlock;
using device::kMveConstants;
using device::kMveLanes;
using device::kMveRows;

int64_t quads(int64_t channels) { return (channels + kMveLanes - 1) / kMveLanes; }

template <class Params>
Params params_of(const KernelCall& call) {
  Params params{};
  std::memcpy(&params, call.params.data(), sizeof(params));
  return params;
}

// The constants of a portable linear kernel: operands 1 to 4.
struct Linear {
  std::span<const int8_t> weights;
  std::span<const int32_t> bias, multiplier;
  std::span<const int8_t> shift;
};

// Nothing where weights are computed or a multiplier is 1 or more.
std::optional<Linear> linear_of(const KernelCall& call) {
  const auto* weights = std::get_if<Tensor>(&call.operands[1]);
  if (!weights) return {};
  const Linear linear{weights->as<int8_t>(), std::get<Tensor>(call.operands[2]).as<int32_t>(),
                      std::get<Tensor>(call.operands[3]).as<int32_t>(),
                      std::get<Tensor>(call.operands[4]).as<int8_t>()};
  if (std::ranges::any_of(linear.shift, [](int8_t shift) { return shift > 0; })) return {};
  return linear;
}

template <class T>
Tensor tensor_of(const std::vector<T>& values) {
  return Tensor::from<T>({static_cast<int64_t>(values.size())}, values);
}

// As device/kernels/linear_arm_mve.h says.
void add_filters(const Linear& from, int32_t inputs, int32_t outputs, KernelCall& call) {
  const int32_t padded = device::mve_padded(inputs);
  std::vector<int8_t> weights(static_cast<size_t>(quads(outputs) * kMveLanes * padded));
  std::vector<int32_t> constants(static_cast<size_t>(quads(outputs) * kMveConstants));
  for (int32_t o = 0; o < outputs; ++o) {
    const int32_t quad = o / kMveLanes, lane = o % kMveLanes, pair = lane % 2, filter = lane / 2;
    const auto c = static_cast<size_t>(o);
    const int8_t* w = &from.weights[c * static_cast<size_t>(inputs)];
    int8_t* packed = &weights[static_cast<size_t>((quad * 2 + pair) * 2 * padded + filter * kMveBlock)];
    for (int32_t i = 0; i < inputs; ++i) packed[i / kMveBlock * 2 * kMveBlock + i % kMveBlock] = w[i];
    int32_t* values = &constants[static_cast<size_t>(quad * kMveConstants)];
    values[pair * 2 + filter] = from.bias[c];
    values[kMveLanes + lane] = from.multiplier[c];
    values[2 * kMveLanes + lane] = from.shift[c];
  }
  call.operand(tensor_of(weights)).operand(tensor_of(constants));
}

// Instructions of device::MveFilters::multiply.
int64_t product_cost(int64_t rows, int64_t inputs, int64_t outputs) {
  const int64_t blocks = (inputs + kMveBlock - 1) / kMveBlock;
  return rows / kMveRows * (70 + quads(outputs) * (blocks == 1 ? 65 : 58 + 24 * blocks)) +
         rows % kMveRows * (60 + quads(outputs) * (29 + 10 * blocks));
}

KernelCall rows_call(const KernelCall& portable, const Linear& linear, const device::FullyConnectedIntegerParams& p) {
  KernelCall call = KernelCall::make("fully_connected_s8_arm_mve", p);
  call.operand(portable.operands[0]);
  add_filters(linear, p.inputs, p.outputs, call);
  call.operand(portable.operands[5]);
  call.instructions = product_cost(p.rows, p.inputs, p.outputs);
  // Three rows are read until their last outputs.
  const int64_t last = p.outputs % kMveLanes == 0 ? kMveLanes : p.outputs % kMveLanes;
  call.overlap = overlap_of({.w = {.input = p.rows, .output = p.rows},
                             .input_pixel = p.inputs,
                             .output_pixel = p.outputs,
                             .early = kMveRows * int64_t{p.outputs} - last,
                             .together = kMveRows},
                            0, 3);
  return call;
}

std::optional<KernelCall> fully_connected(const KernelCall& portable) {
  const auto linear = linear_of(portable);
  if (!linear) return {};
  return rows_call(portable, *linear, params_of<device::FullyConnectedIntegerParams>(portable));
}

KernelCall conv2d_call(const KernelCall& portable, const Linear& linear, const device::Conv2DIntegerParams& p) {
  const int32_t inputs = p.kernel_h * p.kernel_w * p.input_c, pixels = p.batches * p.output_h * p.output_w;
  if (p.kernel_h * p.kernel_w * p.stride_h * p.stride_w == 1 && p.output_h == p.input_h && p.output_w == p.input_w)
    return rows_call(portable, linear,
                     {pixels, inputs, p.output_c, p.output_zero_point, p.activation_min, p.activation_max});
  KernelCall call = KernelCall::make("conv2d_s8_arm_mve", p);
  call.operand(portable.operands[0]);
  add_filters(linear, inputs, p.output_c, call);
  call.operand(ScratchBytes{DType::i8, int64_t{kMveRows} * inputs}).operand(portable.operands[5]);
  const int64_t gather = 25 + p.kernel_h * (10 + 3 * ((int64_t{p.kernel_w} * p.input_c + 15) / 16));
  call.instructions = pixels * gather + product_cost(pixels, inputs, p.output_c);
  PixelLoop loop = portable_loop(p, DType::i8);
  loop.early = 0, loop.together = kMveRows;  // patches are gathered before any of their outputs is written
  call.overlap = overlap_of(loop, 0, 4);
  return call;
}

std::optional<KernelCall> conv2d(const KernelCall& portable) {
  const auto p = params_of<device::Conv2DIntegerParams>(portable);
  const auto linear = linear_of(portable);
  if (!linear || p.filter_c != p.input_c || p.dilation_h != 1 || p.dilation_w != 1) return {};
  return conv2d_call(portable, *linear, p);
}

// Lines of the depthwise kernel are rows of the image, or columns.
device::DepthwiseMveParams depthwise_lines(const device::DepthwiseConv2DIntegerParams& p, bool columns) {
  device::DepthwiseMveParams q{};
  q.batches = p.batches, q.channels = p.input_c;
  q.input_lines = p.input_h, q.input_columns = p.input_w;
  q.output_lines = p.output_h, q.output_columns = p.output_w;
  q.input_line_step = p.input_w * p.input_c, q.input_column_step = p.input_c;
  q.output_line_step = p.output_w * p.input_c, q.output_column_step = p.input_c;
  q.line_stride = p.stride_h, q.column_stride = p.stride_w;
  q.line_padding = p.padding_h, q.column_padding = p.padding_w;
  q.line_taps = columns ? p.kernel_w : p.kernel_h;
  q.input_zero_point = p.input_zero_point, q.output_zero_point = p.output_zero_point;
  if (columns) {
    std::swap(q.input_lines, q.input_columns), std::swap(q.output_lines, q.output_columns);
    std::swap(q.input_line_step, q.input_column_step), std::swap(q.output_line_step, q.output_column_step);
    std::swap(q.line_stride, q.column_stride), std::swap(q.line_padding, q.column_padding);
  }
  q.two_lines = q.line_stride == 1 && q.line_taps < device::kMveTaps && q.output_lines > 1;
  return q;
}

int64_t depthwise_cost(const device::DepthwiseMveParams& p) {
  const int64_t lanes = device::mve_depthwise_lanes(p), times = (p.output_lines + p.two_lines) / (1 + p.two_lines);
  const int64_t blocks = (p.channels + device::kMveChannels - 1) / device::kMveChannels;
  const int64_t rounds = (p.output_columns + lanes - 1) / lanes;
  return p.batches * times *
         (blocks * (120 + 20 * p.column_stride * device::mve_phase(p)) +
          p.channels * (23 + (p.two_lines ? 19 : 21) * rounds));
}

Tensor pack_depthwise(const Linear& from, const device::DepthwiseConv2DIntegerParams& p, bool columns) {
  std::vector<int32_t> words;
  for (int32_t c = 0; c < p.input_c; ++c) {
    int8_t taps[device::kMveTaps * device::kMveTaps] = {};
    for (int32_t y = 0; y < p.kernel_h; ++y)
      for (int32_t x = 0; x < p.kernel_w; ++x)
        taps[columns ? y * device::kMveTaps + x : x * device::kMveTaps + y] =
            from.weights[static_cast<size_t>((y * p.kernel_w + x) * p.input_c + c)];
    words.resize(words.size() + device::kMveTaps);
    std::memcpy(&words[words.size() - device::kMveTaps], taps, sizeof(taps));
    const auto i = static_cast<size_t>(c);
    words.insert(words.end(), {from.bias[i], from.multiplier[i], from.shift[i], from.shift[i] < 0 ? 1 : 0});
  }
  return tensor_of(words);
}

// Scratch memory beyond which the portable kernel runs.
constexpr int32_t kMostDepthwiseScratch = 16 << 10;

bool fits_lines(const device::DepthwiseConv2DIntegerParams& p) {
  return p.dilation_h == 1 && p.dilation_w == 1 && p.activation_min == -128 && p.activation_max == 127 &&
         std::max({p.kernel_h, p.kernel_w, p.stride_h, p.stride_w}) <= device::kMveTaps;
}

std::optional<KernelCall> depthwise_in_lines(const KernelCall& portable, const Linear& linear,
                                             const device::DepthwiseConv2DIntegerParams& p) {
  std::optional<KernelCall> best;
  for (const bool columns : {false, true}) {
    const device::DepthwiseMveParams q = depthwise_lines(p, columns);
    const int64_t cost = depthwise_cost(q);
    if (q.output_columns > kMostDepthwiseScratch / device::kMveColumn ||
        device::mve_depthwise_scratch(q) > kMostDepthwiseScratch || (best && best->instructions <= cost))
      continue;
    best = KernelCall::make("depthwise_conv2d_s8_arm_mve", q);
    best->operand(portable.operands[0]).operand(pack_depthwise(linear, p, columns));
    best->operand(ScratchBytes{DType::i8, device::mve_depthwise_scratch(q)}).operand(portable.operands[5]);
    best->instructions = cost;
  }
  return best;
}

// One channel in, many out: a convolution.
KernelCall depthwise_as_conv2d(const KernelCall& portable, const Linear& linear,
                               const device::DepthwiseConv2DIntegerParams& p) {
  device::Conv2DIntegerParams q{};
  q.batches = p.batches, q.input_h = p.input_h, q.input_w = p.input_w, q.input_c = 1, q.filter_c = 1;
  q.output_h = p.output_h, q.output_w = p.output_w, q.output_c = p.depth_multiplier;
  q.kernel_h = p.kernel_h, q.kernel_w = p.kernel_w, q.stride_h = p.stride_h, q.stride_w = p.stride_w;
  q.dilation_h = 1, q.dilation_w = 1, q.padding_h = p.padding_h, q.padding_w = p.padding_w;
  q.input_zero_point = p.input_zero_point, q.output_zero_point = p.output_zero_point;
  q.activation_min = p.activation_min, q.activation_max = p.activation_max;
  const auto taps = static_cast<size_t>(p.kernel_h * p.kernel_w), outputs = static_cast<size_t>(p.depth_multiplier);
  std::vector<int8_t> weights;
  for (size_t o = 0; o < outputs; ++o)
    for (size_t tap = 0; tap < taps; ++tap) weights.push_back(linear.weights[tap * outputs + o]);
  Linear filters = linear;
  filters.weights = weights;
  return conv2d_call(portable, filters, q);
}

KernelCall depthwise_any(const KernelCall& portable, const Linear& linear,
                         const device::DepthwiseConv2DIntegerParams& p) {
  constexpr auto kLanes = static_cast<size_t>(device::kMveHalfLanes), kHalf = kLanes / 2;
  const auto channels = static_cast<size_t>(p.input_c), blocks = (channels + kLanes - 1) / kLanes;
  std::vector<int32_t> constants(blocks * 3 * kLanes);
  for (size_t c = 0; c < channels; ++c) {
    const size_t lane = c % kLanes, place = lane / 2 + lane % 2 * kHalf;
    int32_t* block = &constants[c / kLanes * 3 * kLanes];
    block[place] = linear.bias[c];
    block[kLanes + place] = linear.multiplier[c];
    block[2 * kLanes + place] = linear.shift[c];
  }
  KernelCall call = KernelCall::make("depthwise_any_s8_arm_mve", p);
  call.operand(portable.operands[0]).operand(portable.operands[1]).operand(tensor_of(constants));
  call.operand(portable.operands[5]);
  const int64_t block = 75 + int64_t{p.kernel_h} * (7 + 11 * int64_t{p.kernel_w});
  call.instructions = int64_t{p.batches} * p.output_h * p.output_w * (60 + static_cast<int64_t>(blocks) * block);
  return call;
}

std::optional<KernelCall> depthwise(const KernelCall& portable) {
  const auto p = params_of<device::DepthwiseConv2DIntegerParams>(portable);
  const auto linear = linear_of(portable);
  if (!linear) return {};
  if (p.input_c == 1 && p.dilation_h == 1 && p.dilation_w == 1) return depthwise_as_conv2d(portable, *linear, p);
  if (p.depth_multiplier != 1) return {};
  std::optional<KernelCall> call;
  if (fits_lines(p)) call = depthwise_in_lines(portable, *linear, p);
  return call ? std::move(call) : depthwise_any(portable, *linear, p);
}

// The same call of another kernel.
KernelCall renamed(const KernelCall& portable, int64_t instructions) {
  KernelCall call = portable;
  call.kernel += "_arm_mve";
  call.instructions = instructions;
  return call;
}

std::optional<KernelCall> add(const KernelCall& portable) {
  const auto p = params_of<device::AddQuantizedParams>(portable);
  if ((p.a_repeats | p.b_repeats | p.subtract) != 0 || p.left_shift != 20 ||
      std::max({p.a_shift, p.b_shift, p.output_shift}) > 0)
    return {};
  const int64_t count = int64_t{p.extent_0} * p.extent_1 * p.extent_2 * p.extent_3 * p.extent_4 * p.extent_5;
  return renamed(portable, 60 + count * 7);
}

// Instructions for each tap of a channel, and for each output besides.
KernelCall pool2d(const KernelCall& portable, double each, int64_t output) {
  const auto p = params_of<device::Pool2DParams>(portable);
  const int64_t outputs = int64_t{p.batches} * p.output_h * p.output_w * p.channels;
  return renamed(portable, outputs * (output + static_cast<int64_t>(each * p.window_h * p.window_w)));
}

std::optional<KernelCall> own_kernel(const KernelCall& portable) {
  if (portable.kernel == "fully_connected_s8") return fully_connected(portable);
  if (portable.kernel == "conv2d_s8") return conv2d(portable);
  if (portable.kernel == "depthwise_conv2d_s8") return depthwise(portable);
  if (portable.kernel == "add_s8") return add(portable);
  if (portable.kernel == "average_pool2d_s8") return pool2d(portable, 1.5, 20);
  if (portable.kernel == "max_pool2d_s8") return pool2d(portable, 0.4, 5);
  return {};
}

}  // namespace

Result<std::vector<KernelCall>> with_arm_mve(Result<std::vector<KernelCall>> calls) {
  if (!calls) return calls;
  for (KernelCall& call : *calls)
    if (auto own = own_kernel(call)) call = std::move(*own);
  return calls;
}

}  // namespace thimble::ops
