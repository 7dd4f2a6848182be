// Forms of kernels for cores with the DSP instructions, made from the portable kernel's call. Empty where the layer
// does not meet the kernel's conditions (its header names them).
#pragma once
#include <optional>

#include "graph/kernel_call.h"

namespace thimble::ops {

std::optional<KernelCall> conv2d_arm_dsp(const KernelForm& form, const KernelCall& portable);
std::optional<KernelCall> depthwise_arm_dsp(const KernelForm& form, const KernelCall& portable);
std::optional<KernelCall> fully_connected_arm_dsp(const KernelForm& form, const KernelCall& portable);

}  // namespace thimble::ops
