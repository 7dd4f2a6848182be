// From reset to main on any Cortex-M: vector table, FPU, memory. Faults end the program with a status instead of
// hanging.
#include "device/port/memory_map.h"
#include "device/port/port.h"

extern "C" {

int main(void);
[[noreturn]] void reset_handler(void);
void systick_handler(void);
}

namespace {

void fault_handler(void) { port_exit(thimble::device::kFaultStatus); }

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
  thimble::device::start_memory(__builtin_frame_address(0));
  port_exit(main());
}

uint32_t port_stack_used(void) { return thimble::device::deepest_stack(); }
}
