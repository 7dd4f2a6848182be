#include "data/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace thimble {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 8;

tl::unexpected<Error> damaged(std::string message) {
  return fail(ErrorCode::bad_data, std::move(message), {}, "save the array again with numpy.save");
}

// The text behind 'key': in the header's dictionary, up to the comma or brace that ends it.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == header.npos) return {};
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const size_t end = rest.starts_with('(') ? rest.find(')') + 1 : rest.find_first_of(",}");
  return rest.substr(0, end);
}

Result<Shape> shape_of(std::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')')
    return damaged(fmt::format("shape \"{}\" is not a tuple", text));
  Shape shape;
  for (std::string_view rest = text.substr(1, text.size() - 2); !rest.empty();) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) break;
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), extent);
    if (error != std::errc() || extent < 0 || shape.size() == kMaxRank)
      return damaged(fmt::format("shape \"{}\" is not a list of at most {} extents", text, kMaxRank));
    shape.push_back(extent);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  return shape;
}

struct ElementType {
  std::string_view text;
  DType dtype;
  size_t stored_bytes;
};
constexpr std::array kTypes = {
    ElementType{"<f4", DType::f32, 4}, ElementType{"<f8", DType::f32, 8},     ElementType{"|i1", DType::i8, 1},
    ElementType{"|u1", DType::u8, 1},  ElementType{"<i2", DType::i16, 2},     ElementType{"<i4", DType::i32, 4},
    ElementType{"<i8", DType::i64, 8}, ElementType{"|b1", DType::boolean, 1},
};

}  // namespace

Result<Tensor> read_npy(std::span<const uint8_t> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!file.starts_with(kMagic) || file.size() < 12) return damaged("not a .npy file");
  const auto byte = [&](size_t at) { return static_cast<size_t>(bytes[at]); };
  const bool wide = bytes[6] >= 2;
  size_t length = byte(8) | byte(9) << 8;
  if (wide) length |= byte(10) << 16 | byte(11) << 24;
  const size_t begin = wide ? 12 : 10;
  if (bytes[6] < 1 || bytes[6] > 3 || length > file.size() - begin)
    return damaged(fmt::format("a .npy header of version {} with {} bytes", bytes[6], length));
  const std::string_view header = file.substr(begin, length);
  if (value_of(header, "fortran_order") != "False")
    return fail(ErrorCode::unsupported, "the array is stored in Fortran order", {},
                "save numpy.ascontiguousarray(array)");
  std::string_view text = value_of(header, "descr");
  if (text.size() >= 2) text = text.substr(1, text.size() - 2);  // its quotes
  const auto* type = std::ranges::find(kTypes, text, &ElementType::text);
  if (type == kTypes.end())
    return fail(ErrorCode::unsupported, fmt::format("elements of type \"{}\" are not read", text), {},
                "save array.astype(numpy.float32)");
  THIMBLE_LET(Shape shape, shape_of(value_of(header, "shape")));
  const std::string_view data = file.substr(begin + length);
  size_t stored = type->stored_bytes;
  for (int64_t extent : shape) {
    if (extent > 0 && stored > data.size() / static_cast<size_t>(extent))
      return damaged(fmt::format("{} bytes of data are too few for shape {}", data.size(), to_string(shape)));
    stored *= static_cast<size_t>(extent);
  }
  Tensor tensor = Tensor::zeros(type->dtype, std::move(shape));
  if (text == "<f8") {
    const auto to = tensor.as<float>();
    for (size_t i = 0; i < to.size(); ++i) {
      double value = 0;
      std::memcpy(&value, data.data() + i * sizeof(value), sizeof(value));
      to[i] = static_cast<float>(value);
    }
  } else if (stored > 0) {
    std::memcpy(tensor.bytes.data(), data.data(), stored);
  }
  if (tensor.dtype == DType::boolean)
    for (std::byte& value : tensor.bytes) value = std::byte{value != std::byte{0}};
  return tensor;
}

}  // namespace thimble
