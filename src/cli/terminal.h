// What a person at a terminal sees: a progress bar on standard error, and messages. Machines get JSON on standard
// output.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "core/progress.h"

namespace thimble {

// A bar with rate and time left when standard error is a terminal; otherwise one line per piece of work.
class TerminalProgress : public Progress {
 public:
  TerminalProgress();
  ~TerminalProgress() override;
  void begin(std::string_view title, int64_t total) override;
  void update(int64_t done, std::string_view detail) override;
  void end(std::string_view summary) override;
  void note(std::string_view line) override;

 private:
  void draw(bool force);
  void clear();
  using Clock = std::chrono::steady_clock;
  bool terminal_ = false;
  bool drawn_ = false;
  std::string title_, detail_;
  int64_t done_ = 0, total_ = 0;
  Clock::time_point started_, shown_;
};

// "1 min 5 s", "12.3 s"
std::string human_seconds(double seconds);

}  // namespace thimble
