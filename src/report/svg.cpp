#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thimble::svg {

namespace {

constexpr double kWidth = 460, kHeight = 280, kLeft = 56, kRight = 14, kTop = 30, kBottom = 42;
constexpr const char* kColors[] = {"#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2",
                                   "#be185d", "#65a30d", "#475569", "#ea580c", "#4f46e5", "#0d9488"};

const char* color_of(size_t index) { return kColors[index % std::size(kColors)]; }

// A round step (1, 2 or 5 times a power of ten) that cuts the range into about five.
double tick_step(double range) {
  const double raw = range / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

// 12000 as "12,000", 0.25 as "0.25".
std::string tick_text(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  if (step < 1) return fmt::format("{:.4g}", value);
  std::string digits = fmt::format("{:.0f}", std::abs(value));
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return value < 0 ? fmt::format("-{}", digits) : digits;
}

struct Frame {
  double x_min, x_max, y_min, y_max;
  double x(double value) const { return kLeft + (value - x_min) / (x_max - x_min) * (kWidth - kLeft - kRight); }
  double y(double value) const {
    return kHeight - kBottom - (value - y_min) / (y_max - y_min) * (kHeight - kTop - kBottom);
  }
};

Frame frame_of(const Axes& axes, const std::vector<Series>& series) {
  Frame frame{1e300, -1e300, 1e300, -1e300};
  for (const Series& one : series)
    for (const auto& [x, y] : one.points) {
      frame.x_min = std::min(frame.x_min, x);
      frame.x_max = std::max(frame.x_max, x);
      frame.y_min = std::min(frame.y_min, y);
      frame.y_max = std::max(frame.y_max, y);
    }
  if (axes.y_min < axes.y_max) {
    frame.y_min = axes.y_min;
    frame.y_max = axes.y_max;
  }
  if (!(frame.x_min < frame.x_max)) frame = {frame.x_min - 0.5, frame.x_min + 0.5, frame.y_min, frame.y_max};
  if (!(frame.y_min < frame.y_max)) frame = {frame.x_min, frame.x_max, frame.y_min - 0.5, frame.y_min + 0.5};
  return frame;
}

std::string draw_axes(const Axes& axes, const Frame& frame) {
  std::string text = fmt::format("<text x='{}' y='18' class='title'>{}</text>", kLeft, escape(axes.title));
  const double x_step = tick_step(frame.x_max - frame.x_min), y_step = tick_step(frame.y_max - frame.y_min);
  for (double tick = std::ceil(frame.y_min / y_step) * y_step; tick <= frame.y_max + y_step * 1e-6; tick += y_step)
    text += fmt::format(
        "<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' class='grid'/><text x='{}' y='{:.1f}' class='tick' "
        "text-anchor='end'>{}</text>",
        kLeft, kWidth - kRight, frame.y(tick), frame.y(tick), kLeft - 6, frame.y(tick) + 4, tick_text(tick, y_step));
  for (double tick = std::ceil(frame.x_min / x_step) * x_step; tick <= frame.x_max + x_step * 1e-6; tick += x_step)
    text += fmt::format("<text x='{:.1f}' y='{}' class='tick' text-anchor='middle'>{}</text>", frame.x(tick),
                        kHeight - kBottom + 16, tick_text(tick, x_step));
  text += fmt::format("<text x='{}' y='{}' class='label' text-anchor='middle'>{}</text>", (kLeft + kWidth - kRight) / 2,
                      kHeight - 8, escape(axes.x_label));
  text += fmt::format("<text transform='translate(14,{}) rotate(-90)' class='label' text-anchor='middle'>{}</text>",
                      (kTop + kHeight - kBottom) / 2, escape(axes.y_label));
  return text;
}

std::string draw_series(const Series& series, const Axes& axes, const Frame& frame, const char* color) {
  std::string path;
  for (size_t i = 0; i < series.points.size(); ++i) {
    const auto [x, y] = series.points[i];
    if (i == 0)
      path += fmt::format("M{:.1f},{:.1f}", frame.x(x), frame.y(y));
    else if (axes.steps)
      path += fmt::format("H{:.1f}V{:.1f}", frame.x(x), frame.y(y));
    else
      path += fmt::format("L{:.1f},{:.1f}", frame.x(x), frame.y(y));
  }
  std::string text = fmt::format("<path d='{}' fill='none' stroke='{}' stroke-width='1.8'/>", path, color);
  if (series.points.size() > 60) return text;
  for (const auto& [x, y] : series.points)
    text += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}'><title>{} {:.4g}: {:.4g}</title></circle>",
                        frame.x(x), frame.y(y), color, escape(series.name), x, y);
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '\'')
      out += "&#39;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string line_chart(const Axes& axes, const std::vector<Series>& series) {
  const Frame frame = frame_of(axes, series);
  std::string text = fmt::format("<svg viewBox='0 0 {} {}' role='img'>", kWidth, kHeight);
  text += draw_axes(axes, frame);
  double legend = kWidth - kRight;
  for (size_t i = 0; i < series.size(); ++i) text += draw_series(series[i], axes, frame, color_of(i));
  if (series.size() > 1 && series.size() <= 4)
    for (size_t i = series.size(); i-- > 0;) {
      text += fmt::format("<text x='{}' y='18' class='tick' text-anchor='end' style='fill:{}'>{}</text>", legend,
                          color_of(i), escape(series[i].name));
      legend -= 7.0 * static_cast<double>(series[i].name.size()) + 14;
    }
  return text + "</svg>";
}

std::string confusion_chart(const std::vector<std::string>& names, const std::vector<std::vector<int64_t>>& cells) {
  const double cell = names.size() > 12 ? 26 : 38, left = 84, top = 74;
  const double size = cell * static_cast<double>(names.size());
  std::string text = fmt::format("<svg viewBox='0 0 {} {}' role='img'>", left + size + 10, top + size + 24);
  for (size_t row = 0; row < names.size(); ++row) {
    int64_t sum = 0;
    for (int64_t count : cells[row]) sum += count;
    const double y = top + cell * static_cast<double>(row);
    text += fmt::format("<text x='{}' y='{}' class='tick' text-anchor='end'>{}</text>", left - 6, y + cell / 2 + 4,
                        escape(names[row]));
    text += fmt::format("<text transform='translate({},{}) rotate(-50)' class='tick'>{}</text>",
                        left + cell * (static_cast<double>(row) + 0.55), top - 6, escape(names[row]));
    for (size_t col = 0; col < names.size(); ++col) {
      const double part = sum == 0 ? 0 : static_cast<double>(cells[row][col]) / static_cast<double>(sum);
      const double x = left + cell * static_cast<double>(col);
      text += fmt::format(
          "<rect x='{}' y='{}' width='{}' height='{}' fill='{}' fill-opacity='{:.3f}'><title>{} taken for {}: "
          "{}</title></rect>",
          x, y, cell - 1, cell - 1, row == col ? "#2563eb" : "#dc2626",
          cells[row][col] == 0 ? 0.03 : 0.15 + 0.85 * part, escape(names[row]), escape(names[col]), cells[row][col]);
      if (cells[row][col] > 0)
        text += fmt::format("<text x='{}' y='{}' class='tick' text-anchor='middle' style='fill:{}'>{}</text>",
                            x + cell / 2, y + cell / 2 + 4, part > 0.5 ? "#fff" : "currentColor", cells[row][col]);
    }
  }
  text += fmt::format("<text x='{}' y='{}' class='label' text-anchor='middle'>rows: truth, columns: prediction</text>",
                      left + size / 2, top + size + 18);
  return text + "</svg>";
}

std::string memory_map(const std::string& title, const std::vector<Span>& spans, const std::vector<std::string>& steps,
                       double y_max) {
  const Frame frame{0, std::max(1.0, static_cast<double>(steps.size())), 0, std::max(1.0, y_max)};
  std::string text = fmt::format("<svg viewBox='0 0 {} {}' role='img'>", kWidth, kHeight);
  Axes axes{title, "step (kernel call)", "arena, bytes"};
  text += draw_axes(axes, frame);
  for (size_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i];
    text += fmt::format(
        "<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' fill='{}' fill-opacity='0.55' "
        "stroke='{}'><title>{}: {:.0f} bytes at {:.0f}</title></rect>",
        frame.x(span.begin), frame.y(span.top), frame.x(span.end + 1) - frame.x(span.begin),
        frame.y(span.bottom) - frame.y(span.top), color_of(i), color_of(i), escape(span.label), span.top - span.bottom,
        span.bottom);
  }
  return text + "</svg>";
}

}  // namespace thimble::svg
