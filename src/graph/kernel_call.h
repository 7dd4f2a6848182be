// One call of a device kernel (device/kernels, device/dsp) with everything known: constant parameters and typed
// operands. Operators and signal blocks lower to these; the plan places them in memory; the host runs them, a bundle
// stores them and the emitter writes them as C++. So one description has one meaning in all four.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/graph.h"

namespace thimble {

struct ScratchBytes {
  DType dtype = DType::i8;  // what the kernel's pointer points at
  int64_t bytes = 0;
};

// A value of the graph (input or output), constant data made for this call, or scratch memory that lives during it.
using Operand = std::variant<ValueId, Tensor, ScratchBytes>;

struct KernelCall {
  std::string kernel;             // as in device/kernels/kernels.def: "conv2d_s8"
  std::vector<int32_t> params;    // the kernel's parameter struct, in declaration order
  std::string_view param_names;   // "input_h, input_w, ..."
  std::vector<Operand> operands;  // in the kernel's argument order
  std::string layer;              // the node's name

  template <class Params>
  static KernelCall make(std::string kernel, const Params& values) {
    KernelCall call;
    call.kernel = std::move(kernel);
    call.params.resize(sizeof(Params) / sizeof(int32_t));
    std::memcpy(call.params.data(), &values, sizeof(Params));
    call.param_names = Params::names();
    return call;
  }
  KernelCall& operand(Operand value) {
    operands.push_back(std::move(value));
    return *this;
  }
};

}  // namespace thimble
