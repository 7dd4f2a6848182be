// A 64-bit tick count from the 24-bit SysTick timer of every Cortex-M, running on the core clock.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

void systick_start();

}  // namespace device
}  // namespace thimble
