// What reader and writer of .tflite files share: the generated schema, element types and metadata names.
#pragma once
#include <array>
#include <cstring>
#include <utility>

#include "core/tensor.h"
#include "tflite_generated.h"

namespace thimble::tflite {

constexpr uint32_t kSchemaVersion = 3;
// Numbers in one list that configures an operator: no operator takes more. Many operators of a hostile file can point
// at one long list.
constexpr size_t kMaxListed = 64;
constexpr size_t kLstmIntermediates = 5;
constexpr std::string_view kHiddenScale = "hidden_scale";
constexpr std::string_view kHiddenZeroPoint = "hidden_zero_point";
constexpr std::string_view kLabelsName = "labels.txt";
constexpr std::string_view kOfflinePlanName = "OfflineMemoryAllocation";
constexpr std::string_view kCompressionName = "COMPRESSION_METADATA";
constexpr std::string_view kMinRuntimeName = "min_runtime_version";

inline constexpr std::array kTypes = {
    std::pair{TensorType_FLOAT32, DType::f32},  std::pair{TensorType_INT8, DType::i8},
    std::pair{TensorType_UINT8, DType::u8},     std::pair{TensorType_INT16, DType::i16},
    std::pair{TensorType_INT32, DType::i32},    std::pair{TensorType_INT64, DType::i64},
    std::pair{TensorType_BOOL, DType::boolean},
};

// One element of a stored vector. The verifier does not prove that 8-byte elements are aligned, so Vector::Get must not
// read them.
template <class T>
T element(const flatbuffers::Vector<T>& list, size_t index) {
  T value;
  std::memcpy(&value, list.Data() + index * sizeof(T), sizeof(T));
  return flatbuffers::EndianScalar(value);
}

}  // namespace thimble::tflite
