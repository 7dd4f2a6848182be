#include "project/doctor.h"

#include "core/process.h"

namespace thimble {

std::vector<ToolCheck> check_tools() {
  std::vector<ToolCheck> tools = {
      {"espeak-ng", "speaks the demo's keywords", "espeak-ng"},
      {"arm-none-eabi-g++", "builds firmware for Cortex-M", "gcc-arm-none-eabi"},
      {"qemu-system-arm", "runs firmware on an emulated board", "qemu-system-arm"},
  };
  for (ToolCheck& tool : tools) {
    if (!find_program(tool.program)) continue;
    const auto result = run_command({.words = {tool.program, "--version"}, .timeout_s = 10});
    tool.found = result && result->exit_status == 0;
    if (tool.found) tool.version = result->output.substr(0, result->output.find('\n'));
  }
  return tools;
}

std::string install_command(const std::vector<ToolCheck>& tools) {
  std::string packages;
  for (const ToolCheck& tool : tools)
    if (!tool.found) packages += " " + tool.package;
  return packages.empty() ? "" : "apt-get install" + packages;
}

}  // namespace thimble
