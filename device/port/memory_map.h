// What every core's start-up code does with memory: .data and .bss, and a painted stack whose deepest use can be read
// back. The linker script supplies the __symbols.
#pragma once
#include <stddef.h>
#include <stdint.h>

extern "C" {
extern uint32_t __data_load[], __data_begin[], __data_end[], __bss_begin[], __bss_end[];
extern uint32_t __stack_limit[], __stack_top[];
}

namespace thimble {
namespace device {

constexpr uint32_t kStackPaint = 0xC5C5C5C5u;
constexpr ptrdiff_t kPaintMarginWords = 32;  // frames of the caller and of the paint loop itself
constexpr int32_t kFaultStatus = 70;         // of a program that ran into a processor fault

// stack: where the caller's frame is.
inline void start_memory(void* stack) {
  uint32_t* const here = static_cast<uint32_t*>(stack) - kPaintMarginWords;
  for (volatile uint32_t* word = __stack_limit; word < here; ++word) *word = kStackPaint;
  const uint32_t* from = __data_load;
  for (uint32_t* to = __data_begin; to < __data_end; ++to) *to = *from++;
  for (uint32_t* word = __bss_begin; word < __bss_end; ++word) *word = 0;
}

inline uint32_t deepest_stack() {
  const volatile uint32_t* word = __stack_limit;
  while (word < __stack_top && *word == kStackPaint) ++word;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__stack_top) - reinterpret_cast<uintptr_t>(word));
}

}  // namespace device
}  // namespace thimble
