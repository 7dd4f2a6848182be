// Checks and runs a bundle (plan_format.h) in place, from flash: the small loop behind a model that is replaced in the
// field. check_bundle() once when a bundle arrives or at start, reset_bundle() before the first inference, then
// run_bundle() per inference. Every record, offset
// and count is checked, whatever the bytes are. How far a kernel reaches behind an operand's address follows from its
// parameters and is not checked here: the CRC says they are what the host wrote, and the host verified that plan.
#pragma once
#include "device/base/crc32.h"
#include "device/base/status.h"
#include "device/runtime/invoke.h"
#include "device/runtime/plan_format.h"
#include "device/runtime/state.h"

namespace thimble {
namespace device {

// What a firmware offers to the bundles it runs.
struct BundleHost {
  const KernelEntry* kernels;
  uint32_t kernel_count;
  uint32_t arena_bytes;
  uint32_t signal_fingerprint;  // of the features it computes; 0 = it is fed tensors and takes any model
};

namespace bundle_detail {

// A record copied out of the bundle, which is only known to be bytes.
template <class Record>
inline Record record_at(const uint8_t* bundle, uint32_t offset, uint32_t index = 0) {
  Record record;
  __builtin_memcpy(&record, bundle + offset + index * sizeof(Record), sizeof(Record));
  return record;
}

// count records of record_bytes fit at offset: aligned, behind the header, inside the bundle.
inline bool fits(uint32_t offset, uint32_t count, uint32_t record_bytes, uint32_t total_bytes) {
  return offset % 4 == 0 && offset >= sizeof(BundleHeader) && offset <= total_bytes &&
         count <= (total_bytes - offset) / record_bytes;
}

inline const KernelEntry* find(const BundleHost& host, uint16_t id) {
  for (uint32_t i = 0; i < host.kernel_count; ++i)
    if (host.kernels[i].id == id) return &host.kernels[i];
  return nullptr;
}

inline Status check_header(const uint8_t* bundle, uint32_t bytes, const BundleHost& host) {
  if (bytes < sizeof(BundleHeader) || reinterpret_cast<uintptr_t>(bundle) % 4 != 0) return Status::bad_layout;
  const auto header = record_at<BundleHeader>(bundle, 0);
  if (header.magic != kBundleMagic) return Status::bad_magic;
  if (header.version != kBundleVersion || header.header_bytes != sizeof(BundleHeader) || header.signature_kind != 0)
    return Status::bad_version;
  if (header.total_bytes < sizeof(BundleHeader) || header.total_bytes > bytes) return Status::bad_layout;
  constexpr uint32_t kCovered = __builtin_offsetof(BundleHeader, crc32) + sizeof(uint32_t);
  if (crc32(bundle + kCovered, header.total_bytes - kCovered) != header.crc32) return Status::bad_checksum;
  if (host.signal_fingerprint != 0 && header.signal_fingerprint != host.signal_fingerprint) return Status::wrong_signal;
  if (header.arena_bytes > host.arena_bytes) return Status::arena_too_small;
  const uint32_t tensors = static_cast<uint32_t>(header.inputs) + header.outputs;
  const bool sections = fits(header.tensors_offset, tensors, sizeof(TensorRecord), header.total_bytes) &&
                        fits(header.calls_offset, header.calls, sizeof(CallRecord), header.total_bytes) &&
                        fits(header.constants_offset, header.constants_bytes, 1, header.total_bytes);
  const bool state = header.state_bytes <= header.arena_bytes &&
                     (header.state_initial == kZeroState ||
                      (header.state_initial % 4 == 0 && header.state_initial <= header.constants_bytes &&
                       header.state_bytes <= header.constants_bytes - header.state_initial));
  return sections && state && header.constants_offset % 16 == 0 ? Status::ok : Status::bad_layout;
}

inline Status check_call(const uint8_t* bundle, const BundleHeader& header, const CallRecord& call,
                         const BundleHost& host) {
  const KernelEntry* kernel = find(host, call.kernel);
  if (!kernel) return Status::unknown_kernel;
  if (call.operands != kernel->operands || call.operands > kMaxOperands ||
      !fits(call.operands_offset, call.operands, sizeof(uint32_t), header.total_bytes) ||
      !fits(call.params_offset, kernel->params, sizeof(int32_t), header.total_bytes))
    return Status::bad_layout;
  for (uint32_t i = 0; i < call.operands; ++i) {
    const auto word = record_at<uint32_t>(bundle, call.operands_offset, i);
    const uint32_t offset = word & ~kConstantOperand;
    const uint32_t limit = word & kConstantOperand ? header.constants_bytes : header.arena_bytes;
    if (offset % 4 != 0 || offset >= limit) return Status::bad_layout;
  }
  return Status::ok;
}

}  // namespace bundle_detail

// bundle: `bytes` bytes that can be read, 4-byte aligned (16 for kernels that load weights as vectors).
inline Status check_bundle(const uint8_t* bundle, uint32_t bytes, const BundleHost& host) {
  using namespace bundle_detail;
  const Status status = check_header(bundle, bytes, host);
  if (status != Status::ok) return status;
  const auto header = record_at<BundleHeader>(bundle, 0);
  for (uint32_t i = 0; i < static_cast<uint32_t>(header.inputs) + header.outputs; ++i) {
    const auto tensor = record_at<TensorRecord>(bundle, header.tensors_offset, i);
    if (tensor.arena_offset % 4 != 0 || tensor.arena_offset > header.arena_bytes ||
        tensor.bytes > header.arena_bytes - tensor.arena_offset ||
        (i < header.inputs && tensor.arena_offset < header.state_bytes))
      return Status::bad_layout;
  }
  for (uint32_t i = 0; i < header.calls; ++i) {
    const Status call = check_call(bundle, header, record_at<CallRecord>(bundle, header.calls_offset, i), host);
    if (call != Status::ok) return call;
  }
  return Status::ok;
}

// Where input or output `index` of a checked bundle lies in the arena, and what it is.
inline TensorRecord bundle_input(const uint8_t* bundle, uint32_t index) {
  const auto header = bundle_detail::record_at<BundleHeader>(bundle, 0);
  return bundle_detail::record_at<TensorRecord>(bundle, header.tensors_offset, index);
}
inline TensorRecord bundle_output(const uint8_t* bundle, uint32_t index) {
  const auto header = bundle_detail::record_at<BundleHeader>(bundle, 0);
  return bundle_detail::record_at<TensorRecord>(bundle, header.tensors_offset, header.inputs + index);
}

// Puts a checked bundle's state in the arena as it is before the first inference. Before any inference it starts anew.
inline void reset_bundle(const uint8_t* bundle, uint8_t* arena) {
  const auto header = bundle_detail::record_at<BundleHeader>(bundle, 0);
  const bool zeros = header.state_initial == kZeroState;
  reset_state(arena, zeros ? nullptr : bundle + header.constants_offset + header.state_initial, header.state_bytes);
}

// One inference of a checked bundle. arena: host.arena_bytes bytes, 16-byte aligned; holds the inputs before and the
// outputs after (the inputs are overwritten).
inline void run_bundle(const uint8_t* bundle, uint8_t* arena, const BundleHost& host) {
  using namespace bundle_detail;
  const auto header = record_at<BundleHeader>(bundle, 0);
  void* operands[kMaxOperands];
  for (uint32_t i = 0; i < header.calls; ++i) {
    const auto call = record_at<CallRecord>(bundle, header.calls_offset, i);
    for (uint32_t k = 0; k < call.operands; ++k) {
      const auto word = record_at<uint32_t>(bundle, call.operands_offset, k);
      const uint32_t offset = word & ~kConstantOperand;
      // Kernels take constants by pointer to const; the array of operands forgets it.
      operands[k] =
          word & kConstantOperand ? const_cast<uint8_t*>(bundle + header.constants_offset + offset) : arena + offset;
    }
    find(host, call.kernel)->invoke(bundle + call.params_offset, operands);
  }
}

}  // namespace device
}  // namespace thimble
