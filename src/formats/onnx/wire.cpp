#include "formats/onnx/wire.h"

#include <onnx/onnx_pb.h>

#include <optional>

namespace thimble::onnx_import {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

class Counter {
 public:
  // Recursion is bounded by kMaxDepth.
  bool walk(std::span<const uint8_t> bytes, const Descriptor& type, int depth) {
    if (depth > kMaxDepth) return false;
    while (!bytes.empty()) {
      const auto tag = varint(bytes);
      if (!tag) return true;
      const FieldDescriptor* field = type.FindFieldByNumber(static_cast<int>(*tag >> 3 & 0x1FFFFFFF));
      std::optional<uint64_t> size;
      switch (*tag & 7) {
        case 0:
          size = varint(bytes) ? std::optional<uint64_t>(0) : std::nullopt;
          break;
        case 1:
          size = 8;
          break;
        case 2:
          size = varint(bytes);
          break;
        case 5:
          size = 4;
          break;
        default:
          return true;  // groups: ONNX has none
      }
      if (!size || *size > bytes.size()) return true;
      const bool number = field && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE &&
                          field->cpp_type() != FieldDescriptor::CPPTYPE_STRING;
      if (!number && ++parts_ > kMaxParts) return false;
      if ((*tag & 7) == 2 && field && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
          !walk(bytes.first(static_cast<size_t>(*size)), *field->message_type(), depth + 1))
        return false;
      bytes = bytes.subspan(static_cast<size_t>(*size));
    }
    return true;
  }

 private:
  static std::optional<uint64_t> varint(std::span<const uint8_t>& bytes) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
      const uint8_t byte = bytes.front();
      bytes = bytes.subspan(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  int64_t parts_ = 0;
};

}  // namespace

bool parts_are_bounded(std::span<const uint8_t> bytes) {
  return Counter().walk(bytes, *::onnx::ModelProto::descriptor(), 0);
}

}  // namespace thimble::onnx_import
