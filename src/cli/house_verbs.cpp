// boards, ops, doctor: what is supported, and what this machine lacks.
#include "cli/verbs.h"
#include "firmware/board.h"
#include "project/doctor.h"
#include "report/op_table.h"

namespace thimble {

namespace {

Result<Shown> show_boards() {
  THIMBLE_LET(const std::vector<Board> boards, all_boards());
  Shown shown{nlohmann::json::array(), fmt::format("{:<16} {:<34} {:<12} {:>10} {:>10} {:>8}  {}", "id", "name", "core",
                                                   "flash KiB", "RAM KiB", "MHz", "runner")};
  for (const Board& board : boards) {
    shown.json.push_back({{"id", board.id},
                          {"name", board.name},
                          {"chip", board.chip},
                          {"core", board.core},
                          {"clock_hz", board.clock_hz},
                          {"flash_bytes", board.flash.length_bytes},
                          {"ram_bytes", board.ram.length_bytes},
                          {"toolchain", board.toolchain},
                          {"runner", board.runner.kind}});
    shown.text += fmt::format("\n{:<16} {:<34} {:<12} {:>10} {:>10} {:>8}  {}", board.id, board.name, board.core,
                              board.flash.length_bytes / 1024, board.ram.length_bytes / 1024, board.clock_hz / 1000000,
                              board.runner.kind);
  }
  return shown;
}

Result<Shown> show_ops(bool markdown) {
  const std::vector<OpRow> rows = op_table();
  std::string text = markdown ? markdown_of(rows) : text_of(rows);
  if (markdown) text.pop_back();  // the shell ends the last line
  return Shown{json_of(rows), std::move(text)};
}

Result<Shown> show_doctor() {
  const std::vector<ToolCheck> tools = check_tools();
  Shown shown{{{"tools", nlohmann::json::array()}}, ""};
  for (const ToolCheck& tool : tools) {
    shown.json["tools"].push_back(
        {{"program", tool.program}, {"found", tool.found}, {"version", tool.version}, {"package", tool.package}});
    shown.text += fmt::format("{} {:<20} {:<38} {}\n", tool.found ? "ok     " : "missing", tool.program, tool.purpose,
                              tool.found ? tool.version : "package " + tool.package);
  }
  const std::string command = install_command(tools);
  shown.json["install"] = command;
  shown.text += command.empty() ? "everything is here" : "install what is missing: " + command;
  shown.failed = !command.empty();
  return shown;
}

}  // namespace

void add_house_verbs(Shell& shell) {
  add_verb(shell, "boards", "list the boards", "thimble boards --json", false, [](Progress&) { return show_boards(); });
  const auto markdown = std::make_shared<bool>(false);
  CLI::App* verb = add_verb(shell, "ops", "list the operators: types, training, quantisation, name in .tflite files",
                            "thimble ops", false, [markdown](Progress&) { return show_ops(*markdown); });
  verb->add_flag("--markdown", *markdown, "as the page docs/ops.md");
  add_verb(shell, "doctor", "check the programs thimble runs; name the packages that are missing", "thimble doctor",
           false, [](Progress&) { return show_doctor(); });
}

}  // namespace thimble
