// The bundle: a model as one block of bytes that a small loop runs in place, from flash. The only description of it;
// host and device include this file. Little-endian; every record is 4-byte aligned; offsets are bytes from the start of
// the bundle.
//
//   BundleHeader | signature (reserved) | TensorRecord[inputs + outputs] | CallRecord[calls] | operand words | params |
//   constants
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr uint32_t kBundleMagic = 0x424D4854;  // "THMB"
constexpr uint16_t kBundleVersion = 2;         // 2: state

struct BundleHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t header_bytes;  // sizeof(BundleHeader); a reader refuses another
  uint32_t total_bytes;
  uint32_t crc32;               // of everything behind this field's own 4 bytes, to total_bytes
  uint32_t model_version;       // counted by the owner; for update and roll-back
  uint32_t signal_fingerprint;  // of the features the model was trained on; 0 = none
  uint32_t arena_bytes;
  uint16_t inputs;
  uint16_t outputs;
  uint32_t tensors_offset;  // TensorRecord[inputs + outputs]
  uint32_t calls_offset;    // CallRecord[calls]
  uint32_t calls;
  uint32_t constants_offset;  // 16-byte aligned
  uint32_t constants_bytes;
  uint16_t signature_kind;    // 0 = unsigned; other kinds are reserved for signed updates
  uint16_t signature_bytes;   // 0 in this version
  uint32_t signature_offset;  // 0 in this version
  uint8_t key_id[8];          // 0 in this version
  uint32_t state_bytes;       // [0, state_bytes) of the arena outlives an inference
  uint32_t state_initial;     // what it holds before the first: offset in the constants, or kZeroState
};
static_assert(sizeof(BundleHeader) == 76, "layout is part of the format");

struct TensorRecord {
  uint32_t arena_offset;
  uint32_t bytes;
  uint32_t scale_bits;  // float32 bits; 0 when not quantised
  int32_t zero_point;
  uint32_t dtype;  // as enum thimble::DType on the host: 0 float32, 1 int8, 2 uint8, 3 int16, 4 int32
};

struct CallRecord {
  uint16_t kernel;           // id in kernels.def
  uint16_t operands;         // count
  uint32_t operands_offset;  // uint32 words: kConstantOperand | offset in constants, or offset in the arena
  uint32_t params_offset;
};

constexpr uint32_t kConstantOperand = 0x80000000u;
constexpr uint32_t kZeroState = 0xFFFFFFFFu;
constexpr int kMaxOperands = 32;

}  // namespace device
}  // namespace thimble
