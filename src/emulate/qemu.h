// One run of a firmware in QEMU: 1 instruction = 1 ns of virtual time, the stream as files, the console and the pin
// trace as logs.
#pragma once
#include "core/files.h"
#include "emulate/run_log.h"

namespace thimble {

// Runs elf in `folder`, which is emptied first and keeps samples.bin, results.bin, console.log and trace.log. Errors:
// tool_missing; tool_failed (a fault, a status, no end within timeout_s); bad_data (records that break the format);
// cancelled.
Result<RunLog> run_in_qemu(const Board& board, const Path& elf, const Path& folder, std::span<const uint8_t> samples,
                           double timeout_s);

}  // namespace thimble
