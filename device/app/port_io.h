// The port functions as the Io of runtime/stream_app.h, and the end of a program.
#pragma once
#include "device/port/port.h"
#include "device/runtime/stream_app.h"

namespace thimble {
namespace device {

struct PortIo {
  int32_t read(void* buffer, int32_t bytes) { return port_read(buffer, bytes); }
  void write(const void* buffer, int32_t bytes) { port_write(buffer, bytes); }
  uint64_t ticks() { return port_ticks(); }
  void pins(uint32_t on) { port_pins(on); }
  void pwm(int32_t per_mille) { port_pwm(per_mille); }
  void console(const char* text, int32_t length) { port_console(text, length); }
};

[[noreturn]] inline void finish(Status status, SummaryRecord& summary) {
  PortIo io;
  summary.status = static_cast<uint32_t>(status);
  summary.stack_used_bytes = port_stack_used();
  summary.ticks = port_ticks();
  write_record(io, RecordKind::summary, summary);
  port_exit(static_cast<int32_t>(status));
}

}  // namespace device
}  // namespace thimble
