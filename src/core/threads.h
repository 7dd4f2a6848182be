// One pool of worker threads for the whole program.
#pragma once
#include <cstdint>
#include <functional>

namespace thimble {

// Calls body(chunk) for chunk in [0, chunks), on all cores, and returns when all are done. Which thread takes which
// chunk is open: a body writes only what belongs to its chunk, and reductions are added up by the caller in chunk
// order, so that results do not depend on the number of cores. Nested calls run in the calling thread.
void parallel_for(int64_t chunks, const std::function<void(int64_t chunk)>& body);

int thread_count();

}  // namespace thimble
