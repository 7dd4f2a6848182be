#include "data/sine.h"

#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace thimble {

Outcome write_sine_table(const Path& path, int rows, double noise, uint64_t seed) {
  Rng rng{seed};
  std::string text = "x,y\n";
  for (int row = 0; row < rows; ++row) {
    const double x = rng.uniform(0, 2 * std::numbers::pi);
    text += fmt::format("{:.5f},{:.5f}\n", x, std::sin(x) + noise * rng.normal());
  }
  return write_text(path, text);
}

}  // namespace thimble
