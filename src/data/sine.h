// The smallest dataset there is: a table of x and noisy sin(x), for the first example.
#pragma once
#include "core/files.h"

namespace thimble {

// Columns x (uniform in [0, 2 pi)) and y (sin x plus Gaussian noise of this standard deviation). Same seed, same bytes.
// Errors: io.
Outcome write_sine_table(const Path& path, int rows, double noise, uint64_t seed);

}  // namespace thimble
