// The registry of operators.
#pragma once
#include <span>
#include <string_view>

#include "graph/op_spec.h"

namespace thimble::ops {

#define THIMBLE_OP(name) const OpSpec& name();
#include "ops/ops.def"
#undef THIMBLE_OP

// All operators, in the order of ops.def.
std::span<const OpSpec* const> all();

// By name, or by TFLite builtin name; null when there is none.
const OpSpec* find(std::string_view name);
const OpSpec* find_tflite(std::string_view builtin);

}  // namespace thimble::ops
