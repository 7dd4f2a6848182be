// Running another program (compiler, emulator, speech synthesiser) and taking what it prints.
#pragma once
#include <string>
#include <vector>

#include "core/files.h"

namespace thimble {

struct Command {
  std::vector<std::string> words;  // words[0] is looked up on PATH
  Path folder;                     // working folder; empty = this one
  double timeout_s = 600;
  std::string input;  // written to its standard input
};

struct CommandResult {
  int exit_status = 0;  // 128 + n when ended by signal n
  std::string output;   // standard output
  std::string errors;   // standard error
  double seconds = 0;
};

// Errors: tool_missing when the program is not on PATH (hint: the package), tool_failed on time-out, cancelled on
// Ctrl-C (the child and its children are ended first). A non-zero exit status is a result, not an error.
Result<CommandResult> run_command(const Command& command);

// Full path of a program on PATH, or tool_missing with the distribution package that holds it, where known.
Result<Path> find_program(const std::string& name);

// The command as a person would type it.
std::string to_string(const Command& command);

}  // namespace thimble
