// The host half of device/kernels/*_scalar.h: packing, and whether a layer's sums fit. Estimates of instructions are
// those of the Cortex-M3.
#include "ops/scalar.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "device/kernels/conv2d.h"
#include "device/kernels/conv2d_scalar.h"
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/depthwise_conv2d_scalar.h"
#include "device/kernels/fully_connected_scalar.h"
#include "ops/overlap.h"

namespace thimble::ops {

namespace {

constexpr int64_t kMostInputs = 16384, kMostSum = int64_t{1} << 29, kMostPlane = 65536;
constexpr int64_t kFilters = device::kScalarFilters;
// Pixels whose columns are gathered before their outputs are written, on any core.
constexpr int64_t kPixels = 4;

// One output channel, as the kernels multiply it.
struct Channel {
  std::vector<int8_t> weights;
  int32_t bias = 0, multiplier = 0, right = 1;
};

struct Activation {
  int32_t zero_point, min, max;
};

template <class Params>
Activation activation_of(const Params& p) {
  return {p.output_zero_point, p.activation_min, p.activation_max};
}

int32_t output_of(const Channel& channel, int64_t sum, Activation to) {
  const int32_t scaled = device::requantize(static_cast<int32_t>(sum), channel.multiplier, -channel.right);
  return std::clamp(scaled + to.zero_point, to.min, to.max);
}

// Sums too large for the kernels are possible where all of them give one output: the channel then makes it of its bias.
// False: they are not.
bool fit(Channel& channel, Activation to) {
  int64_t low = channel.bias, high = channel.bias;
  for (const int8_t w : channel.weights) low -= w > 0 ? 128 * w : -127 * w, high += w > 0 ? 127 * w : -128 * w;
  if (low > -kMostSum && high < kMostSum) return true;
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
  if (channel.right < 0 || low < -kLimit || high > kLimit) return false;
  const int32_t output = output_of(channel, low, to);
  if (output != output_of(channel, high, to)) return false;
  std::ranges::fill(channel.weights, int8_t{0});
  channel.bias = 4 * (output - to.zero_point), channel.multiplier = 1 << 30, channel.right = 1;
  return true;
}

// A portable call's constants.
class Filters {
 public:
  Filters(const KernelCall& call, int64_t outputs, int64_t inputs, bool channel_last, Activation to)
      : outputs_(outputs), inputs_(inputs) {
    const auto weights = std::get<Tensor>(call.operands[1]).as<int8_t>();
    const auto bias = std::get<Tensor>(call.operands[2]).as<int32_t>(),
               multiplier = std::get<Tensor>(call.operands[3]).as<int32_t>();
    const auto shift = std::get<Tensor>(call.operands[4]).as<int8_t>();
    fit_ = inputs <= kMostInputs;
    for (int64_t o = 0; fit_ && o < outputs; ++o) {
      const auto at = static_cast<size_t>(o);
      Channel channel{{}, bias[at], multiplier[at], multiplier[at] == 0 ? 1 : -shift[at]};
      for (int64_t k = 0; k < inputs; ++k)
        channel.weights.push_back(weights[static_cast<size_t>(channel_last ? k * outputs + o : o * inputs + k)]);
      fit_ = ops::fit(channel, to);
      channels_.push_back(std::move(channel));
    }
  }

  bool fit() const { return fit_; }

  // ScalarChannel of each. fold: inputs are multiplied 128 above their values.
  Tensor channels(bool fold) const {
    std::vector<int32_t> words;
    for (const Channel& channel : channels_) {
      int32_t bias = channel.bias;
      for (const int8_t weight : channel.weights) bias -= fold ? device::kByteOffset * weight : 0;
      words.insert(words.end(), {bias, channel.multiplier, channel.right});
    }
    return Tensor::from<int32_t>({outputs_, device::kScalarChannelWords}, words);
  }

  // [outputs / 4, rounded up][column][4] bytes, each 128 above the weight.
  Tensor blocks(int64_t column) const {
    const int64_t groups = (outputs_ + kFilters - 1) / kFilters;
    std::vector<int8_t> bytes(static_cast<size_t>(groups * column * kFilters), int8_t{-128});
    for (int64_t o = 0; o < outputs_; ++o)
      for (int64_t k = 0; k < inputs_; ++k)
        bytes[static_cast<size_t>((o / kFilters * column + k) * kFilters + o % kFilters)] =
            static_cast<int8_t>(static_cast<uint8_t>(tap(o, k)) ^ device::kByteFlip);
    return Tensor::from<int8_t>({groups, column, kFilters}, bytes);
  }

  // [outputs][kernel_h][kernel_w], or [outputs][kernel_w][kernel_h].
  Tensor planes(int32_t kernel_h, int32_t kernel_w, bool columns) const {
    std::vector<int8_t> bytes;
    for (int64_t o = 0; o < outputs_; ++o)
      for (int32_t i = 0; i < kernel_h * kernel_w; ++i)
        bytes.push_back(tap(o, columns ? i % kernel_h * kernel_w + i / kernel_h : i));
    return Tensor::from<int8_t>({outputs_, kernel_h * kernel_w}, bytes);
  }

 private:
  int8_t tap(int64_t o, int64_t k) const { return channels_[static_cast<size_t>(o)].weights[static_cast<size_t>(k)]; }

  int64_t outputs_, inputs_;
  bool fit_ = false;
  std::vector<Channel> channels_;
};

template <class Params>
Params params_of(const KernelCall& call) {
  Params params{};
  std::memcpy(&params, call.params.data(), sizeof(params));
  return params;
}

std::optional<KernelCall> conv2d_scalar(const KernelCall& portable) {
  const auto p = params_of<device::Conv2DIntegerParams>(portable);
  const int64_t taps = int64_t{p.kernel_h} * p.kernel_w * p.input_c;
  if (p.filter_c != p.input_c) return {};
  const Filters filters(portable, p.output_c, taps, false, activation_of(p));
  if (!filters.fit()) return {};
  const int64_t column = (taps + device::kScalarUnroll - 1) / device::kScalarUnroll * device::kScalarUnroll;
  KernelCall call = KernelCall::make(
      "conv2d_s8_scalar", device::Conv2DS8ScalarParams{
                              p.batches,          p.input_h,           p.input_w,        p.input_c,
                              p.output_h,         p.output_w,          p.output_c,       p.kernel_h,
                              p.kernel_w,         p.stride_h,          p.stride_w,       p.dilation_h,
                              p.dilation_w,       p.padding_h,         p.padding_w,      static_cast<int32_t>(column),
                              p.input_zero_point, p.output_zero_point, p.activation_min, p.activation_max});
  call.operand(portable.operands[0]).operand(filters.blocks(column)).operand(filters.channels(true));
  call.operand(ScratchBytes{DType::i32, column * device::kScalarColumnBytes}).operand(portable.operands[5]);
  const int64_t pairs = (int64_t{p.batches} * p.output_h * p.output_w + 1) / 2, blocks = (p.output_c + 3) / kFilters;
  call.instructions = pairs * (100 + 12 * column + blocks * (column * 29 / 2 + 210));
  PixelLoop loop = portable_loop(p, DType::i8);
  loop.early = 0;
  for (const int64_t together : {kPixels, kPixels / 2}) {
    loop.together = together;
    const std::optional<Overlap> overlap = overlap_of(loop, 0, 4);
    if (!overlap) return call;
    if (!call.overlap || call.overlap->distance < overlap->distance) call.overlap = overlap;
  }
  return call;
}

// Lines are rows, or columns.
device::DepthwiseConv2DS8ScalarParams along(const device::DepthwiseConv2DIntegerParams& p, bool columns) {
  device::DepthwiseConv2DS8ScalarParams q{};
  q.batches = p.batches, q.channels = p.input_c;
  q.input_lines = p.input_h, q.input_values = p.input_w;
  q.input_line_step = p.input_w * p.input_c, q.input_step = p.input_c;
  q.output_lines = p.output_h, q.output_values = p.output_w;
  q.output_line_step = p.output_w * p.input_c, q.output_step = p.input_c;
  q.line_taps = p.kernel_h, q.taps = p.kernel_w;
  q.line_stride = p.stride_h, q.stride = p.stride_w;
  q.line_padding = p.padding_h, q.padding = p.padding_w;
  if (columns) {
    std::swap(q.input_lines, q.input_values), std::swap(q.input_line_step, q.input_step);
    std::swap(q.output_lines, q.output_values), std::swap(q.output_line_step, q.output_step);
    std::swap(q.line_taps, q.taps), std::swap(q.line_stride, q.stride), std::swap(q.line_padding, q.padding);
  }
  q.plane_lines = (q.output_lines - 1) * q.line_stride + q.line_taps;
  q.pitch = (q.output_values - 1) * q.stride + q.taps;
  q.input_zero_point = p.input_zero_point, q.output_zero_point = p.output_zero_point;
  q.activation_min = p.activation_min, q.activation_max = p.activation_max;
  return q;
}

int64_t instructions_of(const device::DepthwiseConv2DS8ScalarParams& q) {
  const int64_t taps = int64_t{q.line_taps} * q.taps, whole = q.output_values / device::kScalarWindows,
                rest = q.output_values % device::kScalarWindows;
  const int64_t line = 25 + whole * (80 + 9 * taps) + (rest > 0 ? 20 + rest * 20 + taps * (rest == 1 ? 4 : 9) : 0);
  const int64_t plane = int64_t{q.input_lines} * (15 + q.input_values * 9 / 2);
  return int64_t{q.batches} * q.channels * (70 + plane + q.output_lines * line);
}

std::optional<KernelCall> depthwise_scalar(const KernelCall& portable) {
  const auto p = params_of<device::DepthwiseConv2DIntegerParams>(portable);
  const int64_t plane_h = int64_t{p.output_h - 1} * p.stride_h + p.kernel_h,
                plane_w = int64_t{p.output_w - 1} * p.stride_w + p.kernel_w;
  if (p.depth_multiplier != 1 || p.dilation_h != 1 || p.dilation_w != 1 || p.padding_h >= p.kernel_h ||
      p.padding_w >= p.kernel_w || plane_h > kMostPlane || plane_w > kMostPlane || plane_h * plane_w > kMostPlane)
    return {};
  const Filters filters(portable, p.input_c, int64_t{p.kernel_h} * p.kernel_w, true, activation_of(p));
  if (!filters.fit()) return {};
  device::DepthwiseConv2DS8ScalarParams q = along(p, false);
  const device::DepthwiseConv2DS8ScalarParams vertical = along(p, true);
  const bool columns = instructions_of(vertical) < instructions_of(q);
  if (columns) q = vertical;
  KernelCall call = KernelCall::make("depthwise_conv2d_s8_scalar", q);
  call.operand(portable.operands[0]).operand(filters.planes(p.kernel_h, p.kernel_w, columns));
  call.operand(filters.channels(true));
  call.operand(ScratchBytes{DType::i8, plane_h * plane_w + device::kScalarPlaneTail}).operand(portable.operands[5]);
  call.instructions = instructions_of(q);
  if (p.batches == 1 && int64_t{p.output_h} * p.output_w <= int64_t{p.input_h} * p.input_w)
    call.overlap = Overlap{.input = 0, .output = 4, .exact = true};
  return call;
}

std::optional<KernelCall> fully_connected_scalar(const KernelCall& portable) {
  const auto p = params_of<device::FullyConnectedIntegerParams>(portable);
  const Filters filters(portable, p.outputs, p.inputs, false, activation_of(p));
  if (!filters.fit()) return {};
  KernelCall call = KernelCall::make("fully_connected_s8_scalar", p);
  call.operand(portable.operands[0]).operand(filters.blocks(p.inputs)).operand(filters.channels(false));
  call.operand(portable.operands[5]);
  call.instructions =
      int64_t{p.rows} * (60 + 3 * int64_t{p.inputs} + (p.outputs + 3) / kFilters * (130 + int64_t{p.inputs} * 19 / 2));
  return call;
}

std::optional<KernelCall> scalar_form(const KernelForm& form, const KernelCall& portable) {
  if (portable.operands.size() < 2 || !std::holds_alternative<Tensor>(portable.operands[1])) return {};
  if (portable.kernel == "fully_connected_s8") return fully_connected_scalar(portable);
  if (!form.scratch) return {};
  if (portable.kernel == "conv2d_s8") return conv2d_scalar(portable);
  if (portable.kernel == "depthwise_conv2d_s8") return depthwise_scalar(portable);
  return {};
}

}  // namespace

Result<std::vector<KernelCall>> with_scalar(const KernelForm& form, Result<std::vector<KernelCall>> calls) {
  if (!calls || form.isa != "scalar") return calls;
  for (KernelCall& call : *calls)
    if (auto own = scalar_form(form, call)) call = std::move(*own);
  return calls;
}

}  // namespace thimble::ops
