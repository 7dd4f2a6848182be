// TensorProto to Tensor: raw bytes, or the typed fields that older exporters fill.
#include <flatbuffers/util.h>

#include <bit>

#include "formats/onnx/importer.h"

namespace thimble::onnx_import {

using ::onnx::TensorProto;

std::string clean_name(std::string_view name) {
  constexpr size_t kMost = 256;
  std::string stored(name.substr(0, kMost)), text;
  for (const char* at = stored.c_str(); *at;) {
    const char* next = at;
    const int code = flatbuffers::FromUTF8(&next);
    if (code < 0x20 || code == 0x7F) {
      text += '?';
      ++at;
    } else {
      text.append(at, next);
      at = next;
    }
  }
  return text;
}

Result<DType> dtype_of_onnx(int type) {
  switch (type) {
    case TensorProto::FLOAT:
      return DType::f32;
    case TensorProto::UINT8:
      return DType::u8;
    case TensorProto::INT8:
      return DType::i8;
    case TensorProto::INT16:
      return DType::i16;
    case TensorProto::INT32:
      return DType::i32;
    case TensorProto::INT64:
      return DType::i64;
    case TensorProto::BOOL:
      return DType::boolean;
    default:
      break;
  }
  const std::string name = TensorProto::DataType_IsValid(type)
                               ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))
                               : fmt::format("number {}", type);
  return refuse(fmt::format("element type {} is not supported", name),
                "export the model with float32, or quantised to int8 or uint8");
}

namespace {

Result<Shape> read_shape(const TensorProto& proto) {
  if (proto.dims_size() > static_cast<int>(kMaxRank))
    return refuse(fmt::format("a tensor with {} axes; at most {} are supported", proto.dims_size(), kMaxRank));
  Shape shape(proto.dims().begin(), proto.dims().end());
  if (!elements_within(shape, kMaxElements))
    return damaged(fmt::format("a tensor {}: an extent is negative, or they are too large together", to_string(shape)));
  return shape;
}

template <class T, class Field>
Result<Tensor> from_field(const Shape& shape, const Field& field) {
  if (field.size() != element_count(shape))
    return damaged(fmt::format("a tensor {} holds {} elements", to_string(shape), field.size()));
  std::vector<T> values;
  values.reserve(static_cast<size_t>(field.size()));
  for (auto value : field) values.push_back(static_cast<T>(value));
  return Tensor::from(shape, values);
}

Result<Tensor> from_raw(DType dtype, const Shape& shape, const std::string& raw) {
  const size_t expected = static_cast<size_t>(element_count(shape)) * size_of(dtype);
  if (raw.size() != expected)
    return damaged(fmt::format("a tensor {} {} holds {} bytes, expected {}", name_of(dtype), to_string(shape),
                               raw.size(), expected));
  Tensor tensor{dtype, shape, std::vector<std::byte>(expected)};
  if (expected > 0) std::memcpy(tensor.bytes.data(), raw.data(), expected);
  return tensor;
}

// Some exporters keep scalars in double.
Result<Tensor> from_double(const TensorProto& proto, const Shape& shape) {
  if (!proto.has_raw_data()) return from_field<float>(shape, proto.double_data());
  const size_t count = static_cast<size_t>(element_count(shape));
  if (proto.raw_data().size() != count * sizeof(double))
    return damaged(fmt::format("a tensor float64 {} holds {} bytes", to_string(shape), proto.raw_data().size()));
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    double value = 0;
    std::memcpy(&value, proto.raw_data().data() + i * sizeof(double), sizeof(double));
    values[i] = static_cast<float>(value);
  }
  return Tensor::from(shape, values);
}

}  // namespace

Result<Tensor> read_tensor(const TensorProto& proto) {
  if (proto.data_location() == TensorProto::EXTERNAL)
    return refuse("its data lies in another file (external data)",
                  "save the model as one file: onnx.save(onnx.load(path), path, save_as_external_data=False)");
  if (proto.has_segment()) return refuse("its data is stored in segments", "save the model with whole tensors");
  THIMBLE_LET(const Shape shape, read_shape(proto));
  if (proto.data_type() == TensorProto::DOUBLE) return from_double(proto, shape);
  THIMBLE_LET(const DType dtype, dtype_of_onnx(proto.data_type()));
  if (proto.has_raw_data()) return from_raw(dtype, shape, proto.raw_data());
  switch (dtype) {
    case DType::f32:
      return from_field<float>(shape, proto.float_data());
    case DType::i64:
      return from_field<int64_t>(shape, proto.int64_data());
    case DType::i32:
      return from_field<int32_t>(shape, proto.int32_data());
    case DType::i16:
      return from_field<int16_t>(shape, proto.int32_data());
    case DType::i8:
      return from_field<int8_t>(shape, proto.int32_data());
    case DType::u8:
      return from_field<uint8_t>(shape, proto.int32_data());
    case DType::boolean: {
      THIMBLE_LET(Tensor bytes, from_field<uint8_t>(shape, proto.int32_data()));
      for (std::byte& byte : bytes.bytes) byte = byte == std::byte{0} ? byte : std::byte{1};
      bytes.dtype = DType::boolean;
      return bytes;
    }
  }
  return damaged("a tensor of no type");
}

}  // namespace thimble::onnx_import
