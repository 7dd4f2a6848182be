// From reset to main on any Cortex-M: vector table, FPU, .data and .bss, and a painted stack whose deepest use can be
// read back. The linker script supplies the __symbols; faults end the program with a status instead of hanging.
#include <stddef.h>
#include <stdint.h>

#include "device/port/port.h"

extern "C" {

extern uint32_t __data_load[], __data_begin[], __data_end[], __bss_begin[], __bss_end[];
extern uint32_t __stack_limit[], __stack_top[];

int main(void);
[[noreturn]] void reset_handler(void);
void systick_handler(void);
}

namespace {

constexpr uint32_t kStackPaint = 0xC5C5C5C5u;
constexpr int32_t kFaultStatus = 70;
constexpr ptrdiff_t kPaintMarginWords = 32;  // frames of reset_handler and of the paint loop itself

void fault_handler(void) { port_exit(kFaultStatus); }

using Handler = void (*)(void);
struct VectorTable {
  uint32_t* stack;
  Handler handlers[15];
};

}  // namespace

extern "C" {

[[gnu::section(".vectors"), gnu::used]] extern const VectorTable vector_table = {
    __stack_top,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
     fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
     systick_handler}};

[[noreturn]] void reset_handler(void) {
#ifdef __ARM_FP
  // Grant access to coprocessors 10 and 11 (CPACR) before any floating-point or vector instruction.
  *reinterpret_cast<volatile uint32_t*>(0xE000ED88u) |= 0xFu << 20;
#ifdef __ARM_FEATURE_MVE
  *reinterpret_cast<volatile uint32_t*>(0xE000ED14u) |= 1u << 19;  // CCR.LOB: loops without overhead
#endif
  __asm volatile("dsb\n\tisb" ::: "memory");
#endif
  uint32_t* const here = static_cast<uint32_t*>(__builtin_frame_address(0)) - kPaintMarginWords;
  for (volatile uint32_t* word = __stack_limit; word < here; ++word) *word = kStackPaint;
  const uint32_t* from = __data_load;
  for (uint32_t* to = __data_begin; to < __data_end; ++to) *to = *from++;
  for (uint32_t* word = __bss_begin; word < __bss_end; ++word) *word = 0;
  port_exit(main());
}

uint32_t port_stack_used(void) {
  const volatile uint32_t* word = __stack_limit;
  while (word < __stack_top && *word == kStackPaint) ++word;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__stack_top) - reinterpret_cast<uintptr_t>(word));
}
}
