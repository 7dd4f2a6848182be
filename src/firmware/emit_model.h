// A plan as a C++17 library of two files: a header that C99 can read, and a source that calls the shipped kernels with
// constant parameters and pointers into one arena. Nothing here decides anything; it prints the plan.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "signal/signal.h"

namespace thimble {

enum class ModelForm {
  compiled,  // direct kernel calls
  bundle,    // the bundle as bytes, run by device/runtime/bundle.h with a table of just the kernels it needs
};

struct EmitOptions {
  ModelForm form = ModelForm::compiled;
  std::vector<std::string> classes;
  std::optional<Signal> signal;  // given: also the features of one frame
};

struct EmittedModel {
  std::string name;           // C identifier; functions are <name>_invoke ..., constants <NAME>_ARENA_BYTES ...
  std::string header;         // <name>.h
  std::string source;         // <name>.cpp
  int64_t scratch_bytes = 0;  // of <name>_features
};

// Errors: internal (a call of a kernel that does not exist, or with other counts than its own).
Result<EmittedModel> emit_model(const Plan& plan, const EmitOptions& options);

// Any text as a lower-case C identifier.
std::string c_identifier(std::string_view text);
// Any text as a C string literal.
std::string c_string(std::string_view text);

}  // namespace thimble
