#include "ops/sigmoid_table.h"

#include <cmath>

#include "device/base/sigmoid_s16.h"

namespace thimble::ops {

Tensor sigmoid_table() {
  Tensor table = Tensor::zeros(DType::i16, {device::kSigmoidTablePoints});
  for (int i = 0; i < device::kSigmoidTablePoints; ++i) {
    constexpr double kStep = 1.0 / 24;
    const double s = 1 / (1 + std::exp(-i * kStep));
    const double second_difference = s * (1 - s) * (1 - 2 * s) * kStep * kStep;
    const double value = std::floor(65536 * (s - second_difference / 16) + 0.5);
    // The last point meets the constant behind it.
    table.as<int16_t>()[static_cast<size_t>(i)] =
        static_cast<int16_t>(i + 1 < device::kSigmoidTablePoints ? static_cast<uint16_t>(value) : 0xFFFF);
  }
  return table;
}

SigmoidSteps sigmoid_steps_of_power(int log2_scale) {
  const int left = 12 + log2_scale;
  return left < 0 ? SigmoidSteps{3, -left} : SigmoidSteps{3 << left, 0};
}

std::optional<SigmoidSteps> sigmoid_steps_of_scale(double scale, int most_left) {
  const PowerOfTwo power = nearest_power_of_two(scale);
  const int left = 12 + power.log2;
  if (power.exact && left >= 0 && left <= most_left) return sigmoid_steps_of_power(power.log2);
  double multiplier = scale * 4096.0 * 3.0;
  SigmoidSteps steps;
  for (; multiplier <= 32767.0 / 2.0 && steps.right_shift <= 30; ++steps.right_shift) multiplier *= 2;
  if (!(multiplier < 32768)) return std::nullopt;
  steps.multiplier = static_cast<int32_t>(multiplier);
  return steps;
}

PowerOfTwo nearest_power_of_two(double number) {
  const double exponent = std::log2(number), rounded = std::round(exponent);
  return {static_cast<int>(rounded), std::abs(exponent - rounded) < 1e-3};
}

}  // namespace thimble::ops
