#include "firmware/board.h"

#include <charconv>

#include "core/resources.h"
#include "core/text.h"
#include "core/toml.h"

namespace thimble {

namespace {

constexpr std::string_view kFolder = "boards/", kSuffix = ".toml";

Outcome read_region(TomlTable& parent, std::string_view key, MemoryRegion& region) {
  TomlTable table = parent.table(key);
  table.read("origin", region.origin);
  table.read("length_bytes", region.length_bytes);
  return table.finish();
}

// Chip and board files have the same keys; the board's come second and win.
Outcome read_keys(TomlTable& table, Board& board) {
  table.read("name", board.name);
  table.read("chip", board.chip);
  table.read("core", board.core);
  table.read("isa", board.isa);
  table.read("toolchain", board.toolchain);
  table.read("flags", board.flags);
  table.read("sources", board.sources);
  table.read("clock_hz", board.clock_hz);
  table.read("crystal_hz", board.crystal_hz);
  table.read("uart_baud", board.uart_baud);
  table.read("pins", board.pins);
  table.read("pwm_pin", board.pwm_pin);
  THIMBLE_TRY(read_region(table, "flash", board.flash));
  THIMBLE_TRY(read_region(table, "ram", board.ram));
  TomlTable runner = table.table("runner");
  runner.read("kind", board.runner.kind);
  runner.read("emulator", board.runner.emulator);
  runner.read("machine", board.runner.machine);
  runner.read("options", board.runner.options);
  runner.read("systick_hz", board.runner.systick_hz);
  runner.read("pin_trace", board.runner.pin_trace);
  THIMBLE_TRY(runner.finish());
  return table.finish();
}

Outcome check(const Board& board, const std::string& where) {
  const auto wrong = [&](std::string message) { return fail(ErrorCode::bad_data, std::move(message), where); };
  const BoardRunner& runner = board.runner;
  if (runner.kind != "host" && runner.kind != "qemu" && runner.kind != "none")
    return wrong(fmt::format("runner kind must be host, qemu or none, found \"{}\"", runner.kind));
  if (board.is_host()) return {};
  if (board.flash.length_bytes <= 0 || board.ram.length_bytes <= 0)
    return wrong("[flash] and [ram] need a length_bytes");
  if (board.clock_hz <= 0) return wrong("clock_hz is missing");
  if (runner.kind == "qemu" && (runner.machine.empty() || runner.systick_hz <= 0))
    return wrong("a qemu runner needs a machine and its systick_hz");
  for (const std::string& pin : board.pins) THIMBLE_TRY(parse_pin(pin));
  if (board.pins.size() > 32) return wrong(fmt::format("at most 32 pins, found {}", board.pins.size()));
  return {};
}

}  // namespace

Result<PinName> parse_pin(const std::string& name) {
  PinName pin;
  const char* const end = name.data() + name.size();
  const bool shaped = name.size() >= 3 && name[0] == 'P' && name[1] >= 'A' && name[1] <= 'K';
  if (shaped) pin.port = name[1] - 'A';
  if (!shaped || std::from_chars(name.data() + 2, end, pin.pin).ptr != end || pin.pin < 0 || pin.pin > 15)
    return fail(ErrorCode::bad_data, fmt::format("\"{}\" is not a pin; expected a name such as PA10", name));
  return pin;
}

Result<Board> parse_board(const std::string& id, std::string_view text, const std::string& where) {
  THIMBLE_LET(TomlTable table, TomlTable::parse(text, where));
  Board board;
  std::string chip;
  table.read("chip", chip);
  if (!chip.empty()) {
    const std::string chip_path = fmt::format("{}chips/{}{}", kFolder, chip, kSuffix);
    THIMBLE_LET(const std::string_view chip_text, resource(chip_path));
    THIMBLE_LET(TomlTable chip_table, TomlTable::parse(chip_text, chip_path));
    THIMBLE_TRY(read_keys(chip_table, board));
  }
  THIMBLE_TRY(read_keys(table, board));
  board.id = id;
  THIMBLE_TRY(check(board, where));
  return board;
}

std::vector<std::string> board_ids() {
  std::vector<std::string> ids;
  for (std::string_view path : list_resources(kFolder)) {
    path.remove_prefix(kFolder.size());
    if (path.find('/') != path.npos || !path.ends_with(kSuffix)) continue;
    path.remove_suffix(kSuffix.size());
    ids.emplace_back(path);
  }
  return ids;
}

Result<Board> load_board(const std::string& id) {
  const std::string path = fmt::format("{}{}{}", kFolder, id, kSuffix);
  const auto text = resource(path);
  if (!text || id.find('/') != id.npos)
    return fail(ErrorCode::usage, fmt::format("there is no board \"{}\"", id), "", name_hint(id, board_ids()));
  return parse_board(id, *text, path);
}

Result<std::vector<Board>> all_boards() {
  std::vector<Board> boards;
  for (const std::string& id : board_ids()) {
    THIMBLE_LET(Board board, load_board(id));
    boards.push_back(std::move(board));
  }
  return boards;
}

}  // namespace thimble
