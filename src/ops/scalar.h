// Kernels for cores without vector instructions (Cortex-M0+, M3, RV32), made from calls of the portable ones. A call
// stays where the layer does not meet the kernel's conditions: groups, dilated or multiplied depthwise channels,
// weights that are computed, sums that may not fit, no scratch memory.
#pragma once
#include <vector>

#include "core/result.h"
#include "graph/kernel_call.h"

namespace thimble::ops {

Result<std::vector<KernelCall>> with_scalar(const KernelForm& form, Result<std::vector<KernelCall>> calls);

}  // namespace thimble::ops
