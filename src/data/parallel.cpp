#include "data/parallel.h"

#include <mutex>
#include <optional>

#include "core/threads.h"

namespace thimble {

Outcome for_each_parallel(int64_t count, std::string_view title, Progress& progress,
                          const std::function<Outcome(int64_t index)>& body) {
  progress.begin(title, count);
  std::mutex mutex;
  std::atomic<int64_t> failed_index = count;
  std::optional<Error> error;
  int64_t done = 0;
  parallel_for(count, [&](int64_t index) {
    if (index > failed_index) return;
    Outcome outcome = check_stop();
    if (outcome) outcome = body(index);
    const std::lock_guard lock(mutex);
    if (outcome) {
      progress.update(++done, "");
    } else if (index < failed_index) {
      failed_index = index;
      error = std::move(outcome).error();
    }
  });
  if (error) {
    progress.end("");
    return tl::unexpected<Error>(std::move(*error));
  }
  return {};
}

}  // namespace thimble
