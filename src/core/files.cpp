#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace thimble {

namespace {

tl::unexpected<Error> os_error(const Path& path, std::string_view doing) {
  const int code = errno;
  const char* hint = code == ENOSPC    ? "free some space on this disk and run the command again"
                     : code == EACCES  ? "check who owns the folder and its permissions"
                     : code == ENOENT  ? "check the spelling of the path"
                     : code == ENOTDIR ? "a part of the path is a file, not a folder"
                                       : "";
  return fail(code == ENOENT ? ErrorCode::not_found : ErrorCode::io,
              fmt::format("cannot {}: {}", doing, std::strerror(code)), path.string(), hint);
}

template <class Container>
Result<Container> read_whole(const Path& path, uint64_t max_bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for a writer
  if (file < 0) return os_error(path, "open it for reading");
  struct stat info {};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(file);
    return fail(ErrorCode::bad_data, "expected a file, found a folder or device", path.string());
  }
  if (static_cast<uint64_t>(info.st_size) > max_bytes) {
    ::close(file);
    return fail(ErrorCode::unsupported,
                fmt::format("the file has {} bytes; at most {} are read", info.st_size, max_bytes), path.string());
  }
  Container content;
  content.resize(static_cast<size_t>(info.st_size));
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      auto error = os_error(path, "read it");
      ::close(file);
      return error;
    }
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  ::close(file);
  content.resize(have);
  return content;
}

// What is being written: under no name at all where the file system can, so that nothing is left when this process is
// killed; else under a temporary one.
struct Unfinished {
  int file = -1;
  bool named = true;
};

Unfinished open_unfinished(const Path& temporary) {
#ifdef O_TMPFILE
  const Path folder = temporary.has_parent_path() ? temporary.parent_path() : Path(".");
  if (::access("/proc/self/fd", X_OK) == 0)
    if (const int file = ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644); file >= 0)
      return {file, false};
#endif
  return {::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), true};
}

bool give_name(int file, const Path& name) {
  const std::string nameless = fmt::format("/proc/self/fd/{}", file);
  ::unlink(name.c_str());  // of a killed process that had this one's number
  return ::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

Result<std::vector<uint8_t>> read_bytes(const Path& path, uint64_t max_bytes) {
  return read_whole<std::vector<uint8_t>>(path, max_bytes);
}

Result<std::string> read_text(const Path& path, uint64_t max_bytes) { return read_whole<std::string>(path, max_bytes); }

Outcome write_bytes(const Path& path, std::span<const uint8_t> bytes) {
  if (path.has_parent_path()) THIMBLE_TRY(make_folder(path.parent_path()));
  const Path temporary = path.string() + fmt::format(".{}.part", ::getpid());
  const auto [file, named] = open_unfinished(temporary);
  if (file < 0) return os_error(path, "open it for writing");
  const auto give_up = [&, file = file](std::string_view doing) {
    auto error = os_error(path, doing);
    ::close(file);
    ::unlink(temporary.c_str());
    return error;
  };
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(file, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return give_up("write it");
    done += static_cast<size_t>(wrote);
  }
  if (::fsync(file) != 0 && errno != EINVAL) return give_up("write it to disk");
  if (!named && !give_name(file, temporary)) return give_up("put it in place");
  if (::close(file) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = os_error(path, "put it in place");
    ::unlink(temporary.c_str());
    return error;
  }
  return {};
}

Outcome write_text(const Path& path, std::string_view text) {
  return write_bytes(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

Outcome make_folder(const Path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) return fail(ErrorCode::io, fmt::format("cannot make the folder: {}", code.message()), path.string());
  return {};
}

std::string content_hash(std::span<const uint8_t> bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return fmt::format("{:016x}", hash);
}

std::string content_hash(std::string_view text) {
  return content_hash(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace thimble
