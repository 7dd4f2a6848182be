// How many parts an ONNX file makes: a part of two bytes takes a hundred in memory, so a small file could ask for far
// more memory than a machine has.
#pragma once
#include <cstdint>
#include <span>

namespace thimble::onnx_import {

constexpr int64_t kMaxParts = 1000000;  // messages, names and unknown fields
constexpr int kMaxDepth = 32;           // of messages in messages

// False beyond kMaxParts or kMaxDepth. Bytes that are no protocol buffer pass: parsing them fails.
bool parts_are_bounded(std::span<const uint8_t> bytes);

}  // namespace thimble::onnx_import
