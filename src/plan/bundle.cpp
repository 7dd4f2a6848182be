// A plan as the bytes of a bundle.
#include <bit>
#include <cstring>
#include <map>

#include "device/base/crc32.h"
#include "device/base/params.h"
#include "device/runtime/plan_format.h"
#include "graph/kernel_table.h"
#include "plan/plan.h"

namespace thimble {

namespace {

static_assert(std::endian::native == std::endian::little, "bundles are little-endian");

class ByteWriter {
 public:
  uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }
  template <class T>
  uint32_t append(std::span<const T> items) {
    const uint32_t offset = size();
    const auto* begin = reinterpret_cast<const uint8_t*>(items.data());
    bytes_.insert(bytes_.end(), begin, begin + items.size_bytes());
    return offset;
  }
  void pad_to(uint32_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment, 0); }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

device::TensorRecord record_of(const PlanPort& port) {
  device::TensorRecord record{.arena_offset = port.arena_offset, .bytes = static_cast<uint32_t>(port.bytes)};
  record.dtype = static_cast<uint32_t>(port.type.dtype);
  if (!port.quantization.empty()) {
    record.scale_bits = static_cast<uint32_t>(device::bits_of(port.quantization.scale[0]));
    record.zero_point = port.quantization.zero_point[0];
  }
  return record;
}

}  // namespace

std::vector<uint8_t> write_bundle(const Plan& plan) {
  std::vector<device::TensorRecord> tensors;
  for (const PlanPort& port : plan.inputs) tensors.push_back(record_of(port));
  for (const PlanPort& port : plan.outputs) tensors.push_back(record_of(port));

  device::BundleHeader header{};
  const auto calls_offset = static_cast<uint32_t>(sizeof(header) + tensors.size() * sizeof(device::TensorRecord));
  auto next = static_cast<uint32_t>(calls_offset + plan.calls.size() * sizeof(device::CallRecord));
  std::vector<device::CallRecord> calls;
  std::vector<uint32_t> operands;
  std::vector<int32_t> params;
  for (const PlannedCall& planned : plan.calls) {
    calls.push_back({find_kernel(planned.call.kernel)->entry.id, static_cast<uint16_t>(planned.refs.size()), next, 0});
    for (const OperandRef& ref : planned.refs)
      operands.push_back(ref.constant ? device::kConstantOperand | ref.offset : ref.offset);
    next += static_cast<uint32_t>(planned.refs.size() * sizeof(uint32_t));
  }
  std::map<std::vector<int32_t>, uint32_t> params_at;  // equal ones are stored once: bands of rows have many
  for (size_t c = 0; c < calls.size(); ++c) {
    const auto [known, is_new] = params_at.try_emplace(plan.calls[c].call.params, next);
    calls[c].params_offset = known->second;
    if (!is_new) continue;
    params.insert(params.end(), plan.calls[c].call.params.begin(), plan.calls[c].call.params.end());
    next += static_cast<uint32_t>(plan.calls[c].call.params.size() * sizeof(int32_t));
  }

  ByteWriter writer;
  writer.append(std::span<const device::BundleHeader>(&header, 1));
  header.tensors_offset = writer.append(std::span<const device::TensorRecord>(tensors));
  header.calls_offset = writer.append(std::span<const device::CallRecord>(calls));
  writer.append(std::span<const uint32_t>(operands));
  writer.append(std::span<const int32_t>(params));
  writer.pad_to(16);
  header.constants_offset = writer.append(std::span<const uint8_t>(plan.constants));
  writer.pad_to(4);

  header.magic = device::kBundleMagic;
  header.version = device::kBundleVersion;
  header.header_bytes = sizeof(header);
  header.total_bytes = writer.size();
  header.signal_fingerprint = plan.signal_fingerprint;
  header.arena_bytes = static_cast<uint32_t>(plan.arena_bytes);
  header.inputs = static_cast<uint16_t>(plan.inputs.size());
  header.outputs = static_cast<uint16_t>(plan.outputs.size());
  header.calls = static_cast<uint32_t>(plan.calls.size());
  header.constants_bytes = static_cast<uint32_t>(plan.constants.size());
  header.state_bytes = static_cast<uint32_t>(plan.state_bytes);
  header.state_initial = plan.state_initial.value_or(device::kZeroState);
  std::vector<uint8_t> bundle = writer.take();
  std::memcpy(bundle.data(), &header, sizeof(header));
  constexpr size_t kCovered = offsetof(device::BundleHeader, crc32) + sizeof(uint32_t);
  header.crc32 = device::crc32(bundle.data() + kCovered, header.total_bytes - static_cast<uint32_t>(kCovered));
  std::memcpy(bundle.data(), &header, sizeof(header));
  return bundle;
}

}  // namespace thimble
