// Semihosting: a debugger or emulator performs file operations for the program at a breakpoint instruction. Sources:
// Arm "Semihosting for AArch32 and AArch64", whose calls RISC-V takes over ("RISC-V Semihosting": ebreak between two
// shifts that do nothing). Without a debugger attached the breakpoint is a fault.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

enum class SemihostingCall : uint32_t { open = 0x01, close = 0x02, write = 0x05, read = 0x06, exit_extended = 0x20 };

#ifdef __riscv
// The three instructions must lie in one page of memory.
inline int32_t semihosting(SemihostingCall call, const void* arguments) {
  register uint32_t a0 __asm("a0") = static_cast<uint32_t>(call);
  register const void* a1 __asm("a1") = arguments;
  __asm volatile(
      ".option push\n\t.option norvc\n\t.balign 16\n\t"
      "slli x0, x0, 0x1f\n\tebreak\n\tsrai x0, x0, 7\n\t.option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return static_cast<int32_t>(a0);
}
#else
inline int32_t semihosting(SemihostingCall call, const void* arguments) {
  register uint32_t r0 __asm("r0") = static_cast<uint32_t>(call);
  register const void* r1 __asm("r1") = arguments;
  __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return static_cast<int32_t>(r0);
}
#endif

}  // namespace device
}  // namespace thimble
