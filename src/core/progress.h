// How long work tells a person how far it is, and learns that it should stop. The library calls; the command line
// decides how it looks. Also the one place where Ctrl-C is noticed.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace thimble {

class Progress {
 public:
  virtual ~Progress() = default;
  // A new piece of work; total = 0 when the amount is not known.
  virtual void begin(std::string_view title, int64_t total) = 0;
  // done of total; detail is short: "loss 0.31  accuracy 0.91".
  virtual void update(int64_t done, std::string_view detail) = 0;
  virtual void end(std::string_view summary) = 0;
  // A line worth keeping above the bar.
  virtual void note(std::string_view line) = 0;
};

// Shows nothing.
Progress& silent_progress();

// Set by the command line's SIGINT handler; long loops ask between steps.
extern std::atomic<bool> stop_requested;

// Outcome of "has the user asked to stop?": an Error with code cancelled, or success.
Outcome check_stop();

}  // namespace thimble
