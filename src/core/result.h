// What every host function that can fail returns: a value, or an Error that a person can act on.
// The library never prints and never exits; only src/cli does.
#pragma once
#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace thimble {

enum class ErrorCode {
  usage,         // the call's words are wrong (exit status 2)
  not_found,     // a file, folder, class or name that should be there is not
  bad_data,      // content that breaks its format or its promise
  unsupported,   // well formed, but not something thimble does
  does_not_fit,  // needs more memory or time than the board has
  tool_missing,  // a compiler, emulator or other program is not installed
  tool_failed,   // such a program ran and failed
  diverged,      // training produced NaN or infinity
  io,            // the operating system refused (disk full, permissions)
  cancelled,     // Ctrl-C
  internal,      // a broken promise inside thimble: always a bug
};

// message: what was found and what was expected. where: file, layer or key it concerns (may be empty).
// hint: what to do next (may be empty).
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string where;
  std::string hint;
};

// "where: message\n  hint", as the command line shows it.
std::string to_string(const Error& error);

template <class T>
using Result = tl::expected<T, Error>;
using Outcome = Result<void>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string where = {}, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(where), std::move(hint)});
}

#define THIMBLE_JOIN2(a, b) a##b
#define THIMBLE_JOIN(a, b) THIMBLE_JOIN2(a, b)

// Returns the error of a failed Outcome from the enclosing function.
#define THIMBLE_TRY(expression)                                                            \
  do {                                                                                     \
    auto&& outcome_ = (expression);                                                        \
    if (!outcome_) return ::tl::unexpected<::thimble::Error>(std::move(outcome_).error()); \
  } while (false)

// THIMBLE_LET(auto x, compute()): declares x from a successful Result, or returns its error.
#define THIMBLE_LET(declaration, expression) THIMBLE_LET_(THIMBLE_JOIN(result_, __LINE__), declaration, expression)
#define THIMBLE_LET_(result, declaration, expression)                                \
  auto result = (expression);                                                        \
  if (!result) return ::tl::unexpected<::thimble::Error>(std::move(result).error()); \
  declaration = std::move(*result)

}  // namespace thimble
