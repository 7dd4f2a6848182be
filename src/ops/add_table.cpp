// The host half of device/kernels/add_table.h: from a call of the portable kernel to one of these.
#include "device/kernels/add_table.h"

#include "device/kernels/binary_quantized.h"
#include "ops/quantized_binary.h"

namespace thimble::ops {

namespace {

using device::AddQuantizedParams;
using device::AddScaledParams;
using device::AddTableParams;

constexpr int32_t kMostRightShift = 22;

// Instructions for each element on a Cortex-M4.
constexpr int64_t kWithTable = 11, kWithoutTable = 22;

// One of the inputs, as the kernel scales it.
struct Scaled {
  int32_t zero_point, multiplier, shift;
  // The reference's factor for the input of the larger scale: one half.
  bool is_half() const { return multiplier == 1 << 30 && shift == 0; }
};

// Of each byte of `other` the double of what it brings, less the steps of the first input's zero point.
Tensor table_of(const AddQuantizedParams& p, const Scaled& other, bool negate, int32_t offset) {
  std::vector<int32_t> table(256);
  for (int32_t byte = 0; byte < 256; ++byte) {
    const int32_t value = (static_cast<int8_t>(byte) - other.zero_point) * (1 << p.left_shift);
    const int32_t scaled = device::requantize(value, other.multiplier, other.shift);
    table[static_cast<size_t>(byte)] = 2 * (negate ? -scaled : scaled) - offset;
  }
  return Tensor::from<int32_t>({256}, table);
}

}  // namespace

std::optional<KernelCall> flat_sum(const KernelForm& form, const KernelCall& portable) {
  AddQuantizedParams p{};
  std::memcpy(&p, portable.params.data(), sizeof(p));
  const bool flat = p.extent_1 == 1 && p.extent_2 == 1 && p.extent_3 == 1 && p.extent_4 == 1 && p.extent_5 == 1 &&
                    p.a_repeats == 0 && p.b_repeats == 0;
  const Scaled a{p.a_zero_point, p.a_multiplier, p.a_shift}, b{p.b_zero_point, p.b_multiplier, p.b_shift};
  const bool swapped = !a.is_half();
  const Scaled &x = swapped ? b : a, &other = swapped ? a : b;
  const int32_t right_shift = p.output_multiplier == 0 ? 1 : -p.output_shift;
  const bool other_fits = other.multiplier == 0 || other.is_half() || other.shift < 0;
  if (!flat || !x.is_half() || !other_fits || right_shift < 1 || right_shift > kMostRightShift) return {};
  const bool negate = p.subtract && !swapped;
  const int32_t unit = 1 << p.left_shift, step = p.subtract && swapped ? -unit : unit;
  const bool cut = p.activation_min == p.output_zero_point || p.output_zero_point == -128;
  KernelCall call;
  if (form.wide_weights) {
    call = KernelCall::make("add_table_s8", AddTableParams{p.extent_0, step, p.output_multiplier, right_shift, !cut,
                                                           p.output_zero_point, p.activation_min, p.activation_max});
  } else {
    // One half of a value is a right shift of its double.
    const bool half = other.shift >= 0;
    call = KernelCall::make(
        "add_scaled_s8",
        AddScaledParams{p.extent_0, step, -step * x.zero_point, other.zero_point, half ? 4 * unit : 2 * unit,
                        other.multiplier, half ? 1 : -other.shift, negate ? -2 : 2, p.output_multiplier, right_shift,
                        p.output_zero_point, p.activation_min, p.activation_max});
  }
  call.operand(portable.operands[swapped ? 1 : 0]).operand(portable.operands[swapped ? 0 : 1]);
  if (form.wide_weights) call.operand(table_of(p, other, negate, step * x.zero_point));
  call.operand(portable.operands[2]);
  call.overlap = Overlap{.input = size_t{swapped ? 1u : 0u}, .output = call.operands.size() - 1};
  call.instructions = p.extent_0 * (form.wide_weights ? kWithTable : kWithoutTable);
  return call;
}

}  // namespace thimble::ops
