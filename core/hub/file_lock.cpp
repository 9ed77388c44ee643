#include "core/hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace toccata::hub {

Result<std::optional<FileLock>> FileLock::try_lock(const std::filesystem::path& path) {
  const auto failure = [&](const char* what) {
    const ErrorCode code = errno == EACCES || errno == EROFS ? ErrorCode::kPermissionDenied : ErrorCode::kIo;
    return Error{code, path.string() + ": cannot " + what + ": " + std::strerror(errno)};
  };
  // A holder may remove the file before it lets go: a lock on a file without a name keeps nobody out.
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return failure("open");
    FileLock lock(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<FileLock>();
      return failure("lock");
    }
    struct stat held {}, named {};
    if (::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino) {
      return std::optional<FileLock>(std::move(lock));
    }
  }
  return std::optional<FileLock>();
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace toccata::hub
