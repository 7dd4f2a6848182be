// Tensors of a .tflite file as values of a graph: types, quantisation, constant data.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/tflite/source.h"

namespace thimble::tflite {

namespace {

constexpr int64_t kMaxTensorBytes = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxRank = 8;

Result<Shape> read_shape(const Tensor& stored, int64_t element_bytes, const std::string& where) {
  if (length(stored.shape()) > kMaxRank)
    return damaged(fmt::format("shape with {} extents, at most {} are possible", length(stored.shape()), kMaxRank),
                   where);
  Shape shape;
  for (size_t i = 0; i < length(stored.shape()); ++i) {
    const int64_t extent = at(stored.shape(), i);
    if (extent < 0) return damaged(fmt::format("shape with a negative extent {}", extent), where);
    if (extent > 0 && element_bytes > kMaxTensorBytes / extent)
      return damaged(fmt::format("shape of more than {} bytes", kMaxTensorBytes), where);
    element_bytes *= std::max<int64_t>(extent, 1);  // strides of an empty tensor are products too
    shape.push_back(extent);
  }
  return shape;
}

Result<DType> read_dtype(TensorType type, const std::string& where) {
  if (type == TensorType_INT4) return DType::i8;
  const auto known = std::ranges::find(kTypes, type, &std::pair<TensorType, DType>::first);
  if (known != kTypes.end()) return known->second;
  return fail(ErrorCode::unsupported,
              fmt::format("element type {} is not supported where it stands", EnumNameTensorType(type)), where,
              std::string(kConvertHint));
}

// Whole numbers that count or index also come with a scale of 0, which means none.
bool scale_has_meaning(DType dtype) { return dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i16; }

Result<Quantization> read_quantization(const Tensor& stored, const ValueType& type, const std::string& where) {
  Quantization result;
  const auto* q = stored.quantization();
  if (!q || type.dtype == DType::f32) return result;
  if (q->details_type() != QuantizationDetails_NONE)
    return fail(ErrorCode::unsupported, "quantisation of a kind other than scale and zero point", where,
                std::string(kConvertHint));
  const size_t count = length(q->scale());
  if (count == 0) return result;
  if (length(q->zero_point()) != count && length(q->zero_point()) != 1)
    return damaged(fmt::format("{} scales but {} zero points", count, length(q->zero_point())), where);
  result.axis = count > 1 ? q->quantized_dimension() : 0;
  if (count > 1 && (result.axis < 0 || result.axis >= static_cast<int>(type.shape.size()) ||
                    type.shape[static_cast<size_t>(result.axis)] != static_cast<int64_t>(count)))
    return damaged(fmt::format("{} scales for axis {} of shape {}", count, result.axis, to_string(type.shape)), where);
  for (size_t i = 0; i < count; ++i) {
    const float scale = at(q->scale(), i);
    const int64_t zero_point = element(*q->zero_point(), q->zero_point()->size() == 1 ? 0 : i);
    const bool usable = std::isfinite(scale) && scale > 0;
    if (!usable && !scale_has_meaning(type.dtype)) return Quantization{};
    if (!usable) return damaged(fmt::format("quantisation scale {}, expected a positive number", scale), where);
    if (zero_point < std::numeric_limits<int32_t>::min() || zero_point > std::numeric_limits<int32_t>::max())
      return damaged(fmt::format("zero point {} is outside int32", zero_point), where);
    result.scale.push_back(scale);
    result.zero_point.push_back(static_cast<int32_t>(zero_point));
  }
  return result;
}

// The stored bytes of a constant with `bits` per element. Errors: bad_data when there are too few or too many.
Result<std::span<const uint8_t>> constant_bytes(const Source& source, const Tensor& stored, const Shape& shape,
                                                size_t bits, const std::string& where) {
  if (stored.buffer() >= length(source.model.buffers()))
    return damaged(fmt::format("names buffer {} of {}", stored.buffer(), length(source.model.buffers())), where);
  const auto* buffer = at(source.model.buffers(), stored.buffer());
  if (buffer->offset() > 1)  // 0 and 1 stand for "none"
    return fail(ErrorCode::unsupported, "data outside the flatbuffer (the form for models above 2 GB)", where,
                "export the model as one file below 2 GB");
  const size_t expected = (static_cast<size_t>(element_count(shape)) * bits + 7) / 8;
  if (length(buffer->data()) == 0 && expected > 0) return damaged("has no data, and no operator computes it", where);
  if (stored.sparsity())
    return fail(ErrorCode::unsupported, "sparse weights are not supported", where,
                "export the model with dense weights");
  if (length(buffer->data()) != expected)
    return damaged(fmt::format("{} bytes of data, expected {} for {} {}", length(buffer->data()), expected,
                               EnumNameTensorType(stored.type()), to_string(shape)),
                   where);
  return std::span(expected > 0 ? buffer->data()->data() : nullptr, expected);
}

// Two to a byte, the first in the low half.
void unpack_int4(std::span<const uint8_t> packed, std::span<int8_t> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const int half = (packed[i / 2] >> (i % 2 * 4)) & 0xF;
    values[i] = static_cast<int8_t>(half < 8 ? half : half - 16);
  }
}

float float_of_half(uint16_t half) {
  const int exponent = (half >> 10) & 0x1F, fraction = half & 0x3FF;
  float magnitude = 0;
  if (exponent == 0)
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  else if (exponent < 0x1F)
    magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  else
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  return half & 0x8000 ? -magnitude : magnitude;
}

Outcome read_constant(const Source& source, const Tensor& stored, Value& value, const std::string& where) {
  const bool packed = stored.type() == TensorType_INT4;
  const size_t bits = packed ? 4 : size_of(value.type.dtype) * 8;
  THIMBLE_LET(const std::span<const uint8_t> bytes, constant_bytes(source, stored, value.type.shape, bits, where));
  value.constant = std::make_shared<thimble::Tensor>(thimble::Tensor::zeros(value.type.dtype, value.type.shape));
  if (packed) {
    unpack_int4(bytes, value.constant->as<int8_t>());
    value.stored_bits = 4;
  } else if (!bytes.empty()) {
    std::memcpy(value.constant->bytes.data(), bytes.data(), bytes.size());
  }
  return {};
}

Outcome check_flow(const Tensor& stored, const Value& value, const std::string& where) {
  if (stored.type() == TensorType_INT4)
    return fail(ErrorCode::unsupported, "int4 activations; int4 is supported for weights", where,
                std::string(kConvertHint));
  if (stored.is_variable())
    return fail(ErrorCode::unsupported, "a variable tensor (state) that is an input or an operator's output", where,
                "export the model so that only operators with state name it");
  if (element_count(value.type.shape) == 0)
    return fail(ErrorCode::unsupported, fmt::format("shape {} holds no element", to_string(value.type.shape)), where,
                "export the model with fixed, non-empty shapes");
  if (value.quantization.per_channel())
    return fail(ErrorCode::unsupported,
                fmt::format("{} activations with {} scales, expected one", name_of(value.type.dtype),
                            value.quantization.scale.size()),
                where, std::string(kConvertHint));
  return {};
}

Result<Value> read_head(const Source& source, ValueId id) {
  const Tensor& stored = *at(source.subgraph.tensors(), static_cast<size_t>(id));
  const std::string where = describe_tensor(source, id);
  Value value;
  value.name = clean_text(stored.name());
  if (value.name.empty()) value.name = fmt::format("tensor_{}", id);
  THIMBLE_LET(value.type.dtype, read_dtype(stored.type(), where));
  THIMBLE_LET(value.type.shape, read_shape(stored, static_cast<int64_t>(size_of(value.type.dtype)), where));
  THIMBLE_LET(value.quantization, read_quantization(stored, value.type, where));
  return value;
}

}  // namespace

Outcome check_state(const ValueType& type, const std::string& where) {
  const auto room = static_cast<int64_t>(kMaxFileBytes / size_of(type.dtype));
  if (element_count(type.shape) > room)
    return fail(ErrorCode::unsupported,
                fmt::format("state {} of more than {} bytes", to_string(type.shape), kMaxFileBytes), where);
  return {};
}

std::shared_ptr<thimble::Tensor> reset_state(const ValueType& type, const Quantization& quantization) {
  auto state = std::make_shared<thimble::Tensor>(thimble::Tensor::zeros(type.dtype, type.shape));
  if (type.dtype == DType::i8 && !quantization.empty())
    std::ranges::fill(state->as<int8_t>(), static_cast<int8_t>(quantization.zero_point[0]));
  return state;
}

Result<Value> read_value(const Source& source, ValueId id, TensorUse use) {
  const Tensor& stored = *at(source.subgraph.tensors(), static_cast<size_t>(id));
  const std::string where = describe_tensor(source, id);
  THIMBLE_LET(Value value, read_head(source, id));
  if (use == TensorUse::flows) {
    THIMBLE_TRY(check_flow(stored, value, where));
  } else if (stored.is_variable()) {
    THIMBLE_TRY(check_state(value.type, where));
    value.initial = reset_state(value.type, value.quantization);
  } else {
    THIMBLE_TRY(read_constant(source, stored, value, where));
  }
  return value;
}

Result<Value> read_dequantized(const Source& source, ValueId from, ValueId to) {
  const std::string where = describe_tensor(source, from);
  THIMBLE_LET(Value result, read_head(source, to));
  const Tensor& stored = *at(source.subgraph.tensors(), static_cast<size_t>(from));
  if (result.type.dtype != DType::f32)
    return damaged(fmt::format("DEQUANTIZE to {}, expected float32", name_of(result.type.dtype)), where);
  THIMBLE_LET(const Shape shape, read_shape(stored, sizeof(float), where));
  if (shape != result.type.shape)
    return damaged(fmt::format("DEQUANTIZE from shape {} to {}", to_string(shape), to_string(result.type.shape)),
                   where);
  const auto allocate = [&] {  // once the file has shown that it holds that many numbers
    result.constant = std::make_shared<thimble::Tensor>(thimble::Tensor::zeros(DType::f32, shape));
    return result.constant->as<float>();
  };
  if (stored.type() == TensorType_FLOAT16) {
    THIMBLE_LET(const std::span<const uint8_t> bytes, constant_bytes(source, stored, shape, 16, where));
    const std::span<float> reals = allocate();
    for (size_t i = 0; i < reals.size(); ++i)
      reals[i] = float_of_half(static_cast<uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
    return result;
  }
  THIMBLE_LET(const Value quantised, read_value(source, from, TensorUse::reads));
  const Quantization& q = quantised.quantization;
  if (!scale_has_meaning(quantised.type.dtype) || q.scale.empty())
    return fail(ErrorCode::unsupported,
                fmt::format("constant {} with {} scales before DEQUANTIZE, expected float16, or int8, uint8 or int16 "
                            "with scales",
                            name_of(quantised.type.dtype), q.scale.size()),
                where, std::string(kConvertHint));
  const std::span<float> reals = allocate();
  size_t inner = 1;
  for (size_t axis = static_cast<size_t>(q.axis) + 1; axis < shape.size(); ++axis)
    inner *= static_cast<size_t>(shape[axis]);
  // One scale is multiplied in double, several in float, as TensorFlow Lite does.
  const auto convert = [&](auto values) {
    for (size_t i = 0; q.per_channel() && i < reals.size(); ++i) {
      const size_t channel = i / inner % q.scale.size();
      reals[i] = q.scale[channel] * static_cast<float>(int64_t{values[i]} - q.zero_point[channel]);
    }
    for (size_t i = 0; !q.per_channel() && i < reals.size(); ++i)
      reals[i] = static_cast<float>(static_cast<double>(q.scale[0]) *
                                    (static_cast<double>(values[i]) - static_cast<double>(q.zero_point[0])));
  };
  if (quantised.type.dtype == DType::i8)
    convert(quantised.constant->as<int8_t>());
  else if (quantised.type.dtype == DType::u8)
    convert(quantised.constant->as<uint8_t>());
  else
    convert(quantised.constant->as<int16_t>());
  return result;
}

}  // namespace thimble::tflite
