#include "core/progress.h"

namespace thimble {

namespace {
class Silent : public Progress {
  void begin(std::string_view, int64_t) override {}
  void update(int64_t, std::string_view) override {}
  void end(std::string_view) override {}
  void note(std::string_view) override {}
};
}  // namespace

Progress& silent_progress() {
  static Silent silent;
  return silent;
}

std::atomic<bool> stop_requested = false;

Outcome check_stop() {
  if (stop_requested)
    return fail(ErrorCode::cancelled, "stopped by the user", "", "run the same command again to go on");
  return {};
}

}  // namespace thimble
