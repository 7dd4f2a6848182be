// Cases of resize_nearest_neighbor and resize_bilinear: x [N, H, W, C].
#include <algorithm>
#include <array>
#include <cmath>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

struct Geometry {
  Shape input;
  int64_t height, width;
  bool align, half_pixel;

  // Where along an axis output index i lies in the input.
  double source(int64_t i, int64_t from, int64_t to, bool nearest) const {
    const double scale = align && to > 1 ? static_cast<double>(from - 1) / static_cast<double>(to - 1)
                                         : static_cast<double>(from) / static_cast<double>(to);
    if (!half_pixel) return static_cast<double>(i) * scale;
    return (static_cast<double>(i) + 0.5) * scale - (nearest ? 0 : 0.5);
  }
};

// value(n, y, x, c) of the real position (y, x) for each output.
template <class ValueAt>
Values resampled(const Geometry& g, bool nearest, ValueAt&& value) {
  Values y(1);
  for (int64_t n = 0; n < g.input[0]; ++n)
    for (int64_t i = 0; i < g.height; ++i)
      for (int64_t j = 0; j < g.width; ++j)
        for (int64_t c = 0; c < g.input[3]; ++c)
          y[0].push_back(
              value(n, g.source(i, g.input[1], g.height, nearest), g.source(j, g.input[2], g.width, nearest), c));
  return y;
}

float pixel(const Geometry& g, const std::vector<float>& x, int64_t n, double row, double col, int64_t c) {
  const auto inside = [](double at, int64_t size) { return std::clamp<int64_t>(std::llround(at), 0, size - 1); };
  return x[static_cast<size_t>(
      ((n * g.input[1] + inside(row, g.input[1])) * g.input[2] + inside(col, g.input[2])) * g.input[3] + c)];
}

Values nearest(const Geometry& g, const std::vector<float>& x) {
  return resampled(g, true, [&](int64_t n, double row, double col, int64_t c) {
    return g.align ? pixel(g, x, n, row, col, c) : pixel(g, x, n, std::floor(row), std::floor(col), c);
  });
}

Values bilinear(const Geometry& g, const std::vector<float>& x) {
  return resampled(g, false, [&](int64_t n, double row, double col, int64_t c) {
    const auto h = static_cast<float>(row - std::floor(row)), w = static_cast<float>(col - std::floor(col));
    const auto at = [&](int64_t down, int64_t right) {
      return pixel(g, x, n, std::floor(row) + static_cast<double>(down), std::floor(col) + static_cast<double>(right),
                   c);
    };
    return (at(0, 0) * (1 - w) + at(0, 1) * w) * (1 - h) + (at(1, 0) * (1 - w) + at(1, 1) * w) * h;
  });
}

std::vector<OpCase> cases(Values (*reference)(const Geometry&, const std::vector<float>&), double steps) {
  std::vector<OpCase> list;
  const auto add = [&](std::string name, Geometry g) {
    const Attrs attrs = Attrs()
                            .set("size", std::vector<int64_t>{g.height, g.width})
                            .set("align_corners", int64_t{g.align})
                            .set("half_pixel_centers", int64_t{g.half_pixel});
    OpCase test{std::move(name), {flows(g.input)}, attrs};
    test.reference = [=](const Values& inputs) { return reference(g, inputs[0]); };
    test.int8_steps = steps;
    test.int16_steps = 256 * steps;
    list.push_back(std::move(test));
  };
  for (const bool align : {false, true})
    for (const bool half : {false, true}) {
      if (align && half) continue;
      const std::string mode = align ? "corners" : half ? "halves" : "plain";
      add("twice_" + mode, {{2, 3, 4, 3}, 6, 8, align, half});
      add("half_" + mode, {{1, 8, 6, 2}, 4, 3, align, half});
      add("odd_" + mode, {{1, 5, 7, 1}, 9, 4, align, half});
      add("one_pixel_" + mode, {{1, 1, 1, 4}, 3, 2, align, half});
      add("to_one_pixel_" + mode, {{1, 4, 3, 2}, 1, 1, align, half});
    }
  return list;
}

}  // namespace

THIMBLE_OP_CASES(resize_nearest_neighbor) { return cases(nearest, 0.001); }

// int8 counts positions in 1/1024 pixels.
THIMBLE_OP_CASES(resize_bilinear) { return cases(bilinear, 2); }

}  // namespace thimble::test
