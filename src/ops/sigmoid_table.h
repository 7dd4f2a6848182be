// The constants of device/base/sigmoid_s16.h.
#pragma once
#include <optional>

#include "core/tensor.h"

namespace thimble::ops {

// Each point lies 1/16 of the second difference off the curve, so that straight lines between them err on both sides
// alike; equal to TensorFlow Lite's table.
Tensor sigmoid_table();

// For numbers of a scale that is 2^log2_scale: multiplier and right shift of device::sigmoid_steps() as TensorFlow Lite
// Micro chooses them in its LSTM. log2_scale in [-27, 2].
struct SigmoidSteps {
  int32_t multiplier = 0;
  int32_t right_shift = 0;
};
SigmoidSteps sigmoid_steps_of_power(int log2_scale);

// For numbers of any scale, as it chooses them in its operators of their own: LOGISTIC takes powers of two as they are
// where most_left is 0 and the scale 2^-12, TANH with most_left 1 also where it is 2^-11. Empty for scales too large.
std::optional<SigmoidSteps> sigmoid_steps_of_scale(double scale, int most_left);

// The nearest power of two, and whether the number is one (within 0.001 of the exponent).
struct PowerOfTwo {
  int log2 = 0;
  bool exact = false;
};
PowerOfTwo nearest_power_of_two(double number);

}  // namespace thimble::ops
