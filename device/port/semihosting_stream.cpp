// port_read, port_write and port_exit of emulated boards: two files in the emulator's working folder, opened once.
#include "device/port/port.h"
#include "device/port/semihosting.h"

namespace {

using thimble::device::semihosting;
using thimble::device::SemihostingCall;

constexpr uint32_t kReadBinary = 1, kWriteBinary = 5;  // fopen modes "rb" and "wb" as semihosting numbers them
constexpr uint32_t kApplicationExit = 0x20026;

int32_t open_file(const char* name, uint32_t length, uint32_t mode) {
  const uint32_t arguments[] = {reinterpret_cast<uint32_t>(name), mode, length};
  return semihosting(SemihostingCall::open, arguments);
}

// Opened at first use; 0 = not yet. Semihosting handles are never 0.
int32_t samples_handle = 0, results_handle = 0;

}  // namespace

extern "C" {

int32_t port_read(void* buffer, int32_t bytes) {
  if (samples_handle == 0) samples_handle = open_file("samples.bin", 11, kReadBinary);
  if (samples_handle < 0) return 0;
  const uint32_t arguments[] = {static_cast<uint32_t>(samples_handle), reinterpret_cast<uint32_t>(buffer),
                                static_cast<uint32_t>(bytes)};
  const int32_t missing = semihosting(SemihostingCall::read, arguments);
  return missing < 0 || missing > bytes ? 0 : bytes - missing;
}

void port_write(const void* buffer, int32_t bytes) {
  if (results_handle == 0) results_handle = open_file("results.bin", 11, kWriteBinary);
  const uint32_t arguments[] = {static_cast<uint32_t>(results_handle), reinterpret_cast<uint32_t>(buffer),
                                static_cast<uint32_t>(bytes)};
  // A short write (disk full) would make every later record meaningless.
  if (results_handle < 0 || semihosting(SemihostingCall::write, arguments) != 0) port_exit(74);
}

[[noreturn]] void port_exit(int32_t status) {
  const uint32_t arguments[] = {kApplicationExit, static_cast<uint32_t>(status)};
  for (;;) semihosting(SemihostingCall::exit_extended, arguments);
}
}
