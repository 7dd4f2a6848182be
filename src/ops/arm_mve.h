// Kernels for cores with MVE (Cortex-M55, M85), made from calls of the portable ones. A call stays where the layer does
// not meet the kernel's conditions: groups, dilation, weights that are computed, multipliers of 1 and more.
#pragma once
#include <vector>

#include "core/result.h"
#include "graph/kernel_call.h"

namespace thimble::ops {

Result<std::vector<KernelCall>> with_arm_mve(Result<std::vector<KernelCall>> calls);

}  // namespace thimble::ops
