// One call of a device kernel (device/kernels, device/dsp) with everything known: constant parameters and typed
// operands. Operators and signal blocks lower to these; the plan places them in memory; the host runs them, a bundle
// stores them and the emitter writes them as C++. So one description has one meaning in all four.
#pragma once
#include <cstdint>
#include <optional>
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

// Bytes within the memory of a value: rows of it, where a plan makes it in bands.
struct ValuePart {
  ValueId value = kNoValue;
  int64_t offset = 0, bytes = 0;
};

// A value of the graph (input or output), constant data made for this call, scratch memory that lives during it, or,
// in plans only, a part of a value.
using Operand = std::variant<ValueId, Tensor, ScratchBytes, ValuePart>;

// Which kernels a lowering may choose from, and what they may spend.
struct KernelForm {
  // The core's instructions: "portable" (the reference kernels only), "scalar" (blocks for cores without vector
  // instructions), "arm_dsp" (Cortex-M4, M7, M33), "arm_mve" (Cortex-M55, M85).
  std::string_view isa = "portable";
  bool wide_weights = false;  // int8 weights may be stored as int16: twice the flash, fewer instructions
  bool compact = false;       // fewer bytes of flash come before fewer instructions
  bool scratch = true;        // may use scratch memory that a slower kernel does without
  bool operator==(const KernelForm&) const = default;
};

// What a call allows of its arena operands `input` and `output` (indices of operands), by the order in which the kernel
// reads and writes. Without it they share no byte.
struct Overlap {
  size_t input = 0, output = 0;
  // The output may begin this many bytes (0 or more) before the input, or anywhere further below; at the same place
  // where it is 0.
  int64_t distance = 0;
  bool exact = false;  // only at the same place (distance is 0)
};

struct KernelCall {
  std::string kernel;             // as in device/kernels/kernels.def: "conv2d_s8"
  std::vector<int32_t> params;    // the kernel's parameter struct, in declaration order
  std::string_view param_names;   // "input_h, input_w, ..."
  std::vector<Operand> operands;  // in the kernel's argument order
  std::string layer;              // the node's name
  std::optional<Overlap> overlap;
  int64_t instructions = 0;  // estimated, on the core the kernel is written for; 0 where nobody has looked

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
