#include "graph/kernel_table.h"

#include "device/dsp/log_mel.h"
#include "device/dsp/mfcc.h"
#include "device/dsp/raw.h"
#include "device/kernels/activation.h"
#include "device/kernels/add_n.h"
#include "device/kernels/add_table.h"
#include "device/kernels/arg.h"
#include "device/kernels/batch_matmul.h"
#include "device/kernels/binary_f32.h"
#include "device/kernels/binary_integer.h"
#include "device/kernels/binary_quantized.h"
#include "device/kernels/compare.h"
#include "device/kernels/conv2d.h"
#include "device/kernels/conv2d_arm_dsp.h"
#include "device/kernels/conv2d_arm_mve.h"
#include "device/kernels/conv2d_scalar.h"
#include "device/kernels/convert.h"
#include "device/kernels/copy.h"
#include "device/kernels/cumsum.h"
#include "device/kernels/depthwise_any_arm_mve.h"
#include "device/kernels/depthwise_column_arm_dsp.h"
#include "device/kernels/depthwise_conv2d.h"
#include "device/kernels/depthwise_conv2d_arm_dsp.h"
#include "device/kernels/depthwise_conv2d_arm_mve.h"
#include "device/kernels/depthwise_conv2d_scalar.h"
#include "device/kernels/elementwise_arm_mve.h"
#include "device/kernels/fully_connected.h"
#include "device/kernels/fully_connected_arm_dsp.h"
#include "device/kernels/fully_connected_scalar.h"
#include "device/kernels/gather.h"
#include "device/kernels/l2_normalization.h"
#include "device/kernels/linear_arm_mve.h"
#include "device/kernels/lstm.h"
#include "device/kernels/one_hot.h"
#include "device/kernels/pool2d.h"
#include "device/kernels/pool2d_arm_dsp.h"
#include "device/kernels/recurrent.h"
#include "device/kernels/reduce.h"
#include "device/kernels/resize.h"
#include "device/kernels/softmax.h"
#include "device/kernels/strided_copy.h"
#include "device/kernels/svdf.h"
#include "device/kernels/transpose_conv.h"
#include "device/kernels/unary_f32.h"
#include "device/kernels/unary_s16.h"

namespace thimble {

namespace {

template <auto kernel>
constexpr int param_count() {
  return static_cast<int>(sizeof(device::ParamsOf<kernel>) / sizeof(int32_t));
}

constexpr KernelInfo kKernels[] = {
#define THIMBLE_KERNEL(id, function, header) \
  {#function, header, param_count<&device::function>(), device::kernel_entry<&device::function>(id)},
#include "device/kernels/kernels.def"
#undef THIMBLE_KERNEL
};

}  // namespace

std::span<const KernelInfo> all_kernels() { return kKernels; }

const KernelInfo* find_kernel(std::string_view name) {
  for (const KernelInfo& kernel : kKernels)
    if (kernel.name == name) return &kernel;
  return nullptr;
}

const KernelInfo* find_kernel(uint16_t id) {
  for (const KernelInfo& kernel : kKernels)
    if (kernel.entry.id == id) return &kernel;
  return nullptr;
}

Outcome run_kernel(const KernelCall& call, std::span<void* const> operands) {
  const KernelInfo* kernel = find_kernel(call.kernel);
  if (!kernel) return fail(ErrorCode::internal, fmt::format("there is no kernel {}", call.kernel), call.layer);
  if (static_cast<int>(call.params.size()) != kernel->params || operands.size() != kernel->entry.operands)
    return fail(ErrorCode::internal,
                fmt::format("{} takes {} parameters and {} operands, found {} and {}", call.kernel, kernel->params,
                            kernel->entry.operands, call.params.size(), operands.size()),
                call.layer);
  kernel->entry.invoke(call.params.data(), operands.data());
  return {};
}

}  // namespace thimble
