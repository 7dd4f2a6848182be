// Compiling and linking with a board's cross compiler: in parallel, and only what changed. Headers are found in the
// build's folder and in its folder generated/.
#pragma once
#include "core/files.h"
#include "firmware/board.h"

namespace thimble {

struct Build {
  Path folder;                       // sources and headers lie below it; objects and stamps are written to folder/obj
  std::vector<std::string> sources;  // relative to folder
  std::string script;                // linker script, relative to folder
  std::string output;                // relative to folder
};

struct BuildLog {
  int compiled = 0;
  bool linked = false;
  int link_status = 0;
  std::string link_errors;  // what the linker said; it failed when link_status is not 0
};

// Errors: tool_missing (the compiler, with its package), tool_failed (a source does not compile, with the compiler's
// words), io.
Result<BuildLog> compile_and_link(const Build& build, const Board& board);

}  // namespace thimble
