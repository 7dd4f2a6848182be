// Cycles of an inference, modelled: every block of instructions that the emulator ran, counted, and each instruction at
// what its class costs on the core with memory that never waits. An estimate: caches, wait states and the write buffer
// are not in it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/files.h"
#include "firmware/board.h"

namespace thimble {

struct CycleEstimate {
  int64_t instructions = 0, cycles = 0;
  std::map<std::string, int64_t> instructions_by_class;  // "load", "multiply", ...
};

// What one core's instructions cost, in cycles (the cores' technical reference manuals).
struct CoreCycles {
  double load = 1, load_after_load = 1, store = 1;
  double multiple = 1;  // load or store of n registers: this and n
  double multiply = 1, multiply_accumulate = 1, long_multiply = 1, divide = 1;
  double taken = 0;  // on top of a branch's one
};
// Null for cores without such a table.
const CoreCycles* find_core_cycles(const std::string& core);

// Follows a log of `qemu -d in_asm,exec,nochain` line by line, from the first block at `begin` until one in [back,
// back + back_bytes).
class CycleCounter {
 public:
  struct Range {
    uint32_t begin = 0, back = 0, back_bytes = 0;
  };
  CycleCounter(const CoreCycles& costs, const Range& range) : costs_(costs), range_(range) {}
  void line(std::string_view text);
  // Errors: tool_failed when the log never reached the range's begin.
  Result<CycleEstimate> finish();

 private:
  struct Block {
    std::map<std::string, int64_t> classes;
    int64_t instructions = 0;
    double cycles = 0;
    uint32_t end = 0;  // address behind it
    int64_t runs = 0;
  };
  void instruction(std::string_view text);
  void run(uint64_t block, uint32_t address);

  const CoreCycles& costs_;
  Range range_;
  Block translated_;  // the block listed last
  std::map<uint64_t, Block> blocks_;
  enum class Phase { before, inside, after } phase_ = Phase::before;
  bool was_load_ = false;
  uint32_t expected_ = 0;  // where the last block goes on without a branch
  int64_t branches_taken_ = 0;
};

// Runs the firmware once more. `function`: the inference's symbol, called from main. Errors: tool_failed, io.
Result<std::optional<CycleEstimate>> estimate_cycles(const Board& board, const Path& elf, const std::string& function);

}  // namespace thimble
