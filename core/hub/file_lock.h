#pragma once

#include <filesystem>
#include <optional>

#include "core/base/error.h"

namespace toccata::hub {

// flock(2) on a file of its own, which is made when missing: the lock that huggingface_hub takes too (through the
// filelock package), so its downloads and ours wait for each other. The system lets go when the process dies.
class FileLock {
 public:
  // nullopt: somebody else holds it. kIo, kPermissionDenied.
  static Result<std::optional<FileLock>> try_lock(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace toccata::hub
