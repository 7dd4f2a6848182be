// What this machine has of the programs thimble runs, and the command that installs what it lacks.
#pragma once
#include <string>
#include <vector>

namespace thimble {

struct ToolCheck {
  std::string program, purpose, package;
  bool found = false;
  std::string version;  // first line of --version
};

std::vector<ToolCheck> check_tools();

// "apt-get install a b", or empty when nothing is missing.
std::string install_command(const std::vector<ToolCheck>& tools);

}  // namespace thimble
