// The host's table of all device kernels, made from device/kernels/kernels.def: what a plan, a bundle and an emitter
// need to know of a kernel beyond its call, and how to run one call natively.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "core/result.h"
#include "device/runtime/invoke.h"
#include "graph/kernel_call.h"

namespace thimble {

struct KernelInfo {
  std::string_view name;      // the function in namespace thimble::device
  std::string_view header;    // "device/kernels/conv2d.h"
  int params = 0;             // int32 fields of its parameter struct
  device::KernelEntry entry;  // id, operand count, invoke
};

// All kernels, in the order of kernels.def.
std::span<const KernelInfo> all_kernels();

// Null when there is none.
const KernelInfo* find_kernel(std::string_view name);
const KernelInfo* find_kernel(uint16_t id);

// Runs a call on this machine; operands[i] is the memory of call.operands[i], aligned and sized as the kernel promises.
// Errors: internal when the kernel does not exist or the counts of parameters or operands are not the kernel's.
Outcome run_kernel(const KernelCall& call, std::span<void* const> operands);

}  // namespace thimble
