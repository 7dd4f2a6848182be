#include "emulate/cycles.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <thread>

#include "core/process.h"
#include "firmware/elf.h"

namespace thimble {

namespace {

// Technical reference manuals: Cortex-M0+ (DDI 0484), M3 (DDI 0337), M4 (DDI 0439), M33 (100230).
const std::map<std::string, CoreCycles>& all_core_cycles() {
  static const std::map<std::string, CoreCycles> cores = {
      {"cortex-m0plus", {.load = 2, .load_after_load = 2, .store = 2, .multiple = 1, .taken = 1}},
      {"cortex-m3", {.load = 2, .multiple = 1, .multiply_accumulate = 2, .long_multiply = 4, .divide = 7, .taken = 2}},
      {"cortex-m4", {.load = 2, .multiple = 1, .divide = 7, .taken = 2}},
      {"cortex-m33", {.load = 2, .multiple = 1, .divide = 7, .taken = 2}},
  };
  return cores;
}

std::optional<uint64_t> hexadecimal(std::string_view text) {
  uint64_t value = 0;
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (parsed.ec != std::errc() || parsed.ptr == text.data()) return {};
  return value;
}

// Registers in "{r4, r5, r6-r8}".
int64_t listed_registers(std::string_view operands) {
  const size_t open = operands.find('{');
  if (open == operands.npos) return 1;
  int64_t count = 1;
  for (const char c : operands.substr(open)) count += c == ',';
  return count;
}

struct Classified {
  const char* name;
  double cycles;
};

Classified classify(std::string_view mnemonic, std::string_view operands, const CoreCycles& c, bool after_load) {
  const auto starts = [&](auto... prefixes) { return (mnemonic.starts_with(prefixes) || ...); };
  if (starts("ldrd", "strd", "vldr.64", "vstr.64")) return {"load or store of several", c.multiple + 2};
  if (starts("ldm", "stm", "push", "pop", "vpush", "vpop", "vldm", "vstm"))
    return {"load or store of several", c.multiple + static_cast<double>(listed_registers(operands))};
  if (starts("ldr", "vldr")) return {"load", after_load ? c.load_after_load : c.load};
  if (starts("str", "vstr")) return {"store", c.store};
  if (starts("smull", "umull", "smlal", "umlal")) return {"multiply", c.long_multiply};
  if (starts("mla", "mls")) return {"multiply", c.multiply_accumulate};
  if (starts("mul", "smul", "smla", "smmul", "smmla", "smuad", "smusd")) return {"multiply", c.multiply};
  if (starts("sdiv", "udiv")) return {"divide", c.divide};
  if (mnemonic == "b" || starts("b.", "bl", "bx", "beq", "bne", "bhs", "blo", "bcs", "bcc", "bmi", "bpl", "bvs", "bvc",
                                "bhi", "bls", "bge", "blt", "bgt", "ble", "cbz", "cbnz", "tbb", "tbh"))
    return {"branch", 1};
  return {"other", 1};
}

}  // namespace

const CoreCycles* find_core_cycles(const std::string& core) {
  const auto found = all_core_cycles().find(core);
  return found == all_core_cycles().end() ? nullptr : &found->second;
}

// "0x0000004e:  af00       add      r7, sp, #0"
void CycleCounter::instruction(std::string_view text) {
  const auto address = hexadecimal(text.substr(0, text.find(':')));
  if (!address) return;
  size_t at = text.find(':') + 1;
  uint32_t bytes = 0;
  const auto word = [&] {
    at = std::min(text.find_first_not_of(' ', at), text.size());
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view found = text.substr(at, end - at);
    at = end;
    return found;
  };
  std::string_view mnemonic = word();
  while (mnemonic.size() == 4 && hexadecimal(mnemonic) && bytes < 4) bytes += 2, mnemonic = word();
  const Classified kind = classify(mnemonic, text.substr(at), costs_, was_load_);
  was_load_ = std::string_view(kind.name) == "load";
  ++translated_.instructions;
  translated_.cycles += kind.cycles;
  ++translated_.classes[kind.name];
  translated_.end = static_cast<uint32_t>(*address) + bytes;
}

void CycleCounter::run(uint64_t block, uint32_t address) {
  auto found = blocks_.find(block);
  if (found == blocks_.end() || translated_.instructions > 0)
    found = blocks_.insert_or_assign(block, std::exchange(translated_, {})).first;
  const bool back = address - range_.back < range_.back_bytes;
  if (phase_ == Phase::before && address == range_.begin) phase_ = Phase::inside;
  if (phase_ == Phase::inside && back) phase_ = Phase::after;
  if (phase_ != Phase::inside) return;
  branches_taken_ += expected_ != 0 && address != expected_;
  ++found->second.runs;
  expected_ = found->second.end;
}

void CycleCounter::line(std::string_view text) {
  if (text.starts_with("0x")) return instruction(text);
  if (text.starts_with("IN:")) {
    translated_ = {};
    was_load_ = false;
    return;
  }
  // "Trace 0: 0x7f8420000100 [00800408/00000048/00000110/ff020200] main"
  if (!text.starts_with("Trace ")) return;
  const size_t colon = text.find(": "), bracket = text.find('['), slash = text.find('/', bracket);
  if (colon == text.npos || slash == text.npos) return;
  const auto block = hexadecimal(text.substr(colon + 2, bracket - colon - 3));
  const auto address = hexadecimal(text.substr(slash + 1, text.find('/', slash + 1) - slash - 1));
  if (block && address) run(*block, static_cast<uint32_t>(*address));
}

Result<CycleEstimate> CycleCounter::finish() {
  if (phase_ == Phase::before) return fail(ErrorCode::tool_failed, "the emulator's log has no inference");
  CycleEstimate estimate;
  double cycles = static_cast<double>(branches_taken_) * costs_.taken;
  for (const auto& [id, block] : blocks_) {
    estimate.instructions += block.runs * block.instructions;
    cycles += static_cast<double>(block.runs) * block.cycles;
    for (const auto& [name, count] : block.classes)
      if (block.runs > 0) estimate.instructions_by_class[name] += block.runs * count;
  }
  estimate.cycles = std::llround(cycles);
  return estimate;
}

Result<std::optional<CycleEstimate>> estimate_cycles(const Board& board, const Path& elf, const std::string& function) {
  const CoreCycles* costs = find_core_cycles(board.core);
  if (!costs) return std::optional<CycleEstimate>();
  THIMBLE_LET(const ElfFile file, read_elf(elf));
  CycleCounter::Range range;
  for (const ElfSymbol& symbol : file.symbols) {
    if (symbol.name == function) range.begin = symbol.address & ~1u;
    if (symbol.name == "main") range.back = symbol.address & ~1u, range.back_bytes = symbol.bytes;
  }
  const Path folder = elf.parent_path();
  const std::string pipe = (folder / "blocks.pipe").string();
  ::unlink(pipe.c_str());
  if (::mkfifo(pipe.c_str(), 0600) != 0) return fail(ErrorCode::io, "cannot make a pipe", pipe);
  CycleCounter counter(*costs, range);
  std::thread reader([&] {
    std::ifstream log(pipe);
    for (std::string text; std::getline(log, text);) counter.line(text);
  });
  const auto ended =
      run_command({.words = {"qemu-system-arm", "-M", board.runner.machine, "-kernel", elf.string(), "-display", "none",
                             "-monitor", "none", "-serial", "none", "-icount", "shift=0", "-semihosting-config",
                             "enable=on,target=native", "-d", "in_asm,exec,nochain", "-D", pipe},
                   .folder = folder});
  // An emulator that did not get as far as the log leaves the reader waiting for a writer.
  if (const int writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK); writer >= 0) ::close(writer);
  reader.join();
  ::unlink(pipe.c_str());
  if (!ended) return tl::unexpected<Error>(ended.error());
  THIMBLE_LET(CycleEstimate estimate, counter.finish());
  return std::optional(std::move(estimate));
}

}  // namespace thimble
