// From reset to main on a 32-bit RISC-V core in machine mode. Code and constants become read-only, so that a stack that
// grows out of its place faults; faults end the program with a status instead of hanging.
#include "device/port/memory_map.h"
#include "device/port/port.h"

extern "C" {

int main(void);
[[noreturn]] void reset_handler(void);
[[noreturn, gnu::used]] void start_program(void);
[[noreturn, gnu::used]] void end_in_fault(void);

// The stack may be what broke: the handler begins a new one.
[[gnu::naked, gnu::used, gnu::aligned(4)]] void trap_handler(void) {
  __asm volatile("la sp, __stack_top\n\tj end_in_fault");
}

[[gnu::naked, gnu::used, gnu::section(".vectors")]] void reset_handler(void) {
  __asm volatile("la sp, __stack_top\n\tj start_program");
}

void end_in_fault(void) { port_exit(thimble::device::kFaultStatus); }

void start_program(void) {
  constexpr uint32_t kRegions = 0x8D00;  // region 1: from pmpaddr0 to pmpaddr1, read and execute, for machine mode too
  __asm volatile(
      ".option push\n\t.option arch, +zicsr\n\t"
      "csrw mtvec, %0\n\tcsrw pmpaddr0, %1\n\tcsrw pmpaddr1, %2\n\tcsrw pmpcfg0, %3\n\t"
      ".option pop" ::"r"(trap_handler),
      "r"(reinterpret_cast<uintptr_t>(reset_handler) >> 2), "r"(reinterpret_cast<uintptr_t>(__stack_limit) >> 2),
      "r"(kRegions)
      : "memory");
  thimble::device::start_memory(__builtin_frame_address(0));
  port_exit(main());
}

uint32_t port_stack_used(void) { return thimble::device::deepest_stack(); }

// The core's own cycle counter, read again where its upper half changed in between.
uint64_t port_ticks(void) {
  uint32_t high, low, again;
  do {
    __asm volatile(
        ".option push\n\t.option arch, +zicsr\n\tcsrr %0, mcycleh\n\tcsrr %1, mcycle\n\tcsrr %2, mcycleh\n\t.option pop"
        : "=r"(high), "=r"(low), "=r"(again));
  } while (high != again);
  return static_cast<uint64_t>(high) << 32 | low;
}
}
