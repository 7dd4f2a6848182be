// One process at a time: the first to take a lock has it until it lets go or ends, however it ends; others wait.
#pragma once
#include "core/files.h"

namespace thimble {

class FileLock {
 public:
  // Makes the file when it is not there, and leaves it. Errors: io; cancelled on Ctrl-C while waiting.
  static Result<FileLock> take(const Path& file);

  FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace thimble
