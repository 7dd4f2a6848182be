// The host half of device/kernels/fully_connected_arm_dsp.h: the packing of weights, and whether they fit.
#include "device/kernels/fully_connected_arm_dsp.h"

#include <algorithm>

#include "device/kernels/fully_connected.h"
#include "ops/arm_dsp.h"

namespace thimble::ops {

namespace {

using device::FullyConnectedArmDspParams;
using device::FullyConnectedIntegerParams;

// A portable call's constants.
struct Layer {
  FullyConnectedIntegerParams params{};
  std::span<const int8_t> weights;
  std::span<const int32_t> bias, multiplier;
  std::span<const int8_t> shift;
  explicit Layer(const KernelCall& call)
      : weights(std::get<Tensor>(call.operands[1]).as<int8_t>()),
        bias(std::get<Tensor>(call.operands[2]).as<int32_t>()),
        multiplier(std::get<Tensor>(call.operands[3]).as<int32_t>()),
        shift(std::get<Tensor>(call.operands[4]).as<int8_t>()) {
    std::memcpy(&params, call.params.data(), sizeof(params));
  }
  int64_t weight(int64_t output, int64_t input) const {
    return input < params.inputs ? weights[static_cast<size_t>(output * params.inputs + input)] : 0;
  }
  int64_t bias_of(int64_t output) const { return bias[static_cast<size_t>(output)]; }
  // No sum of this output is larger.
  int64_t largest_sum(int64_t output) const {
    int64_t sum = std::abs(bias_of(output));
    for (int64_t i = 0; i < params.inputs; ++i) sum += 128 * std::abs(weight(output, i));
    return sum;
  }
};

// Two outputs' weights in a half word, weights as int16, or each output's by themselves.
enum class Packing { narrow, wide, separate };

bool fits(const Layer& layer, Packing packing) {
  const FullyConnectedIntegerParams& p = layer.params;
  if (p.activation_min != -128 || p.activation_max != 127) return false;
  for (int64_t o = 0; o < p.outputs; ++o) {
    const auto at = static_cast<size_t>(o);
    if (layer.shift[at] >= 0 && layer.multiplier[at] != 0) return false;
    const bool above =
        packing == Packing::narrow && o % 2 == 0 && o < p.outputs / 4 * 4;  // shares words, in the upper byte
    if (layer.largest_sum(o) >= int64_t{1} << (above ? 23 : 30)) return false;
    for (int64_t i = 0; above && i < p.inputs; ++i)
      if (layer.weight(o, i) == -128 && layer.weight(o + 1, i) < 0) return false;
  }
  return true;
}

// Four weights of one output.
int32_t bytes_of(const Layer& layer, int64_t output, int64_t input) {
  uint32_t word = 0;
  for (int64_t k = 0; k < 4; ++k) word |= uint32_t{static_cast<uint8_t>(layer.weight(output, input + k))} << (8 * k);
  return static_cast<int32_t>(word);
}

int32_t halves(int64_t low, int64_t high) {
  return static_cast<int32_t>(static_cast<uint16_t>(low) | static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16);
}

void pack_words(const Layer& layer, int64_t o, int64_t i, Packing packing, std::vector<int32_t>& words) {
  if (packing == Packing::separate) {
    for (int64_t output = o; output < o + 4; ++output) words.push_back(bytes_of(layer, output, i));
    return;
  }
  const bool wide = packing == Packing::wide;
  const auto value = [&](int64_t output, int64_t input) {
    return wide ? 2 * layer.weight(output, input) : 256 * layer.weight(output, input) + layer.weight(output + 1, input);
  };
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t output = o; output < o + 4; output += wide ? 1 : 2)
      words.push_back(halves(value(output, i + half), value(output, i + half + 2)));
}

void pack_group(const Layer& layer, int64_t o, Packing packing, std::vector<int32_t>& words) {
  for (int64_t i = 0; i < 4; ++i) {
    int64_t start = layer.bias_of(o + i);
    if (packing == Packing::wide) start *= 2;
    if (packing == Packing::narrow && i % 2 == 0) start = 256 * start + layer.bias_of(o + i + 1);
    words.push_back(static_cast<int32_t>(static_cast<uint32_t>(start)));
  }
  for (int64_t i = 0; i < layer.params.inputs; i += 4) pack_words(layer, o, i, packing, words);
}

Tensor pack(const Layer& layer, Packing packing) {
  const FullyConnectedIntegerParams& p = layer.params;
  std::vector<int32_t> words;
  int64_t o = 0;
  for (; o + 4 <= p.outputs; o += 4) pack_group(layer, o, packing, words);
  for (; o < p.outputs; ++o) {
    words.push_back(layer.bias[static_cast<size_t>(o)]);
    for (int64_t i = 0; i < p.inputs; i += 4) words.push_back(bytes_of(layer, o, i));
  }
  return Tensor::from<int32_t>({static_cast<int64_t>(words.size())}, words);
}

// Pairs of multiplier and right shift: of four outputs where all have the same, else of all.
Tensor scaling_of(const Layer& layer) {
  std::vector<int32_t> pairs;
  for (size_t o = 0; o < layer.shift.size(); ++o) {
    pairs.push_back(layer.multiplier[o]);
    pairs.push_back(layer.multiplier[o] == 0 ? 1 : -layer.shift[o]);
  }
  bool same = true;
  for (size_t i = 2; i < pairs.size(); ++i) same = same && pairs[i] == pairs[i - 2];
  if (same) {
    pairs.resize(8);
    for (size_t i = 2; i < 8; ++i) pairs[i] = pairs[i - 2];
  }
  return Tensor::from<int32_t>({static_cast<int64_t>(pairs.size())}, pairs);
}

int64_t instructions_of(const FullyConnectedIntegerParams& p, Packing packing) {
  const bool wide = packing == Packing::wide;
  const int64_t block = wide                         ? 13
                        : packing == Packing::narrow ? 16
                                                     : 21,
                blocks_16 = p.inputs / 16, blocks_4 = (p.inputs + 3) / 4 - 4 * blocks_16;
  const int64_t group = (wide ? 48 : 54) + blocks_16 * (4 * block + 2) + blocks_4 * (block + 2);
  return p.rows * (60 + p.outputs / 4 * group + p.outputs % 4 * (30 + 5 * int64_t{p.inputs}));
}

}  // namespace

std::optional<KernelCall> fully_connected_arm_dsp(const KernelForm& form, const KernelCall& portable) {
  const Layer layer(portable);
  Packing packing = form.wide_weights ? Packing::wide : Packing::narrow;
  if (packing == Packing::narrow && !fits(layer, packing)) packing = Packing::separate;
  if (!fits(layer, packing)) return {};
  const FullyConnectedIntegerParams& p = layer.params;
  Tensor scaling = scaling_of(layer);
  auto call = KernelCall::make(fmt::format("fully_connected_s8_arm_dsp{}", packing == Packing::wide       ? "_wide"
                                                                           : packing == Packing::separate ? "_long"
                                                                                                          : ""),
                               FullyConnectedArmDspParams{p.rows, p.inputs, p.outputs,
                                                          scaling.size() != 8 || p.outputs == 4, p.output_zero_point});
  call.operand(portable.operands[0]).operand(pack(layer, packing)).operand(std::move(scaling));
  call.operand(portable.operands[5]);
  call.instructions = instructions_of(p, packing);
  return call;
}

}  // namespace thimble::ops
