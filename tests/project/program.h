// Runs the real program as a person would: its words, its exit status, what it printed where, and what it left on disk.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/files.h"

namespace thimble::testing_program {

using Words = std::vector<std::string>;

struct Ran {
  int status = 0;  // 128 + n when ended by signal n
  std::string out, err;
};

struct Surroundings {
  Path folder;                                     // working folder; empty = this one
  std::map<std::string, std::string> environment;  // added to this process's
  int64_t largest_file = -1;                       // bytes; -1 = no limit. Beyond it writing fails, as on a full disk
  Path standard_output;                            // instead of being kept
  int output_descriptor = -1;                      // likewise, open already
};

// A program that runs while the test goes on.
class Running {
 public:
  Running(const Words& words, const Surroundings& around = {}) {
    const std::string kept = Path(testing::TempDir()) / fmt::format("thimble_run_{}_{}", ::getpid(), count()++);
    out_ = kept + ".out";
    err_ = kept + ".err";
    std::vector<std::string> all = {THIMBLE_PROGRAM};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    for (std::string& word : all) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string to = around.standard_output.empty() ? out_.string() : around.standard_output.string();
    child_ = ::fork();
    if (child_ != 0) return;
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(around.output_descriptor >= 0 ? around.output_descriptor : ::open(to.c_str(), O_WRONLY | O_CREAT, 0644), 1);
    ::dup2(::open(err_.c_str(), O_WRONLY | O_CREAT, 0644), 2);
    for (const auto& [name, value] : around.environment) ::setenv(name.c_str(), value.c_str(), 1);
    if (!around.folder.empty() && ::chdir(around.folder.c_str()) != 0) ::_exit(126);
    if (around.largest_file >= 0) {
      const auto bytes = static_cast<rlim_t>(around.largest_file);
      const rlimit limit{bytes, bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  Running(const Running&) = delete;
  ~Running() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove(out_);
    std::filesystem::remove(err_);
  }

  pid_t id() const { return child_; }
  void send(int signal) const { ::kill(child_, signal); }

  Ran wait() {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out_).value_or(""),
            read_text(err_).value_or("")};
  }

 private:
  static int& count() {
    static int runs = 0;
    return runs;
  }
  pid_t child_ = -1;
  Path out_, err_;
};

inline Ran call(const Words& words, const Surroundings& around = {}) { return Running(words, around).wait(); }

// Waits until the condition holds; false when it does not within a generous time.
inline bool eventually(const std::function<bool()>& condition, double seconds = 60) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

// Processes below a process: their ids and names.
inline std::map<pid_t, std::string> descendants(pid_t of) {
  std::map<pid_t, std::pair<pid_t, std::string>> all;  // id -> parent, name
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string text;
    std::getline(file, text);
    const size_t open = text.find('('), close = text.rfind(')');
    if (open == text.npos || close == text.npos) continue;
    std::istringstream rest(text.substr(close + 1));
    char state = 0;
    pid_t parent = 0;
    rest >> state >> parent;
    all[std::atoi(text.c_str())] = {parent, text.substr(open + 1, close - open - 1)};
  }
  std::map<pid_t, std::string> found;
  for (bool more = true; more;) {
    more = false;
    for (const auto& [id, process] : all)
      if ((process.first == of || found.contains(process.first)) && !found.contains(id)) {
        found[id] = process.second;
        more = true;
      }
  }
  return found;
}

inline bool is_alive(pid_t id) {
  std::ifstream file(fmt::format("/proc/{}/stat", id));
  std::string text;
  std::getline(file, text);
  const size_t close = text.rfind(')');
  return close != text.npos && text.substr(close).find(" Z ") == text.npos;
}

inline size_t count_of(std::string_view text, std::string_view piece) {
  size_t count = 0;
  for (size_t at = text.find(piece); at != text.npos; at = text.find(piece, at + piece.size())) ++count;
  return count;
}

// Every file below a folder with its content's hash.
inline std::map<std::string, std::string> files_below(const Path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] =
          content_hash(read_bytes(entry.path()).value_or(std::vector<uint8_t>{}));
  return files;
}

inline void expect_nothing_half_written(const Path& folder) {
  for (const auto& [path, hash] : files_below(folder)) EXPECT_FALSE(path.ends_with(".part")) << path;
}

// Exactly one message, on standard error, that holds every piece; nothing but it on standard output.
inline void expect_refused(const Ran& ran, int status, const std::vector<std::string>& pieces) {
  EXPECT_EQ(ran.status, status) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(count_of("\n" + ran.err, "\nthimble: "), 1u) << ran.err;
  const std::string message = ran.err.substr(std::min(ran.err.size(), ran.err.find("thimble: ")));
  for (const std::string& piece : pieces) EXPECT_NE(message.find(piece), message.npos) << piece << "\nin\n" << ran.err;
}

inline nlohmann::json parse_json(const Ran& ran) {
  auto json = nlohmann::json::parse(ran.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << ran.out << ran.err;
  return json;
}

// The same, for a run that must succeed.
inline nlohmann::json json_of(const Words& words, const Surroundings& around = {}) {
  const Ran ran = call(words, around);
  EXPECT_EQ(ran.status, 0) << ran.err;
  return parse_json(ran);
}

}  // namespace thimble::testing_program
