#include "core/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/progress.h"

namespace thimble {

namespace {

struct Package {
  std::string_view program;
  std::string_view package;
};
constexpr Package kPackages[] = {
    {"espeak-ng", "espeak-ng"},
    {"qemu-system-arm", "qemu-system-arm"},
    {"qemu-system-riscv32", "qemu-system-misc"},
    {"arm-none-eabi-g++", "gcc-arm-none-eabi"},
    {"riscv64-unknown-elf-g++", "gcc-riscv64-unknown-elf"},
    {"arm-none-eabi-gcc", "gcc-arm-none-eabi"},
    {"arm-none-eabi-size", "binutils-arm-none-eabi"},
    {"arm-none-eabi-nm", "binutils-arm-none-eabi"},
    {"arm-none-eabi-objcopy", "binutils-arm-none-eabi"},
};

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1, write_end = -1;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
  void close_read() {
    if (read_end >= 0) ::close(read_end);
    read_end = -1;
  }
  void close_write() {
    if (write_end >= 0) ::close(write_end);
    write_end = -1;
  }
  ~Pipe() {
    close_read();
    close_write();
  }
};

bool drain(Pipe& pipe, std::string& into) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::read(pipe.read_end, buffer.data(), buffer.size());
  if (got > 0) {
    into.append(buffer.data(), static_cast<size_t>(got));
    return true;
  }
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  pipe.close_read();
  return false;
}

}  // namespace

Result<Path> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) == 0) return Path(name);
  } else if (const char* search = std::getenv("PATH")) {
    std::stringstream folders(search);
    for (std::string folder; std::getline(folders, folder, ':');) {
      const Path candidate = Path(folder) / name;
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  std::string hint = "install it, or run `thimble doctor`";
  for (const Package& known : kPackages)
    if (known.program == name) hint = fmt::format("install it: apt-get install {}", known.package);
  return fail(ErrorCode::tool_missing, fmt::format("the program {} is not installed", name), "", hint);
}

std::string to_string(const Command& command) {
  std::string text;
  for (const std::string& word : command.words) {
    if (!text.empty()) text += ' ';
    const bool plain = word.find_first_of(" \t\"'$&|;<>()*?") == std::string::npos && !word.empty();
    text += plain ? word : "'" + word + "'";
  }
  return text;
}

Result<CommandResult> run_command(const Command& command) {
  THIMBLE_LET(const Path program, find_program(command.words.at(0)));
  Pipe in, out, err;
  if (!in.open() || !out.open() || !err.open()) return fail(ErrorCode::io, "cannot make a pipe");
  std::vector<char*> arguments;
  for (const std::string& word : command.words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::io, fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (child == 0) {
    ::setpgid(0, 0);  // Ctrl-C reaches thimble, which then ends the whole group
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // and nothing goes on when thimble itself is killed
#endif
    ::dup2(in.read_end, 0);
    ::dup2(out.write_end, 1);
    ::dup2(err.write_end, 2);
    if (!command.folder.empty() && ::chdir(command.folder.c_str()) != 0) ::_exit(127);
    ::execv(program.c_str(), arguments.data());
    ::_exit(127);
  }
  ::setpgid(child, child);
  in.close_read();
  out.close_write();
  err.close_write();
  ::fcntl(in.write_end, F_SETFL, O_NONBLOCK);
  const auto end_child = [&] {
    ::kill(-child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
  };

  CommandResult result;
  size_t fed = 0;
  if (command.input.empty()) in.close_write();
  while (out.read_end >= 0 || err.read_end >= 0) {
    if (stop_requested) {
      end_child();
      return tl::unexpected<Error>(check_stop().error());
    }
    if (std::chrono::duration<double>(Clock::now() - start).count() > command.timeout_s) {
      end_child();
      return fail(ErrorCode::tool_failed, fmt::format("gave no end within {:.0f} s", command.timeout_s),
                  to_string(command));
    }
    std::array<pollfd, 3> waits = {{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}, {in.write_end, POLLOUT, 0}}};
    if (::poll(waits.data(), waits.size(), 100) < 0 && errno != EINTR) break;
    if (out.read_end >= 0 && waits[0].revents) drain(out, result.output);
    if (err.read_end >= 0 && waits[1].revents) drain(err, result.errors);
    if (in.write_end >= 0 && waits[2].revents) {
      const ssize_t wrote = ::write(in.write_end, command.input.data() + fed, command.input.size() - fed);
      if (wrote > 0) fed += static_cast<size_t>(wrote);
      if ((wrote < 0 && errno != EAGAIN && errno != EINTR) || fed == command.input.size()) in.close_write();
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace thimble
