// Work on many files at once, with a progress bar, Ctrl-C and the same error whatever the number of cores.
#pragma once
#include <functional>

#include "core/progress.h"

namespace thimble {

// Calls body(index) for index in [0, count) on all cores. Of several errors the one with the lowest index is returned;
// what comes after it may be left undone. The caller ends the progress bar on success.
Outcome for_each_parallel(int64_t count, std::string_view title, Progress& progress,
                          const std::function<Outcome(int64_t index)>& body);

}  // namespace thimble
