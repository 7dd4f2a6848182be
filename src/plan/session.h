// Runs a plan on the host: its bundle, through the device's own loop and kernels. What it gives is what the device
// gives, byte for byte. One Session per thread.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "device/runtime/bundle.h"
#include "plan/plan.h"

namespace thimble {

class Session {
 public:
  static Result<Session> make(const Plan& plan);
  // State as before the first inference.
  void reset();
  // invoke() overwrites the inputs: write them before each call.
  std::span<uint8_t> input(size_t index = 0);
  std::span<const uint8_t> output(size_t index = 0) const;
  void invoke();

 private:
  const uint8_t* bundle() const { return reinterpret_cast<const uint8_t*>(bundle_.data()); }
  uint8_t* arena() { return reinterpret_cast<uint8_t*>(arena_.data()); }
  const uint8_t* arena() const { return reinterpret_cast<const uint8_t*>(arena_.data()); }

  std::vector<uint32_t> bundle_;  // 4-byte aligned bytes
  std::vector<std::max_align_t> arena_;
  std::vector<PlanPort> inputs_, outputs_;
  device::BundleHost host_{};
};

}  // namespace thimble
