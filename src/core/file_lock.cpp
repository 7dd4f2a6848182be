#include "core/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/progress.h"

namespace thimble {

Result<FileLock> FileLock::take(const Path& file) {
  if (file.has_parent_path()) THIMBLE_TRY(make_folder(file.parent_path()));
  FileLock lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  while (lock.file_ < 0 || ::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
    if (lock.file_ < 0 || (errno != EWOULDBLOCK && errno != EINTR))
      return fail(ErrorCode::io, fmt::format("cannot lock it: {}", std::strerror(errno)), file.string());
    THIMBLE_TRY(check_stop());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return lock;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace thimble
