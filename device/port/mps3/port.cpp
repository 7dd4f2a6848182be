// Arm MPS3 FPGA board with image AN547, in secure state, as it comes out of reset. Register addresses: Arm application
// note AN547, secure aliases.
#include <stdint.h>

namespace {
constexpr uint32_t kUart0 = 0x59303000, kFpgaLeds = 0x59302000, kBoardLeds = 0x59300004;
}  // namespace

#include "device/port/mps2/fpga_port.inc"
