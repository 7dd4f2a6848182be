#include "firmware/linker_script.h"

#include <algorithm>
#include <regex>

namespace thimble {

namespace {

std::string layer_of_ram_peak(const Plan& plan) {
  const std::vector<int64_t> use = ram_over_time(plan);
  const auto peak = std::ranges::max_element(use);
  if (peak == use.end() || plan.calls.empty()) return "";
  const PlannedCall& call = plan.calls[static_cast<size_t>(peak - use.begin())];
  return fmt::format("layer {} ({}) needs most: {} bytes of the arena's {}", call.call.layer, call.op, *peak,
                     plan.arena_bytes);
}

std::string layer_of_most_weights(const Plan& plan) {
  const auto most = std::ranges::max_element(plan.calls, {}, &PlannedCall::weight_bytes);
  if (most == plan.calls.end()) return "";
  return fmt::format("layer {} ({}) is the largest: {} bytes of the {} of constants", most->call.layer, most->op,
                     most->weight_bytes, plan.constants.size());
}

Error ram_error(const Plan& plan, const Board& board, std::string_view amount) {
  return {ErrorCode::does_not_fit,
          fmt::format("the model does not fit {}: {} more RAM than the {} bytes it has; {}", board.id, amount,
                      board.ram.length_bytes, layer_of_ram_peak(plan)),
          plan.model,
          "use a smaller input or fewer channels in that layer, or a board with more RAM (`thimble boards`)"};
}

Error flash_error(const Plan& plan, const Board& board, std::string_view amount) {
  return {ErrorCode::does_not_fit,
          fmt::format("the model does not fit {}: {} more flash than the {} bytes it has; {}", board.id, amount,
                      board.flash.length_bytes, layer_of_most_weights(plan)),
          plan.model, "make that layer smaller, or use a board with more flash (`thimble boards`)"};
}

}  // namespace

std::string linker_script(const Board& board, int64_t stack_bytes) {
  return fmt::format(R"(/* {0}, written by thimble from its board data. */
ENTRY(reset_handler)
MEMORY {{
  FLASH (rx) : ORIGIN = {1:#x}, LENGTH = {2}
  RAM (rwx) : ORIGIN = {3:#x}, LENGTH = {4}
}}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text .text.*) }} > FLASH
  .rodata : ALIGN(16) {{ *(.rodata .rodata.*) }} > FLASH
  .stack (NOLOAD) : ALIGN(8) {{ __stack_limit = .; . += {5}; __stack_top = .; }} > RAM AT > RAM
  .data : ALIGN(16) {{ __data_begin = .; *(.data .data.*) . = ALIGN(4); __data_end = .; }} > RAM AT > FLASH
  __data_load = LOADADDR(.data);
  .bss (NOLOAD) : ALIGN(16) {{ __bss_begin = .; *(.bss .bss.* COMMON) . = ALIGN(4); __bss_end = .; }} > RAM AT > RAM
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab*) }}
}}
)",
                     board.name, board.flash.origin, board.flash.length_bytes, board.ram.origin, board.ram.length_bytes,
                     (stack_bytes + 7) / 8 * 8);
}

Outcome check_fit(const Plan& plan, const Board& board, int64_t stack_bytes) {
  const int64_t ram = plan.arena_bytes + stack_bytes - board.ram.length_bytes;
  if (ram > 0)
    return tl::unexpected<Error>(ram_error(plan, board, fmt::format("arena and stack alone need {} bytes", ram)));
  const int64_t flash = static_cast<int64_t>(plan.constants.size()) - board.flash.length_bytes;
  if (flash > 0)
    return tl::unexpected<Error>(flash_error(plan, board, fmt::format("its weights alone need {} bytes", flash)));
  return {};
}

std::optional<Error> explain_overflow(std::string_view linker_output, const Plan& plan, const Board& board) {
  static const std::regex pattern("region .(RAM|FLASH). overflowed by ([0-9]+) bytes");
  std::cmatch match;
  if (!std::regex_search(linker_output.data(), linker_output.data() + linker_output.size(), match, pattern)) return {};
  const std::string amount = fmt::format("the firmware needs {} bytes", match[2].str());
  return match[1] == "RAM" ? ram_error(plan, board, amount) : flash_error(plan, board, amount);
}

}  // namespace thimble
