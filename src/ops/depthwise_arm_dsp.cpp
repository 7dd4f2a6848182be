// The host half of device/kernels/depthwise_conv2d_arm_dsp.h: which axis is a line, how much scratch, and the packing.
#include <algorithm>

#include "device/kernels/depthwise_column_arm_dsp.h"
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/depthwise_conv2d_arm_dsp.h"
#include "ops/arm_dsp.h"

namespace thimble::ops {

namespace {

using device::DepthwiseArmDspParams;
using device::DepthwiseConv2DIntegerParams;
using device::kDepthwiseTaps;

constexpr int kMostRightShift = 22;  // the zero point is shifted by it

// Bytes of scratch: what all lines may take, what bands get where they take more, and what nothing may exceed.
constexpr int64_t kWholeScratch = 1400, kBandScratch = 1024, kLeastScratch = 512, kMostScratch = 4096;

bool fits(const DepthwiseConv2DIntegerParams& p) {
  return p.depth_multiplier == 1 && p.kernel_h <= kDepthwiseTaps && p.kernel_w <= kDepthwiseTaps &&
         p.kernel_h * p.kernel_w > 1 && p.dilation_h == 1 && p.dilation_w == 1 && p.activation_min == -128 &&
         p.activation_max == 127 && std::min(p.stride_h, p.stride_w) <= 2;
}

// Lines are rows, or columns.
DepthwiseArmDspParams along(const DepthwiseConv2DIntegerParams& p, bool columns) {
  DepthwiseArmDspParams q{};
  q.batches = p.batches, q.channels = p.input_c;
  q.input_lines = p.input_h, q.input_values = p.input_w;
  q.output_lines = p.output_h, q.output_values = p.output_w;
  q.input_line_step = p.input_w * p.input_c, q.input_step = p.input_c;
  q.output_line_step = p.output_w * p.input_c, q.output_step = p.input_c;
  q.line_stride = p.stride_h, q.stride = p.stride_w;
  q.line_padding = p.padding_h, q.padding = p.padding_w;
  q.input_zero_point = p.input_zero_point, q.output_zero_point = p.output_zero_point;
  if (columns) {
    std::swap(q.input_lines, q.input_values), std::swap(q.output_lines, q.output_values);
    std::swap(q.input_line_step, q.input_step), std::swap(q.output_line_step, q.output_step);
    std::swap(q.line_stride, q.stride), std::swap(q.line_padding, q.padding);
  }
  const int32_t values = std::max((q.output_values - 1) * q.stride + kDepthwiseTaps, q.padding + q.input_values);
  q.pitch = (values + 1) / 2 * 2;
  return q;
}

int64_t scratch_of(const DepthwiseArmDspParams& q, int64_t band) {
  const int64_t lines = (band - 1) * q.line_stride + kDepthwiseTaps;
  const int64_t last = std::max<int64_t>(q.pitch, (q.output_values + 1) / 2 * 2 * q.stride + 2);
  return ((lines - 1) * q.pitch + last) * static_cast<int64_t>(sizeof(int16_t));
}

// The most lines of outputs for which there is scratch, spread evenly; at least one.
int32_t band_of(const DepthwiseArmDspParams& q, bool generous) {
  if (generous && scratch_of(q, q.output_lines) <= kWholeScratch) return q.output_lines;
  const int64_t limit = generous ? kBandScratch : kLeastScratch;
  int32_t most = q.output_lines;
  while (most > 1 && scratch_of(q, most) > limit) --most;
  const int32_t bands = (q.output_lines + most - 1) / most;
  return (q.output_lines + bands - 1) / bands;
}

// Ties of negative sums count where these are not cut off.
bool ties_away(const DepthwiseArmDspParams& q) { return q.output_zero_point != -128; }

int64_t instructions_of(const DepthwiseArmDspParams& q) {
  const int64_t bands = (q.output_lines + q.band - 1) / q.band;
  const int64_t widen = q.input_lines * (10 + q.input_values * 21 / 8);
  const int64_t kept = (bands - 1) * std::max(0, kDepthwiseTaps - q.line_stride) * (q.pitch * 4);
  const int64_t pairs = (q.output_values % 4 + 1) / 2;
  const int64_t scaling = ties_away(q) ? 5 : 3, four = (q.stride == 1 ? 42 : 45) + 4 * scaling, two = 26 + 2 * scaling;
  const int64_t lines = q.output_lines * (18 + q.output_values / 4 * four + pairs * two);
  return int64_t{q.batches} * q.channels * (70 + bands * (bands > 1 ? 140 : 50) + widen + kept + lines);
}

// In place: nothing that a band overwrites is read by a later one.
bool may_be_in_place(const DepthwiseArmDspParams& q, bool columns) {
  if (int64_t{q.output_lines} * q.output_values > int64_t{q.input_lines} * q.input_values) return false;
  for (int64_t written = q.band; written < q.output_lines; written += q.band) {
    const int64_t read = (written - 1) * q.line_stride + kDepthwiseTaps - q.line_padding;
    if (read >= q.input_lines) return true;
    if (columns ? q.output_line_step != q.input_line_step || q.output_step != q.input_step ||
                      q.output_values > q.input_values || written > read
                : written * q.output_values > read * q.input_values)
      return false;
  }
  return true;
}

// A channel's constants beside each other.
struct Packed {
  std::vector<int8_t> weights;
  std::vector<int32_t> bias_multiplier;
};

// Empty where doubled sums might overflow.
std::optional<Packed> pack(const DepthwiseConv2DIntegerParams& p, bool columns, const KernelCall& call) {
  const auto weights = std::get<Tensor>(call.operands[1]).as<int8_t>();
  const auto bias = std::get<Tensor>(call.operands[2]).as<int32_t>(),
             multiplier = std::get<Tensor>(call.operands[3]).as<int32_t>();
  Packed packed;
  for (int32_t c = 0; c < p.input_c; ++c) {
    int64_t largest = std::abs(int64_t{bias[static_cast<size_t>(c)]});
    for (int32_t tap = 0; tap < kDepthwiseTaps * kDepthwiseTaps; ++tap) {
      const int32_t line = tap / kDepthwiseTaps, k = tap % kDepthwiseTaps, y = columns ? k : line,
                    x = columns ? line : k;
      const bool inside = y < p.kernel_h && x < p.kernel_w;
      const int8_t w = inside ? weights[static_cast<size_t>((y * p.kernel_w + x) * p.input_c + c)] : int8_t{0};
      packed.weights.push_back(w);
      largest += 128 * std::abs(int64_t{w});
    }
    if (largest >= int64_t{1} << 30) return {};
    packed.bias_multiplier.push_back(2 * bias[static_cast<size_t>(c)]);
    packed.bias_multiplier.push_back(multiplier[static_cast<size_t>(c)]);
  }
  return packed;
}

// Empty where the kernel does not have them.
std::optional<Tensor> right_shifts(const KernelCall& call, bool ties_away) {
  const auto multiplier = std::get<Tensor>(call.operands[3]).as<int32_t>();
  const auto shift = std::get<Tensor>(call.operands[4]).as<int8_t>();
  std::vector<int8_t> right;
  for (size_t c = 0; c < shift.size(); ++c) {
    const int value = multiplier[c] == 0 ? 1 : -shift[c];
    if (ties_away ? value < 1 : value < 0 || value > kMostRightShift) return {};
    right.push_back(static_cast<int8_t>(value));
  }
  return Tensor::from<int8_t>({static_cast<int64_t>(right.size())}, right);
}

// Of a window that is the whole input.
std::optional<KernelCall> depthwise_column(const DepthwiseConv2DIntegerParams& p, const KernelCall& portable) {
  constexpr int64_t kLargestSum = int64_t{1} << 30;
  const auto weights = std::get<Tensor>(portable.operands[1]).as<int8_t>();
  const auto bias = std::get<Tensor>(portable.operands[2]).as<int32_t>();
  const auto multiplier = std::get<Tensor>(portable.operands[3]).as<int32_t>();
  const auto shift = std::get<Tensor>(portable.operands[4]).as<int8_t>();
  const int32_t taps = p.kernel_h * p.kernel_w;
  if (p.depth_multiplier != 1 || p.input_c % 4 != 0 || p.output_h * p.output_w != 1 || p.kernel_h != p.input_h ||
      p.kernel_w != p.input_w || p.padding_h + p.padding_w != 0 || p.activation_min != -128 || p.activation_max != 127)
    return {};
  for (size_t c = 0; c < static_cast<size_t>(p.input_c); ++c) {
    int64_t largest = std::abs(int64_t{bias[c]});
    for (size_t tap = 0; tap < static_cast<size_t>(taps); ++tap)
      largest += 128 * std::abs(int64_t{weights[tap * static_cast<size_t>(p.input_c) + c]});
    if (largest >= kLargestSum || multiplier[c] == 0 || shift[c] >= 0) return {};
  }
  auto call = KernelCall::make("depthwise_column_s8_arm_dsp",
                               device::DepthwiseColumnParams{p.batches, p.input_c, taps, p.output_zero_point});
  call.operands = portable.operands;
  call.instructions = int64_t{p.batches} * p.input_c / 4 * (70 + 13 * taps);
  return call;
}

}  // namespace

std::optional<KernelCall> depthwise_arm_dsp(const KernelForm& form, const KernelCall& portable) {
  if (!std::holds_alternative<Tensor>(portable.operands[1])) return {};
  DepthwiseConv2DIntegerParams p{};
  std::memcpy(&p, portable.params.data(), sizeof(p));
  if (auto column = depthwise_column(p, portable)) return column;
  if (!fits(p)) return {};
  std::optional<DepthwiseArmDspParams> best;
  bool columns = false;
  for (const bool vertical : {false, true}) {
    DepthwiseArmDspParams q = along(p, vertical);
    if (q.stride > 2) continue;
    q.band = band_of(q, form.scratch);
    if (scratch_of(q, q.band) > kMostScratch) continue;
    if (best && instructions_of(*best) <= instructions_of(q)) continue;
    best = q, columns = vertical;
  }
  if (!best) return {};
  const bool away = ties_away(*best);
  const std::optional<Packed> packed = pack(p, columns, portable);
  const std::optional<Tensor> shifts = right_shifts(portable, away);
  if (!packed || !shifts) return {};
  auto call = KernelCall::make(
      fmt::format("depthwise_conv2d_s8_arm_dsp{}{}", best->stride == 2 ? "_stride2" : "", away ? "_away" : ""), *best);
  call.operand(portable.operands[0])
      .operand(Tensor::from<int8_t>({p.input_c, kDepthwiseTaps, kDepthwiseTaps}, packed->weights));
  call.operand(Tensor::from<int32_t>({p.input_c, 2}, packed->bias_multiplier)).operand(*shifts);
  call.operand(ScratchBytes{DType::i16, scratch_of(*best, best->band)}).operand(portable.operands[5]);
  call.instructions = instructions_of(*best);
  if (may_be_in_place(*best, columns)) call.overlap = Overlap{.input = 0, .output = 5, .exact = true};
  return call;
}

}  // namespace thimble::ops
