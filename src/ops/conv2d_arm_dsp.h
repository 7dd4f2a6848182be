// Convolution on cores with the DSP extension: from a call of the portable kernel to one of conv2d_arm_dsp.
#pragma once
#include <optional>

#include "graph/kernel_call.h"

namespace thimble::ops {

// portable: a call of conv2d_s8. Nothing where the layer is beyond the kernel: groups, weights that are computed, sums
// that may overflow where the kernel scales them, a rounding that it does not have.
std::optional<KernelCall> conv2d_arm_dsp(const KernelCall& portable, bool wide_weights);

}  // namespace thimble::ops
