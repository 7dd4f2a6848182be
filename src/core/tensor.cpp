#include "core/tensor.h"

#include <fmt/format.h>

#include <array>

namespace thimble {

namespace {
struct DTypeInfo {
  size_t bytes;
  std::string_view name;
};
constexpr std::array<DTypeInfo, 7> kDTypes = {
    {{4, "float32"}, {1, "int8"}, {1, "uint8"}, {2, "int16"}, {4, "int32"}, {8, "int64"}, {1, "bool"}}};
}  // namespace

size_t size_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }
std::string_view name_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

Tensor Tensor::zeros(DType dtype, Shape shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.bytes.resize(static_cast<size_t>(tensor.size()) * size_of(dtype));
  return tensor;
}

}  // namespace thimble
