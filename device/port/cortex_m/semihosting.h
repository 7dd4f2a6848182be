// Arm semihosting: a debugger or emulator performs file operations for the program at a breakpoint instruction.
// Source: Arm "Semihosting for AArch32 and AArch64". Without a debugger attached the breakpoint is a fault.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

enum class SemihostingCall : uint32_t { open = 0x01, close = 0x02, write = 0x05, read = 0x06, exit_extended = 0x20 };

inline int32_t semihosting(SemihostingCall call, const void* arguments) {
  register uint32_t r0 __asm("r0") = static_cast<uint32_t>(call);
  register const void* r1 __asm("r1") = arguments;
  __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return static_cast<int32_t>(r0);
}

}  // namespace device
}  // namespace thimble
