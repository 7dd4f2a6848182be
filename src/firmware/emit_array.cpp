#include "firmware/emit_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace thimble {

namespace {

constexpr size_t kLineColumns = 116;

std::string integer_text(int64_t value) {
  // The most negative numbers have no literal of their own in C++.
  if (value == INT32_MIN) return "INT32_MIN";
  if (value == INT64_MIN) return "INT64_MIN";
  return std::to_string(value);
}

// Hexadecimal, so that no bit is lost.
std::string real_text(float value) {
  const char* sign = std::signbit(value) ? "-" : "";
  if (std::isnan(value)) return "__builtin_nanf(\"\")";
  if (std::isinf(value)) return fmt::format("{}__builtin_inff()", sign);
  return fmt::format("{:a}f", value);
}

template <class T>
std::string numbers_text(std::span<const uint8_t> bytes) {
  std::string text;
  size_t column = 0;
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    std::string number;
    if constexpr (std::is_same_v<T, float>)
      number = real_text(value);
    else
      number = integer_text(value);
    if (at > 0) text += ',';
    if (column + number.size() + 1 > kLineColumns) {
      text += "\n    ";
      column = 4;
    }
    text += number;
    column += number.size() + 1;
  }
  return text;
}

std::string numbers_text(DType dtype, std::span<const uint8_t> bytes) {
  switch (dtype) {
    case DType::f32:
      return numbers_text<float>(bytes);
    case DType::i8:
      return numbers_text<int8_t>(bytes);
    case DType::i16:
      return numbers_text<int16_t>(bytes);
    case DType::i32:
      return numbers_text<int32_t>(bytes);
    case DType::i64:
      return numbers_text<int64_t>(bytes);
    case DType::u8:
    case DType::boolean:
      return numbers_text<uint8_t>(bytes);
  }
  return {};
}

}  // namespace

std::string_view c_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float";
    case DType::i8:
      return "int8_t";
    case DType::u8:
      return "uint8_t";
    case DType::i16:
      return "int16_t";
    case DType::i32:
      return "int32_t";
    case DType::i64:
      return "int64_t";
    case DType::boolean:
      return "uint8_t";
  }
  return "uint8_t";
}

std::string array_text(std::string_view name, DType dtype, std::span<const uint8_t> bytes) {
  // Word alignment always; 16 where a vector load may want it and padding weighs little.
  const size_t alignment = bytes.size() >= 64 ? 16 : std::max<size_t>(4, size_of(dtype));
  return fmt::format("alignas({}) const {} {}[{}] = {{\n    {}}};\n", alignment, c_type(dtype), name,
                     bytes.size() / size_of(dtype), numbers_text(dtype, bytes));
}

}  // namespace thimble
