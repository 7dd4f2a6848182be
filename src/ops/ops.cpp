#include "ops/ops.h"

#include <vector>

namespace thimble::ops {

std::span<const OpSpec* const> all() {
  static const std::vector<const OpSpec*> list = {
#define THIMBLE_OP(name) &name(),
#include "ops/ops.def"
#undef THIMBLE_OP
  };
  return list;
}

const OpSpec* find(std::string_view name) {
  for (const OpSpec* op : all())
    if (op->name == name) return op;
  return nullptr;
}

const OpSpec* find_tflite(std::string_view builtin) {
  for (const OpSpec* op : all())
    if (op->tflite && op->tflite->builtin == builtin) return op;
  return nullptr;
}

}  // namespace thimble::ops
