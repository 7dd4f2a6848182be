// The linker script of a board, and what its complaints mean for a model.
#pragma once
#include <optional>

#include "firmware/board.h"
#include "plan/plan.h"

namespace thimble {

// Stack first in RAM, so that an overflow leaves the memory and faults instead of running into data.
std::string linker_script(const Board& board, int64_t stack_bytes);

// does_not_fit when the plan alone is larger than the board: no need to compile to know.
Outcome check_fit(const Plan& plan, const Board& board, int64_t stack_bytes);

// The linker's "region `RAM' overflowed by 123 bytes" as does_not_fit: by how much, and which layer needs most.
std::optional<Error> explain_overflow(std::string_view linker_output, const Plan& plan, const Board& board);

}  // namespace thimble
