// Small charts as SVG text, for reports that need nothing beside themselves.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace thimble::svg {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // (x, y)
};

struct Axes {
  std::string title, x_label, y_label;
  double y_min = 0, y_max = 0;  // equal: taken from the data
  bool steps = false;           // draw as a staircase (values hold until the next x)
};

// Lines with axes, ticks and a legend; hovering a point shows its value.
std::string line_chart(const Axes& axes, const std::vector<Series>& series);

// A matrix as shaded cells with numbers; rows are truths, columns predictions. Shading is relative to the row's sum.
std::string confusion_chart(const std::vector<std::string>& names, const std::vector<std::vector<int64_t>>& cells);

// Horizontal bars over time: one row per item, filled from begin to end (inclusive steps).
struct Span {
  std::string label;
  double begin = 0, end = 0;
  double bottom = 0, top = 0;  // y extent
};
std::string memory_map(const std::string& title, const std::vector<Span>& spans, const std::vector<std::string>& steps,
                       double y_max);

std::string escape(std::string_view text);

}  // namespace thimble::svg
