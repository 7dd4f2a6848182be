// Arm MPS2 FPGA board (AN385, AN386). Register addresses: Arm application notes AN385 and AN386.
#include <stdint.h>

namespace {
constexpr uint32_t kUart0 = 0x40004000, kFpgaLeds = 0x40028000, kBoardLeds = 0x4002F004;
}  // namespace

#include "device/port/mps2/fpga_port.inc"
