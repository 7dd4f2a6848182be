// boards, ops, doctor: what is supported, and what this machine lacks.
#include "cli/verbs.h"
#include "firmware/board.h"
#include "ops/ops.h"
#include "project/doctor.h"

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

// What an op can do at each stage, and why not where it cannot.
Shown show_ops() {
  Shown shown{nlohmann::json::array(),
              fmt::format("{:<18} {:<8} {:<9} {:<6} {:<8} {}", "op", "train", "int8", "device", "tflite", "notes")};
  for (const OpSpec* op : ops::all()) {
    std::string notes;
    const auto stage = [&](const auto& s) {
      if (!s && notes.find(s.reason()) == std::string::npos)
        notes += (notes.empty() ? "" : "; ") + std::string(s.reason());
      return static_cast<bool>(s);
    };
    const bool train = stage(op->forward) && stage(op->backward), quantize = stage(op->quantize),
               device = stage(op->lower) || op->traits.alias;
    const std::string tflite = stage(op->tflite) ? std::string(op->tflite->builtin) : "-";
    shown.json.push_back({{"op", op->name},
                          {"doc", op->doc},
                          {"train", train},
                          {"int8", quantize},
                          {"device", device},
                          {"tflite", tflite},
                          {"notes", notes}});
    shown.text += fmt::format("\n{:<18} {:<8} {:<9} {:<6} {:<18} {}", op->name, train ? "yes" : "no",
                              quantize ? "yes" : "no", device ? "yes" : "no", tflite, notes);
  }
  return shown;
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
  add_verb(shell, "ops", "list the operators and what each can do", "thimble ops", false,
           [](Progress&) -> Result<Shown> { return show_ops(); });
  add_verb(shell, "doctor", "check the programs thimble runs; name the packages that are missing", "thimble doctor",
           false, [](Progress&) { return show_doctor(); });
}

}  // namespace thimble
