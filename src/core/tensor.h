// An owned, dense, row-major block of numbers with a type and a shape. Layout is NHWC for images and sounds,
// [out, kh, kw, in] for convolution weights, [1, kh, kw, out] for depthwise weights, [out, in] for fully connected.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thimble {

enum class DType : uint8_t { f32, i8, u8, i16, i32, i64, boolean };

size_t size_of(DType dtype);
std::string_view name_of(DType dtype);  // "float32", "int8", ...

using Shape = std::vector<int64_t>;

int64_t element_count(const Shape& shape);  // 1 for a scalar (empty shape)
std::string to_string(const Shape& shape);  // "[1,49,10,1]"

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, int16_t>)
    return DType::i16;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else {
    static_assert(std::is_same_v<T, int64_t>, "not a tensor type");
    return DType::i64;
  }
}

struct Tensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;

  static Tensor zeros(DType dtype, Shape shape);
  template <class T>
  static Tensor from(Shape shape, std::span<const T> values) {
    Tensor tensor{dtype_of<T>(), std::move(shape), std::vector<std::byte>(values.size_bytes())};
    if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
    return tensor;
  }
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values) {
    return from<T>(std::move(shape), std::span<const T>(values));
  }

  int64_t size() const { return element_count(shape); }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

}  // namespace thimble
