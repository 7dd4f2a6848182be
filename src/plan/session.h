// Runs a plan on the host: its bundle, through the device's own loop and kernels. What it gives is what the device gives, byte for byte.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace thimble {

class Session {
 public:
  static Result<Session> make(const Plan& plan);
  std::span<uint8_t> input(size_t index = 0);
  std::span<const uint8_t> output(size_t index = 0) const;
  void invoke();

 private:
  std::vector<uint32_t> bundle_;          // 4-byte aligned bytes
  std::vector<std::max_align_t> arena_;
  std::vector<PlanPort> inputs_, outputs_;
};

}  // namespace thimble
