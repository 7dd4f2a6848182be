#include "emulate/batches.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "core/threads.h"

namespace thimble {

Result<RunLog> run_batches(size_t items, size_t least_items, std::string_view title, Progress& progress,
                           const std::function<Result<RunLog>(const Batch&)>& run) {
  constexpr size_t kBatchesPerCore = 4;  // evens out the load and lets progress be seen
  const auto begin = std::chrono::steady_clock::now();
  const size_t wanted = static_cast<size_t>(thread_count()) * kBatchesPerCore;
  const size_t size = std::max({(items + wanted - 1) / wanted, std::min(least_items, items), size_t{1}});
  const size_t batches = (items + size - 1) / size;
  std::vector<Result<RunLog>> logs(batches);
  std::mutex mutex;
  size_t done = 0;
  bool failed = false;
  progress.begin(title, static_cast<int64_t>(items));
  parallel_for(static_cast<int64_t>(batches), [&](int64_t index) {
    const auto i = static_cast<size_t>(index);
    const Batch batch{i, i * size, std::min(size, items - i * size)};
    {
      const std::scoped_lock lock(mutex);
      if (failed) return;
    }
    Result<RunLog> log = run(batch);
    const std::scoped_lock lock(mutex);
    failed = failed || !log;
    logs[i] = std::move(log);
    done += batch.count;
    progress.update(static_cast<int64_t>(done), "");
  });
  progress.end("");
  THIMBLE_TRY(check_stop());
  RunLog all;
  for (Result<RunLog>& log : logs)
    if (!log) return log;
  for (Result<RunLog>& log : logs) append(all, std::move(*log));
  all.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return all;
}

}  // namespace thimble
