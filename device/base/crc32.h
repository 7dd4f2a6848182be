// CRC-32 as in zip and Ethernet (reflected polynomial 0xEDB88320), four bits at a time: a 64-byte table.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

// The checksum of `bytes` bytes. To go on over several pieces, pass the checksum so far.
inline uint32_t crc32(const void* data, uint32_t bytes, uint32_t crc = 0) {
  static constexpr uint32_t kTable[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                          0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                          0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  const uint8_t* byte = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (uint32_t i = 0; i < bytes; ++i) {
    crc ^= byte[i];
    crc = (crc >> 4) ^ kTable[crc & 15];
    crc = (crc >> 4) ^ kTable[crc & 15];
  }
  return ~crc;
}

}  // namespace device
}  // namespace thimble
