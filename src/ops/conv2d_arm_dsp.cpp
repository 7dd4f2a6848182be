// Packs filters and channel constants as device/kernels/blocks_arm_dsp.h wants them, after checking that no sum can
// leave the range in which its arithmetic equals the portable kernel's.
#include "device/kernels/conv2d_arm_dsp.h"

#include <algorithm>

#include "device/base/fixed_point.h"
#include "device/kernels/conv2d.h"
#include "ops/arm_dsp.h"
#include "ops/overlap.h"

namespace thimble::ops {

namespace {

constexpr int32_t kMostRightShift = 22;  // 2^30 and the zero point shifted by it stay below 2^31
constexpr int32_t kFilters = device::kDspFilters;

// An output channel as the kernel computes it.
struct Channel {
  std::vector<int32_t> taps;  // 4 * quads, in the order of the columns; wide: scaled
  int32_t start = 0;          // bias; wide: scaled
  int32_t multiplier = 0, offset = 0, right_shift = 0;
};

struct Range {
  int64_t low = 0, high = 0;
};

// What a sum of these weights may be.
Range range_of(std::span<const int8_t> weights, int32_t bias) {
  Range range{bias, bias};
  for (const int8_t weight : weights) {
    range.low += weight > 0 ? weight * -128 : weight * 127;
    range.high += weight > 0 ? weight * 127 : weight * -128;
  }
  return range;
}

bool fits(Range range, int bits) {
  return range.low >= -(int64_t{1} << (bits - 1)) && range.high < int64_t{1} << (bits - 1);
}

// As blocks_arm_dsp.h has them.
enum class Packing { int8, wide, compact };

class Packer {
 public:
  Packer(const KernelCall& portable, Packing packing)
      : wide_(packing == Packing::wide), compact_(packing == Packing::compact) {
    std::memcpy(&from_, portable.params.data(), sizeof(from_));
    weights_ = std::get<Tensor>(portable.operands[1]).as<int8_t>();
    bias_ = std::get<Tensor>(portable.operands[2]).as<int32_t>();
    multiplier_ = std::get<Tensor>(portable.operands[3]).as<int32_t>();
    shift_ = std::get<Tensor>(portable.operands[4]).as<int8_t>();
    set_params();
  }

  const device::Conv2DArmDspParams& params() const { return params_; }

  // Empty: beyond the kernel.
  std::vector<int32_t> pack() const {
    std::vector<int32_t> words;
    for (int32_t o = 0; o < params_.output_c; o += kFilters) {
      std::vector<Channel> block(kFilters);
      for (int32_t f = 0; f < kFilters; ++f) {
        block[static_cast<size_t>(f)].taps.resize(static_cast<size_t>(4 * params_.quads));
        if (o + f < params_.output_c && !set_channel(o + f, f % 2 == 1, block[static_cast<size_t>(f)])) return {};
      }
      if (!(wide_ ? append_wide(block, words) : append(block, words))) return {};
    }
    return words;
  }

 private:
  bool ties_away() const { return from_.activation_min < from_.output_zero_point; }

  void set_params() {
    params_ = {.batches = from_.batches,
               .input_h = from_.input_h,
               .input_w = from_.input_w,
               .input_c = from_.input_c,
               .output_h = from_.output_h,
               .output_w = from_.output_w,
               .output_c = from_.output_c,
               .kernel_h = from_.kernel_h,
               .kernel_w = from_.kernel_w,
               .stride_h = from_.stride_h,
               .stride_w = from_.stride_w,
               .dilation_h = from_.dilation_h,
               .dilation_w = from_.dilation_w,
               .padding_h = from_.padding_h,
               .padding_w = from_.padding_w,
               .input_zero_point = from_.input_zero_point,
               .activation_min = from_.activation_min,
               .activation_max = from_.activation_max,
               .rounding = compact_ ? from_.output_zero_point : ties_away()};
    // Without taps besides its own each pixel is the next: one row.
    if (from_.kernel_h * from_.kernel_w * from_.stride_h * from_.stride_w == 1 && from_.output_h == from_.input_h &&
        from_.output_w == from_.input_w) {
      params_.input_w = params_.output_w = from_.batches * from_.output_h * from_.output_w;
      params_.batches = params_.input_h = params_.output_h = 1;
    }
    const bool dilated = from_.kernel_w > 1 && from_.dilation_w > 1;
    params_.line_runs = dilated ? from_.kernel_w : 1;
    params_.run = (dilated ? 1 : from_.kernel_w) * from_.input_c;
    const int32_t runs = from_.kernel_h * params_.line_runs;
    params_.quads = runs * (params_.run / 4) + (runs * (params_.run % 4) + 3) / 4;
    set_inner(params_.input_h, params_.output_h, from_.kernel_h, from_.stride_h, from_.dilation_h, from_.padding_h,
              params_.inner_y, params_.inner_rows);
    set_inner(params_.input_w, params_.output_w, from_.kernel_w, from_.stride_w, from_.dilation_w, from_.padding_w,
              params_.inner_x, params_.inner_columns);
  }

  static void set_inner(int32_t input, int32_t output, int32_t taps, int32_t stride, int32_t dilation, int32_t padding,
                        int32_t& first, int32_t& count) {
    first = 0, count = 0;
    for (int32_t i = 0; i < output; ++i) {
      if (!device::taps_inside(i, stride, padding, dilation, taps, input).whole) continue;
      if (count == 0) first = i;
      ++count;
    }
  }

  // Where tap `byte` of a run goes.
  size_t place(int32_t run, int32_t byte) const {
    const int32_t quads = params_.run / 4, left = params_.run % 4;
    if (byte < 4 * quads) return static_cast<size_t>(4 * (run * quads) + byte);
    constexpr int32_t kByteOfHalf[] = {0, 2, 1, 3};  // those left fill a word's halves one after the other
    const int32_t rest = run * left + byte - 4 * quads;
    return static_cast<size_t>(4 * quads * params_.kernel_h * params_.line_runs + (rest & ~3) + kByteOfHalf[rest % 4]);
  }

  bool set_channel(int32_t o, bool odd, Channel& channel) const {
    const auto c = static_cast<size_t>(o),
               filter = static_cast<size_t>(from_.kernel_h * from_.kernel_w * from_.input_c);
    const std::span<const int8_t> weights = weights_.subspan(c * filter, filter);
    const int32_t left = std::max<int32_t>(shift_[c], 0), right = std::max<int32_t>(-shift_[c], 0);
    const Range sums = range_of(weights, bias_[c]);
    if (left >= 23 || !fits(sums, 32 - left)) return false;
    const auto output = [&](int64_t sum) {
      const int64_t scaled =
          int64_t{device::requantize(static_cast<int32_t>(sum), multiplier_[c], shift_[c])} + from_.output_zero_point;
      return static_cast<int32_t>(std::clamp<int64_t>(scaled, -128, 127));
    };
    if (output(sums.low) == output(sums.high)) {  // also filters of zeros, with whatever scale they have
      set_constant(output(sums.low), channel);
      return true;
    }
    if (!fits(sums, 31 - left)) return false;
    if (compact_ ? right == 0 : right > kMostRightShift || (right == 0 && ties_away())) return false;
    if (!wide_ && (left > 0 || (odd && !fits(sums, 24)))) return false;
    const int32_t scale = wide_ ? 2 << left : 1;
    for (int32_t run = 0; run < params_.kernel_h * params_.line_runs; ++run)
      for (int32_t byte = 0; byte < params_.run; ++byte) {
        const int32_t weight = weights[static_cast<size_t>(run * params_.run + byte)] * scale;
        if (weight < -32768 || weight > 32767) return false;
        channel.taps[place(run, byte)] = weight;
      }
    channel.start = bias_[c] * scale;
    channel.multiplier = multiplier_[c], channel.right_shift = right;
    if (!compact_) channel.offset = from_.output_zero_point * (1 << right) + ((1 << right) >> 1);
    return true;
  }

  void set_constant(int32_t output, Channel& channel) const {
    channel.right_shift = 1;
    if (!compact_) {
      channel.offset = 2 * output + 1;
    } else {
      channel.start = 4 * (output - from_.output_zero_point);
      channel.multiplier = 1 << 30;
    }
  }

  static int32_t word_of(int32_t low, int32_t high) {
    return static_cast<int32_t>((static_cast<uint32_t>(low) & 0xFFFF) | static_cast<uint32_t>(high) << 16);
  }

  void append_scaling(std::span<const Channel> block, std::vector<int32_t>& words) const {
    uint32_t shifts = 0;
    for (const Channel& channel : block) {
      words.push_back(channel.multiplier);
      if (!compact_) words.insert(words.end(), {channel.offset, channel.right_shift});
      shifts = shifts >> 8 | static_cast<uint32_t>(channel.right_shift) << 24;
    }
    if (compact_) words.push_back(static_cast<int32_t>(shifts));
  }

  // Pair p of a column: taps (0, 2), (1, 3) of each group of 4.
  static size_t first_of_pair(int32_t pair) { return static_cast<size_t>(pair / 2 * 4 + pair % 2); }

  bool append_wide(std::span<const Channel> block, std::vector<int32_t>& words) const {
    for (const Channel& channel : block) words.push_back(channel.start);
    for (int32_t pair = 0; pair < 2 * params_.quads; ++pair)
      for (const Channel& channel : block)
        words.push_back(word_of(channel.taps[first_of_pair(pair)], channel.taps[first_of_pair(pair) + 2]));
    append_scaling(block, words);
    return true;
  }

  bool append(std::span<const Channel> block, std::vector<int32_t>& words) const {
    for (size_t f = 0; f < block.size(); f += 2) {
      words.push_back(block[f].start);
      words.push_back(static_cast<int32_t>(static_cast<uint32_t>(block[f].start) +
                                           256 * static_cast<uint32_t>(block[f + 1].start)));
    }
    for (int32_t pair = 0; pair < 2 * params_.quads; ++pair)
      for (size_t f = 0; f < block.size(); f += 2) {
        const auto half = [&](size_t tap) { return block[f].taps[tap] + 256 * block[f + 1].taps[tap]; };
        const int32_t low = half(first_of_pair(pair)), high = half(first_of_pair(pair) + 2);
        if (std::min(low, high) < -32768) return false;
        words.push_back(word_of(low, high));
      }
    append_scaling(block, words);
    return true;
  }

  bool wide_, compact_;
  device::Conv2DIntegerParams from_{};
  device::Conv2DArmDspParams params_{};
  std::span<const int8_t> weights_, shift_;
  std::span<const int32_t> bias_, multiplier_;
};

// Fitted to the emulator.
int64_t instructions_of(const device::Conv2DArmDspParams& p, Packing packing) {
  const bool wide = packing == Packing::wide, compact = packing == Packing::compact;
  const int64_t quads = p.quads, blocks = (p.output_c + kFilters - 1) / kFilters, runs = p.kernel_h * p.line_runs;
  const int64_t pairs_unrolled = compact ? 4 : 8, loops = (2 * quads + pairs_unrolled - 1) / pairs_unrolled;
  const int64_t finish = compact ? 85 : (wide ? 49 : 61) + (p.rounding ? 8 : 0);
  const int64_t block = 2 * quads * (wide ? 11 : 12) + 3 * loops + finish;
  const int64_t pixels = int64_t{p.batches} * p.output_h * p.output_w;
  const int64_t inner = int64_t{p.batches} * p.inner_rows * (p.inner_columns & ~1), border = pixels - inner;
  const int64_t left = p.run % 4, uneven = left > 0 ? 30 + p.kernel_h * (6 + 9 * left * p.line_runs) : 0;
  return (pixels + 1) / 2 * (blocks * block + 60 + (p.output_c % kFilters > 0 ? 80 : 0)) +
         inner / 2 * (8 * quads + 8 * runs + uneven) + border * (130 + runs * (70 + 12 * left) + 6 * quads);
}

const char* kernel_of(Packing packing) {
  switch (packing) {
    case Packing::int8:
      return "conv2d_s8_arm_dsp";
    case Packing::wide:
      return "conv2d_s8_arm_dsp_wide";
    case Packing::compact:
      return "conv2d_s8_arm_dsp_compact";
  }
  return "";
}

std::optional<KernelCall> packed(const device::Conv2DIntegerParams& from, const KernelCall& portable, Packing packing) {
  const Packer packer(portable, packing);
  std::vector<int32_t> words = packer.pack();
  if (words.empty()) return {};
  const device::Conv2DArmDspParams& params = packer.params();
  KernelCall call = KernelCall::make(kernel_of(packing), params);
  const auto count = static_cast<int64_t>(words.size());
  call.operand(portable.operands[0])
      .operand(Tensor::from<int32_t>({count}, words))
      .operand(ScratchBytes{DType::i32, int64_t{params.quads} * device::kQuadWords * 4})
      .operand(portable.operands[5]);
  call.instructions = instructions_of(params, packing);
  PixelLoop loop = portable_loop(from, DType::i8);
  loop.early = 0, loop.together = 2;  // taps of two pixels are extended before any of their channels is written
  call.overlap = overlap_of(loop, 0, 3);
  return call;
}

}  // namespace

std::optional<KernelCall> conv2d_arm_dsp(const KernelForm& form, const KernelCall& portable) {
  device::Conv2DIntegerParams from;
  std::memcpy(&from, portable.params.data(), sizeof(from));
  if (from.filter_c != from.input_c || !std::holds_alternative<Tensor>(portable.operands[1])) return {};
  const Packing first = form.wide_weights ? Packing::wide : form.compact ? Packing::compact : Packing::int8;
  // Rarely the first one cannot hold the layer: shifts of 0 or to the left, weights of -128.
  for (const Packing packing : {first, Packing::int8, Packing::wide})
    if (auto call = packed(from, portable, packing)) return call;
  return {};
}

}  // namespace thimble::ops
