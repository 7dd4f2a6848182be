#include "plan/session.h"

#include <cstring>

#include "graph/kernel_table.h"

namespace thimble {

namespace {

// Every kernel, as a firmware that could run any model would list them.
const std::vector<device::KernelEntry>& all_entries() {
  static const std::vector<device::KernelEntry> entries = [] {
    std::vector<device::KernelEntry> list;
    for (const KernelInfo& kernel : all_kernels()) list.push_back(kernel.entry);
    return list;
  }();
  return entries;
}

std::string_view cause_of(device::Status status) {
  switch (status) {
#define THIMBLE_STATUS(name, number, cause, remedy) \
  case device::Status::name:                        \
    return cause;
#include "device/base/status.def"
#undef THIMBLE_STATUS
  }
  return "unknown status";
}

}  // namespace

Result<Session> Session::make(const Plan& plan) {
  const std::vector<uint8_t> bytes = write_bundle(plan);
  Session session;
  session.bundle_.resize(bytes.size() / sizeof(uint32_t));
  std::memcpy(session.bundle_.data(), bytes.data(), bytes.size());
  session.arena_.resize(static_cast<size_t>(plan.arena_bytes) / sizeof(std::max_align_t) + 1);
  session.inputs_ = plan.inputs;
  session.outputs_ = plan.outputs;
  session.host_ = {all_entries().data(), static_cast<uint32_t>(all_entries().size()),
                   static_cast<uint32_t>(plan.arena_bytes), plan.signal_fingerprint};
  const device::Status status =
      device::check_bundle(session.bundle(), static_cast<uint32_t>(bytes.size()), session.host_);
  if (status != device::Status::ok) return fail(ErrorCode::internal, std::string(cause_of(status)), plan.model);
  session.reset();
  return session;
}

void Session::reset() { device::reset_bundle(bundle(), arena()); }

std::span<uint8_t> Session::input(size_t index) {
  const PlanPort& port = inputs_.at(index);
  return {arena() + port.arena_offset, static_cast<size_t>(port.bytes)};
}

std::span<const uint8_t> Session::output(size_t index) const {
  const PlanPort& port = outputs_.at(index);
  return {arena() + port.arena_offset, static_cast<size_t>(port.bytes)};
}

void Session::invoke() { device::run_bundle(bundle(), arena(), host_); }

}  // namespace thimble
