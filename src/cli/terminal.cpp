#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace thimble {

namespace {
constexpr int kBarWidth = 24;
constexpr double kRedrawSeconds = 0.1;

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 100;
}

// Whether anybody reads along is no matter of the task's.
void put(const std::string& text) { (void)std::fputs(text.c_str(), stderr); }
}  // namespace

std::string human_seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

TerminalProgress::TerminalProgress() : terminal_(::isatty(STDERR_FILENO) != 0) {}

TerminalProgress::~TerminalProgress() { clear(); }

void TerminalProgress::begin(std::string_view title, int64_t total) {
  title_ = title;
  detail_.clear();
  done_ = 0;
  total_ = total;
  started_ = Clock::now();
  draw(true);
}

void TerminalProgress::update(int64_t done, std::string_view detail) {
  done_ = done;
  detail_ = detail;
  draw(false);
}

void TerminalProgress::end(std::string_view summary) {
  clear();
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  put(fmt::format("  {}{}{}  ({})\n", title_, summary.empty() ? "" : ": ", summary, human_seconds(seconds)));
}

void TerminalProgress::note(std::string_view line) {
  clear();
  put(fmt::format("  {}\n", line));
  draw(true);
}

void TerminalProgress::clear() {
  if (!drawn_) return;
  put("\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

void TerminalProgress::draw(bool force) {
  if (!terminal_) return;
  const auto now = Clock::now();
  if (!force && std::chrono::duration<double>(now - shown_).count() < kRedrawSeconds) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  std::string line = fmt::format("  {} ", title_);
  if (total_ > 0) {
    const double part = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    const int full = static_cast<int>(part * kBarWidth);
    for (int i = 0; i < kBarWidth; ++i) line += i < full ? "━" : "╌";
    line += fmt::format(" {:3.0f} %", part * 100);
    if (part > 0 && seconds > 0.5) line += fmt::format("  {} left", human_seconds(seconds / part - seconds));
  } else {
    line += fmt::format("{} ", human_seconds(seconds));
  }
  if (!detail_.empty()) line += "  " + detail_;
  // Bar glyphs take three bytes for one column.
  const size_t limit = static_cast<size_t>(terminal_width() - 1) + (total_ > 0 ? 2 * kBarWidth : 0);
  if (line.size() > limit) line.resize(limit);
  put(fmt::format("\r\x1b[K{}", line));
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace thimble
