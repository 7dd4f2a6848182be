// Splitting the items of a run over the cores, with progress and Ctrl-C.
#pragma once
#include <functional>

#include "core/progress.h"
#include "emulate/run_log.h"

namespace thimble {

struct Batch {
  size_t index = 0;
  size_t first = 0, count = 0;  // items
};

// Runs `items` items in batches, several at once, and puts their logs together in order. least_items: below it a batch
// is not worth its start. The first error ends the run.
Result<RunLog> run_batches(size_t items, size_t least_items, std::string_view title, Progress& progress,
                           const std::function<Result<RunLog>(const Batch&)>& run);

}  // namespace thimble
